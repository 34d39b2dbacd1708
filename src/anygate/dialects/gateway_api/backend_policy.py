"""Policies of backends: XBackendTrafficPolicy (GEP-3388, GEP-1619) and BackendLBPolicy, which it followed."""

from collections.abc import Iterator

import msgspec

from anygate.diagnostics import FieldPath, ObjectRef, Rule, Severity
from anygate.dialects.gateway_api.context import GATEWAY_API, GATEWAY_API_X, Context, Fault, origin
from anygate.dialects.gateway_api.findings import POLICY_CONFLICT, POLICY_TARGET_NOT_FOUND
from anygate.dialects.gateway_api.http_routes import read_session
from anygate.dialects.gateway_api.kinds.backendlbpolicy import BackendLBPolicy, LoadBalancing
from anygate.dialects.gateway_api.kinds.session import SessionPersistence
from anygate.dialects.gateway_api.kinds.xbackendtrafficpolicy import RetryConstraint, XBackendTrafficPolicy
from anygate.dialects.gateway_api.status import note
from anygate.manifests.kind import oldest_first
from anygate.model import backend as model
from anygate.model.backend import Backend, CircuitBreaker, Connection
from anygate.model.route import BackendTarget, Forward, HashPolicy, HttpRule

OTHER_NAME = Rule(
    "policy-other-name",
    Severity.WARNING,
    what="A field of a BackendLBPolicy goes by a name that guides use and the API does not have.",
    why="It is honoured here; a cluster would drop or refuse it.",
    wrong="""
    apiVersion: v1
    kind: Service
    metadata: {name: shop}
    spec: {ports: [{port: 80}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1alpha2
    kind: BackendLBPolicy
    metadata: {name: shop}
    spec:
      targetRefs: [{group: "", kind: Service, name: shop}]
      session_persistence: {sessionName: cart}
    """,
    right="""
    apiVersion: v1
    kind: Service
    metadata: {name: shop}
    spec: {ports: [{port: 80}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1alpha2
    kind: BackendLBPolicy
    metadata: {name: shop}
    spec:
      targetRefs: [{group: "", kind: Service, name: shop}]
      sessionPersistence: {sessionName: cart}
    """,
)

Policy = XBackendTrafficPolicy | BackendLBPolicy

_UNBOUNDED = 2**32 - 1
_BALANCING = {"RoundRobin": "round_robin", "LeastRequest": "least_request", "Random": "random"}


class BackendPolicies:
    """The policies by the backend they target; the older of two wins."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._by_target: dict[tuple[str, str, str], Policy] = {}
        items = [
            *context.index.all(GATEWAY_API_X, "XBackendTrafficPolicy"),
            *context.index.all(GATEWAY_API, "BackendLBPolicy"),
        ]
        for item in oldest_first(items):
            assert isinstance(item, XBackendTrafficPolicy | BackendLBPolicy)
            self._add(item)
            for path, name in _list_other_names(item):
                context.add(OTHER_NAME, f"the API calls it {name}", item.manifest, path)

    def __bool__(self) -> bool:
        return bool(self._by_target)

    def _add(self, item: Policy) -> None:
        for number, target in enumerate(item.spec.target_refs):
            key = (target.kind, item.namespace, target.name)
            ref = ObjectRef(target.group, target.kind, item.namespace, target.name)
            section = self._context.status.target(item.ref, ref, "")
            path = ("spec", "targetRefs", number)
            if self._context.index.get(*ref) is None:
                text = f"there is no {target.kind}/{item.namespace}/{target.name}"
                fault = Fault(POLICY_TARGET_NOT_FOUND, "TargetNotFound", text)
                self._context.refuse(section, "Accepted", fault, item.manifest, path)
            elif key in self._by_target:
                text = f"{self._by_target[key].ref} already targets {target.kind} {target.name}"
                fault = Fault(POLICY_CONFLICT, "Conflicted", text)
                self._context.refuse(section, "Accepted", fault, item.manifest, path)
            else:
                note(section, "Accepted", True, "Accepted")
                self._by_target[key] = item

    def apply(self, rule: HttpRule, route: str) -> HttpRule:
        """A rule with what its backends' policies say, and their session unless the rule has one of its own.

        A session is one for all backends of a rule, so then a policy of one of them holds for those without.
        """
        action = rule.action
        if not isinstance(action, Forward):
            return rule
        policies = [self._find(target) for target in action.targets]
        session = rule.session
        for policy in policies:
            found = _session(policy) if policy is not None else None
            if policy is not None and found is not None and session is None:
                here = origin(policy.manifest, ("spec", "sessionPersistence"))
                session = read_session(found, here, f"anygate-{route.replace('/', '-')}-{rule.name}")
        shared = next((one for one in policies if one is not None), None) if session is not None else None
        held = [policy or shared for policy in policies]
        hashed = next((keys for one in held if one is not None and (keys := _read_hash(one))), rule.hash_policies)
        targets = tuple(self._under(target, policy) for target, policy in zip(action.targets, held, strict=True))
        action = msgspec.structs.replace(action, targets=targets)
        return msgspec.structs.replace(rule, action=action, session=session, hash_policies=hashed)

    def _find(self, target: BackendTarget) -> Policy | None:
        backend = self._context.backends.get(target.backend)
        if backend is None:
            return None
        kind = backend.name.split("/", 1)[0]
        return self._by_target.get((kind, backend.namespace, backend.service))

    def _under(self, target: BackendTarget, policy: Policy | None) -> BackendTarget:
        """A target whose backend is the one under a policy: a cluster of its own beside the plain one."""
        known = self._context.backends
        if policy is None or target.backend not in known:
            return target
        backend: Backend = known[target.backend]
        connection = _read_connection(backend.connection, policy)
        if connection == backend.connection:
            return target
        name = f"{target.backend}@{policy.ref}"
        known.setdefault(name, msgspec.structs.replace(backend, name=name, connection=connection))
        return msgspec.structs.replace(target, backend=name)


def _session(policy: Policy) -> SessionPersistence | None:
    return policy.spec.session if isinstance(policy, BackendLBPolicy) else policy.spec.session_persistence


def _read_connection(connection: Connection, policy: Policy) -> Connection:
    if isinstance(policy, XBackendTrafficPolicy):
        constraint = policy.spec.retry_constraint
        breaker = _read_budget(constraint) if constraint is not None else None
    else:
        limit = policy.spec.circuit_breaker.max_inflight_requests if policy.spec.circuit_breaker else 0
        breaker = _bound(limit) if limit else None
        if policy.spec.load_balancing is not None:
            balancing = model.LoadBalancing(kind=_find_kind(policy.spec.load_balancing))  # type: ignore[arg-type]
            connection = msgspec.structs.replace(connection, balancing=balancing)
    return msgspec.structs.replace(connection, circuit_breaker=breaker) if breaker else connection


def _find_kind(found: LoadBalancing) -> str:
    return "maglev" if found.consistent_hash is not None else _BALANCING[found.type or "RoundRobin"]


def _read_hash(policy: Policy) -> tuple[HashPolicy, ...]:
    """What is hashed. Without the header of a request there is no hash, and Envoy chooses at random."""
    found = policy.spec.load_balancing if isinstance(policy, BackendLBPolicy) else None
    if found is None or found.consistent_hash is None:
        return ()
    if found.consistent_hash.key_type == "SourceIP":
        return (HashPolicy(kind="source_ip"),)
    return (HashPolicy(kind="header", name=found.consistent_hash.header_name or ":authority"),)


def _read_budget(constraint: RetryConstraint) -> CircuitBreaker:
    return CircuitBreaker(
        retry_budget_percent=float(constraint.budget.percent),
        retry_budget_interval=constraint.budget.interval,
        retry_budget_min=constraint.min_retry_rate.count,
    )


def _bound(requests: int) -> CircuitBreaker:
    """Only the number of requests is bounded, by each Envoy for itself."""
    return CircuitBreaker(connections=_UNBOUNDED, pending=_UNBOUNDED, requests=requests, retries=_UNBOUNDED)


def _list_other_names(item: Policy) -> Iterator[tuple[FieldPath, str]]:
    if not isinstance(item, BackendLBPolicy):
        return
    name = "sessionPersistence" if item.spec.session_persistence is not None else "session_persistence"
    if item.spec.other_session_persistence is not None:
        yield ("spec", name), "sessionPersistence"
    if item.spec.session is not None and item.spec.session.session_type is not None:
        yield ("spec", name, "sessionType"), "type"
