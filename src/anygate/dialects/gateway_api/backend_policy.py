"""XBackendTrafficPolicy: retry budgets and session persistence of Services (GEP-3388, GEP-1619)."""

import msgspec

from anygate.diagnostics import ObjectRef
from anygate.dialects.gateway_api.context import GATEWAY_API_X, Context, Fault, oldest_first, origin
from anygate.dialects.gateway_api.findings import POLICY_CONFLICT, POLICY_TARGET_NOT_FOUND
from anygate.dialects.gateway_api.http_routes import read_session
from anygate.dialects.gateway_api.kinds.xbackendtrafficpolicy import (
    RetryConstraint,
    XBackendTrafficPolicy,
)
from anygate.dialects.gateway_api.status import note
from anygate.model.backend import Backend, CircuitBreaker
from anygate.model.route import BackendTarget, Forward, HttpRule


class BackendPolicies:
    """The policies by the backend they target; the older of two wins."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._by_target: dict[tuple[str, str, str], XBackendTrafficPolicy] = {}
        items = context.index.all(GATEWAY_API_X, "XBackendTrafficPolicy")
        for item in oldest_first(items):
            assert isinstance(item, XBackendTrafficPolicy)
            self._add(item)

    def __bool__(self) -> bool:
        return bool(self._by_target)

    def _add(self, item: XBackendTrafficPolicy) -> None:
        for number, target in enumerate(item.spec.target_refs):
            key = (target.kind, item.namespace, target.name)
            ref = ObjectRef(target.group, target.kind, item.namespace, target.name)
            section = self._context.status.target(item.ref, ref, "")
            path = ("spec", "targetRefs", number)
            if self._context.index.get(target.group, target.kind, item.namespace, target.name) is None:
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
        """A rule with its backends' retry budgets, and their session unless the rule has one of its own."""
        action = rule.action
        if not isinstance(action, Forward):
            return rule
        targets, session = [], rule.session
        for target in action.targets:
            policy = self._find(target)
            if policy is None:
                targets.append(target)
                continue
            if policy.spec.session_persistence is not None and session is None:
                here = origin(policy.manifest, ("spec", "sessionPersistence"))
                name = f"anygate-{route.replace('/', '-')}-{rule.name}"
                session = read_session(policy.spec.session_persistence, here, name)
            targets.append(self._with_budget(target, policy))
        return msgspec.structs.replace(
            rule, action=msgspec.structs.replace(action, targets=tuple(targets)), session=session
        )

    def _find(self, target: BackendTarget) -> XBackendTrafficPolicy | None:
        backend = self._context.backends.get(target.backend)
        if backend is None:
            return None
        kind = backend.name.split("/", 1)[0]
        return self._by_target.get((kind, backend.namespace, backend.service))

    def _with_budget(self, target: BackendTarget, policy: XBackendTrafficPolicy) -> BackendTarget:
        constraint = policy.spec.retry_constraint
        if constraint is None:
            return target
        known = self._context.backends
        name = f"{target.backend}@{policy.ref}"
        if name not in known:
            known[name] = _limit(known[target.backend], name, constraint)
        return msgspec.structs.replace(target, backend=name)


def _limit(backend: Backend, name: str, constraint: RetryConstraint) -> Backend:
    breaker = CircuitBreaker(
        retry_budget_percent=float(constraint.budget.percent),
        retry_budget_interval=constraint.budget.interval,
        retry_budget_min=constraint.min_retry_rate.count,
    )
    connection = msgspec.structs.replace(backend.connection, circuit_breaker=breaker)
    return msgspec.structs.replace(backend, name=name, connection=connection)
