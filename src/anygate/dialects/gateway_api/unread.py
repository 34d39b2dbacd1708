"""Fields that are accepted and have no effect here, so that none is dropped in silence."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from anygate.diagnostics import FieldPath
from anygate.dialects.gateway_api.context import ENVOY_GATEWAY, GATEWAY_API, GATEWAY_API_X, Context
from anygate.dialects.gateway_api.extension import find_unread_extension_fields
from anygate.dialects.gateway_api.findings import NOT_HONOURED
from anygate.dialects.gateway_api.kinds.envoy_gateway.backend import BackendSpec
from anygate.dialects.gateway_api.kinds.xbackendtrafficpolicy import XBackendTrafficPolicySpec
from anygate.manifests.kind import Kind
from anygate.model.edit import Redirect, Respond
from anygate.model.route import Forward, HttpRule

_Unread = Iterator[tuple[FieldPath, str]]


def note_unread_kinds(context: Context) -> None:
    """Name what has no effect in objects that no pass looks at as a whole."""
    for group, kind, find in _FINDERS:
        for item in context.index.all(group, kind):
            for path, text in find(item.spec):
                context.add(NOT_HONOURED, text, item.manifest, path)


def find_unread_route_fields(item: Kind, rules: Sequence[HttpRule]) -> _Unread:
    """What of an HTTPRoute or GRPCRoute has no effect."""
    for number, (rule, read) in enumerate(zip(item.spec.rules, rules, strict=True)):
        path: FieldPath = ("spec", "rules", number)
        for place, one in enumerate(rule.filters):
            if getattr(one, "cors", None) is not None and not isinstance(read.action, Forward):
                text = "CORS has no effect on a rule that answers without a backend"
                yield (*path, "filters", place), text
        answers = isinstance(read.action, Redirect) or (isinstance(read.action, Respond) and not read.action.reason)
        if answers and rule.backend_refs:
            yield (*path, "backendRefs"), "the rule answers without a backend"


def _find_envoy_proxy(spec: dict[str, Any]) -> _Unread:
    for name in sorted(spec):
        yield ("spec", name), "an EnvoyProxy has no effect here"


def _find_patches(spec: dict[str, Any]) -> _Unread:
    if spec:
        yield ("spec",), "Envoy's configuration is not patched"


def _find_extensions(spec: dict[str, Any]) -> _Unread:
    for name in ("extProc", "wasm", "lua", "dynamicModule"):
        if spec.get(name):
            yield ("spec", name), f"{name} extensions are not run here"


def _find_tls_options(spec: Any) -> _Unread:
    if getattr(spec, "options", None):
        yield ("spec", "options"), "options of other implementations have no effect"


def _find_backend(spec: BackendSpec) -> _Unread:
    if spec.tls is not None and spec.tls.fingerprints:
        yield ("spec", "tls", "fingerprints"), "TLS fingerprints are those of clients"


def _find_backend_policy(spec: XBackendTrafficPolicySpec) -> _Unread:
    constraint = spec.retry_constraint
    if constraint is not None and "interval" in constraint.min_retry_rate.model_fields_set:
        text = "the least number of retries holds at any one time"
        yield ("spec", "retryConstraint", "minRetryRate", "interval"), text


_FINDERS: tuple[tuple[str, str, Callable[[Any], _Unread]], ...] = (
    (ENVOY_GATEWAY, "EnvoyProxy", _find_envoy_proxy),
    (ENVOY_GATEWAY, "EnvoyPatchPolicy", _find_patches),
    (ENVOY_GATEWAY, "EnvoyExtensionPolicy", _find_extensions),
    (ENVOY_GATEWAY, "HTTPRouteFilter", find_unread_extension_fields),
    (ENVOY_GATEWAY, "Backend", _find_backend),
    (GATEWAY_API_X, "XBackendTrafficPolicy", _find_backend_policy),
    (GATEWAY_API, "BackendTLSPolicy", _find_tls_options),
)
