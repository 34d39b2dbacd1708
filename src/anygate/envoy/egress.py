"""What Envoy needs for the processes beside it: the way out for what the adapter has translated, and the services.

The adapter turns a request into one in a provider's format and sends it back to Envoy over a Unix socket, naming the
cluster. There the cluster's own filters put the credential on it, so no credential ever passes the adapter.
"""

from datetime import timedelta
from typing import Any

from anygate.envoy.api import any_of, bool_value, build, typed, uint32
from anygate.envoy.bounds import build_no_bounds
from anygate.envoy.http_connection import MANAGER
from anygate.envoy.names import EGRESS, SERVICES
from anygate.envoy.upstream.rewrite import without_rewrite
from anygate.model.root import Model, list_rules
from anygate.model.route import Forward
from anygate.providers.order import EGRESS_HEADER

_ROUTER = "envoy.extensions.filters.http.router.v3.Router"
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_OWNER_ONLY = 0o600
_NEVER = timedelta(0)
_MANY = 2**31 - 1
_CONNECT_TIMEOUT = timedelta(seconds=5)
_BODY_LIMIT = 52_428_800
"""How much of a body is held where a cluster's filters need it whole, to sign it for one."""


def has_translation(model: Model) -> bool:
    """Whether any rule sends requests by way of the adapter."""
    return any(
        target.translated
        for rule in list_rules(model)
        if isinstance(rule.action, Forward)
        for target in rule.action.targets
    )


def build_egress(path: str) -> Any:
    """Build the listener for what the adapter has translated.

    It changes nothing about a request but the host, and sets no limit: those of the first leg hold. It never tries
    again, for what would be tried again is the first leg, which may choose another provider. The adapter has set path
    and body, so the providers' scripts are turned off, which would cost 10 us to find that out.

    Tried on Envoy 1.40: where an answer breaks off, the connection is closed only after `delayed_close_timeout`, a
    second unless told otherwise, during which the adapter and its client would wait for nothing.
    """
    action = {
        "cluster_header": EGRESS_HEADER,
        "cluster_not_found_response_code": "INTERNAL_SERVER_ERROR",
        "auto_host_rewrite": bool_value(True),
        "timeout": _NEVER,
        "idle_timeout": _NEVER,
    }
    route = {
        "match": {"prefix": "/"},
        "route": action,
        "typed_per_filter_config": without_rewrite(),
        "request_body_buffer_limit": {"value": _BODY_LIMIT},
    }
    manager = build(
        MANAGER,
        stat_prefix=EGRESS,
        route_config={"name": EGRESS, "virtual_hosts": [{"name": EGRESS, "domains": ["*"], "routes": [route]}]},
        http_filters=[
            {"name": "envoy.filters.http.router", "typed_config": typed(_ROUTER, suppress_envoy_headers=True)}
        ],
        stream_idle_timeout=_NEVER,
        delayed_close_timeout=_NEVER,
        http2_protocol_options={"max_concurrent_streams": uint32(_MANY)},
        server_header_transformation="PASS_THROUGH",
        use_remote_address=bool_value(False),
        skip_xff_append=True,
        generate_request_id=bool_value(False),
        path_with_escaped_slashes_action="KEEP_UNCHANGED",
    )
    return build(
        "envoy.config.listener.v3.Listener",
        name=EGRESS,
        stat_prefix=EGRESS,
        address={"pipe": {"path": path, "mode": _OWNER_ONLY}},
        traffic_direction="OUTBOUND",
        per_connection_buffer_limit_bytes=uint32(_BODY_LIMIT),
        filter_chains=[
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": any_of(manager)}]}
        ],
    )


def build_services(path: str, name: str = SERVICES) -> Any:
    """Build the cluster of gRPC services behind a Unix socket."""
    endpoint = {"endpoint": {"address": {"pipe": {"path": path}}}}
    options = typed(_OPTIONS, explicit_http_config={"http2_protocol_options": {}})
    return build(
        "envoy.config.cluster.v3.Cluster",
        name=name,
        type="STATIC",
        connect_timeout=_CONNECT_TIMEOUT,
        # Checks that wait for others, such as a directory, must not keep limits from being asked about.
        circuit_breakers=build_no_bounds(),
        typed_extension_protocol_options={_OPTIONS: options},
        load_assignment={"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    )
