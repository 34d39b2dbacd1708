"""How policies find what they apply to, and which one wins.

Gateway API policy attachment (GEP-713) as Envoy Gateway does it: a policy for a rule beats one for the route,
which beats one for a listener, which beats one for the Gateway; of two for the same target the older wins.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from anygate.diagnostics import ObjectRef, Rule, Severity
from anygate.dialects.gateway_api.context import ENVOY_GATEWAY, GATEWAY_API, GATEWAY_API_X, Context, Fault
from anygate.dialects.gateway_api.findings import UNSUPPORTED
from anygate.dialects.gateway_api.status import Section, note
from anygate.manifests.kind import Kind
from anygate.manifests.object import Manifest

POLICY_CONFLICT = Rule(
    "policy-conflict",
    Severity.ERROR,
    what="Two policies of one kind have the same target.",
    why="Only the older one holds (without creation times the first by name); the other has no effect.",
    wrong="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec: {gatewayClassName: envoy, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: gateway.envoyproxy.io/v1alpha1
    kind: ClientTrafficPolicy
    metadata: {name: one}
    spec:
      targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
      timeout: {http: {idleTimeout: 10s}}
    ---
    apiVersion: gateway.envoyproxy.io/v1alpha1
    kind: ClientTrafficPolicy
    metadata: {name: two}
    spec:
      targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
      timeout: {http: {idleTimeout: 20s}}
    """,
    right="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec: {gatewayClassName: envoy, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: gateway.envoyproxy.io/v1alpha1
    kind: ClientTrafficPolicy
    metadata: {name: one}
    spec:
      targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
      timeout: {http: {idleTimeout: 10s}}
    """,
)

POLICY_TARGET_NOT_FOUND = Rule(
    "policy-target-not-found",
    Severity.ERROR,
    what="A policy names a target that no manifest defines, or a kind that it cannot apply to.",
    why="The policy has no effect. For a security policy that may mean less protection than was meant.",
    wrong="""
    apiVersion: gateway.envoyproxy.io/v1alpha1
    kind: SecurityPolicy
    metadata: {name: cors}
    spec:
      targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: missing}]
      cors: {allowOrigins: ["https://example.com"]}
    """,
    right="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec: {gatewayClassName: envoy, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: gateway.envoyproxy.io/v1alpha1
    kind: SecurityPolicy
    metadata: {name: cors}
    spec:
      targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
      cors: {allowOrigins: ["https://example.com"]}
    """,
)

_BACKENDS = frozenset((("", "Service"), (ENVOY_GATEWAY, "Backend")))
ROUTE_KINDS = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")
_TARGETS = _BACKENDS | {
    (GATEWAY_API_X, "XListenerSet"),
    *((GATEWAY_API, kind) for kind in ("Gateway", "ListenerSet", *ROUTE_KINDS)),
}


@dataclass(eq=False)
class Attached:
    """A policy attached to one target. `section` collects its conditions for that target."""

    item: Kind | None
    manifest: Manifest
    section: Section
    fault: Fault | None = None


@dataclass(eq=False)
class Policies:
    """Every policy of one kind, by target object and section name (empty: the whole object)."""

    kind: str
    _by_target: dict[tuple[ObjectRef, str], Attached] = field(default_factory=dict)

    def find(self, target: ObjectRef, section: str = "") -> Attached | None:
        """The policy for exactly this target and section."""
        return self._by_target.get((target, section))

    def all(self) -> Iterable[Attached]:
        """Every policy with each of its targets."""
        return self._by_target.values()

    def __bool__(self) -> bool:
        return bool(self._by_target)

    def effective(self, places: Iterable[tuple[ObjectRef, str]]) -> Attached | None:
        """The first policy along `places`, which go from the most specific to the widest."""
        for target, section in places:
            found = self._by_target.get((target, section))
            if found is not None:
                return found
        return None

    def chain(self, places: Iterable[tuple[ObjectRef, str]]) -> list[Attached]:
        """All policies along `places`, the most specific first."""
        found = (self._by_target.get(place) for place in places)
        return [one for one in found if one is not None]


def read_policies(context: Context, kind: str, target_kinds: tuple[str, ...]) -> Policies:
    """Attach every policy of an Envoy Gateway kind to its targets."""
    policies = Policies(kind)
    items = context.index.all(ENVOY_GATEWAY, kind)
    for item in sorted(items, key=lambda item: (item.manifest.creation_timestamp or "9999", item.manifest.ref)):
        _attach(context, policies, item, target_kinds)
    for target, manifest in broken_targets(context, kind):
        section = context.status.target(manifest.ref, target, "")
        fault = Fault(POLICY_CONFLICT, "Invalid", f"{manifest.ref} is not valid")
        note(section, "Accepted", False, fault.reason, fault.message)
        # A broken policy still holds its target, and what it should have protected is closed.
        policies._by_target[target, ""] = Attached(None, manifest, section, fault)
    return policies


def _attach(context: Context, policies: Policies, item: Kind, target_kinds: tuple[str, ...]) -> None:
    manifest = item.manifest
    for target, section_name, path in _targets(context, item):
        section = context.status.target(manifest.ref, target, section_name)
        if target.group != GATEWAY_API or target.kind not in target_kinds:
            text = f"a {policies.kind} cannot target a {target.kind}"
            fault = Fault(POLICY_TARGET_NOT_FOUND, "Invalid", text, f"it can target {', '.join(target_kinds)}")
            context.refuse(section, "Accepted", fault, manifest, path)
            continue
        found = context.index.get(*target)
        if found is None:
            fault = Fault(POLICY_TARGET_NOT_FOUND, "TargetNotFound", f"there is no {target}")
            context.refuse(section, "Accepted", fault, manifest, path)
            continue
        if section_name and section_name not in _sections(found):
            text = f"{target} has no section called {section_name}"
            fault = Fault(POLICY_TARGET_NOT_FOUND, "TargetNotFound", text)
            context.refuse(section, "Accepted", fault, manifest, path)
            continue
        other = policies.find(target, section_name)
        if other is not None:
            text = f"{other.manifest.ref} already targets {target}"
            fault = Fault(POLICY_CONFLICT, "Conflicted", text)
            context.refuse(section, "Accepted", fault, manifest, path)
            continue
        policies._by_target[target, section_name] = Attached(item, manifest, section)
        note(section, "Accepted", True, "Accepted")


def _targets(context: Context, item: Kind) -> Iterator[tuple[ObjectRef, str, tuple[str | int, ...]]]:
    spec, namespace = item.spec, item.manifest.ref.namespace
    if spec.target_ref is not None:
        one = spec.target_ref
        yield (
            ObjectRef(one.group, one.kind, namespace, one.name),
            one.section_name or "",
            ("spec", "targetRef"),
        )
    for number, one in enumerate(spec.target_refs or ()):
        ref = ObjectRef(one.group, one.kind, namespace, one.name)
        yield ref, one.section_name or "", ("spec", "targetRefs", number)
    for number, selector in enumerate(getattr(spec, "target_selectors", ())):
        path = ("spec", "targetSelectors", number)
        if selector.namespaces is not None and selector.namespaces.from_ != "Same":
            text = "targets in other namespaces are not looked for"
            context.add(UNSUPPORTED, text, item.manifest, (*path, "namespaces"))
        refs = [
            found.manifest.ref
            for found in context.index.all(selector.group or GATEWAY_API, selector.kind)
            if found.namespace == namespace and context.index.selects(selector, found.manifest.labels)
        ]
        if not refs:
            text = f"no {selector.kind} of namespace {namespace} is selected"
            context.add(POLICY_TARGET_NOT_FOUND, text, item.manifest, path)
        for ref in refs:
            yield ref, "", path


def _sections(item: Kind) -> set[str]:
    spec = item.spec
    named = getattr(spec, "listeners", None) or getattr(spec, "rules", ())
    return {one.name for one in named if one.name}


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
    found = []
    for one in [*(listed or ()), *(() if single is None else (single,))]:
        given = tuple(one.get(key) for key in ("group", "kind", "name")) if isinstance(one, dict) else ()
        group, kind, name = given if all(isinstance(part, str) for part in given) and given else ("", "", "")
        if (group, kind) not in _TARGETS or not 0 < len(name) <= 253 or not name.isprintable():
            return []
        found.append(ObjectRef(group, kind, manifest.ref.namespace, name))
    return found


def _possible_targets(context: Context, kind: str, namespace: str) -> list[ObjectRef]:
    """Everything in a namespace that a policy of a kind could have been meant for."""
    wanted = _BACKENDS if kind == "BackendTLSPolicy" else _TARGETS - _BACKENDS
    items = [item for pair in sorted(wanted) for item in context.index.all(*pair)]
    return [item.manifest.ref for item in items if item.manifest.ref.namespace == namespace]
