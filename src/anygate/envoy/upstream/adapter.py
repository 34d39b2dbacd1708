"""The cluster that leads to a provider by way of the adapter, which speaks its format to clients of another."""

from datetime import timedelta
from typing import Any

from anygate.envoy.api import build, typed
from anygate.envoy.bounds import build_no_bounds
from anygate.envoy.names import adapter_cluster_name
from anygate.envoy.origins import build_origin
from anygate.envoy.upstream.chain import build_adapter_chain
from anygate.envoy.upstream.setting import Setting
from anygate.model.backend import Backend
from anygate.model.root import Model, list_rules
from anygate.model.route import Forward

_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_LEAST_REQUEST = "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest"


def build_adapter_cluster(backend: Backend, sockets: tuple[str, ...], setting: Setting) -> Any:
    """Build the cluster of the adapter's workers with the order what they are to do with requests for a backend.

    A worker with the fewest requests is the one with the most time. There are no bounds: those of the provider's own
    cluster hold when the translated request gets there.
    """
    provider = backend.provider
    if provider is None:
        raise ValueError(f"{backend.name} is no model provider's")
    options = typed(
        _OPTIONS,
        explicit_http_config={"http_protocol_options": {}},
        http_filters=build_adapter_chain(backend, provider, setting),
    )
    name = adapter_cluster_name(backend.name)
    endpoints = [{"endpoint": {"address": {"pipe": {"path": path}}}} for path in sockets]
    return build(
        "envoy.config.cluster.v3.Cluster",
        name=name,
        type="STATIC",
        metadata=build_origin(backend),
        connect_timeout=timedelta(seconds=5),
        load_assignment={"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        load_balancing_policy={
            "policies": [
                {"typed_extension_config": {"name": "least_request", "typed_config": typed(_LEAST_REQUEST)}},
            ]
        },
        circuit_breakers=build_no_bounds(),
        typed_extension_protocol_options={_OPTIONS: options},
    )


def translated_backends(model: Model) -> frozenset[str]:
    """The backends that some rule's clients do not share the format of."""
    return frozenset(
        target.backend
        for rule in list_rules(model)
        if rule.inference is not None and isinstance(rule.action, Forward)
        for target in rule.action.targets
        if target.translated and target.backend
    )
