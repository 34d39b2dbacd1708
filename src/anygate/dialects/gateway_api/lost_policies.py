"""Policies that cannot be read: what they were meant for, so that it can be closed.

Security never degrades: a policy that does not validate must not leave its target open.
"""

from collections.abc import Iterator

from anygate.diagnostics import ObjectRef
from anygate.dialects.gateway_api.context import ENVOY_GATEWAY, GATEWAY_API, GATEWAY_API_X, Context
from anygate.dialects.gateway_api.kinds.envoy_gateway.targets import ALIASES
from anygate.dialects.gateway_api.policy_targets import ROUTE_KINDS, find_alias
from anygate.manifests.object import Manifest

_BACKENDS = frozenset((("", "Service"), (ENVOY_GATEWAY, "Backend")))
_TARGETS = _BACKENDS | {
    (GATEWAY_API_X, "XListenerSet"),
    *((GATEWAY_API, kind) for kind in ("Gateway", "ListenerSet", *ROUTE_KINDS)),
    *ALIASES,
}


def broken_targets(context: Context, kind: str) -> Iterator[tuple[ObjectRef, Manifest]]:
    """What the unreadable policies of a kind were meant for, as far as it can be told.

    Security never degrades: a policy that does not validate must not leave its target open. When not even
    its targets can be read, everything in its namespace that it could have targeted is taken.
    """
    for manifest in context.index.broken(kind):
        namespace = manifest.ref.namespace
        for target in _named_targets(manifest) or _possible_targets(context, kind, namespace):
            yield target, manifest


def _named_targets(manifest: Manifest) -> list[ObjectRef]:
    """The targets that an unreadable policy names; none when there may be others than can be told."""
    spec = manifest.value.get("spec")
    if not isinstance(spec, dict) or spec.get("targetSelectors"):
        return []
    listed = spec.get("targetRefs")
    if listed is not None and not isinstance(listed, list):
        return []
    single = spec.get("targetRef")
    found = [_named_target(one, manifest) for one in (*(listed or ()), *(() if single is None else (single,)))]
    return [one for one in found if one is not None] if None not in found else []


def _named_target(given: object, manifest: Manifest) -> ObjectRef | None:
    """The object that a reference names, as far as the reference can be read."""
    if not isinstance(given, dict):
        return None
    group, kind, name = given.get("group"), given.get("kind"), given.get("name")
    if not (isinstance(group, str) and isinstance(kind, str) and isinstance(name, str)):
        return None
    if (group, kind) not in _TARGETS or not 0 < len(name) <= 253 or not name.isprintable():
        return None
    return find_alias(ObjectRef(group, kind, manifest.ref.namespace, name))


def _possible_targets(context: Context, kind: str, namespace: str) -> list[ObjectRef]:
    """Everything in a namespace that a policy of a kind could have been meant for."""
    wanted = _BACKENDS if kind == "BackendTLSPolicy" else _TARGETS - _BACKENDS
    items = [item for pair in sorted(wanted) for item in context.index.all(*pair)]
    return [item.manifest.ref for item in items if item.manifest.ref.namespace == namespace]
