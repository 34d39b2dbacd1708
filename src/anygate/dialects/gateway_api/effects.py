"""What policies change in the rules they hold for, and the variants of backends that this needs."""

from collections.abc import Sequence
from typing import Any

import msgspec
from pydantic import ValidationError

from anygate.dialects.gateway_api.backend_traffic import (
    TrafficEffect,
    find_unread_traffic_fields,
    merge_effects,
    read_traffic,
)
from anygate.dialects.gateway_api.backends import Backends
from anygate.dialects.gateway_api.context import Context, Fault
from anygate.dialects.gateway_api.findings import NOT_HONOURED, UNSUPPORTED
from anygate.dialects.gateway_api.kinds.envoy_gateway.backendtrafficpolicy import BackendTrafficPolicySpec
from anygate.dialects.gateway_api.kinds.envoy_gateway.securitypolicy import SecurityPolicySpec
from anygate.dialects.gateway_api.policies import Attached, Policies
from anygate.dialects.gateway_api.security import (
    PolicyFault,
    SecurityEffect,
    find_unread_security_fields,
    read_security,
)
from anygate.model.edit import Respond
from anygate.model.route import Forward, HttpRule

Places = Sequence[tuple[Any, str]]


class Effects:
    """Reads policies once each and applies them to rules."""

    def __init__(self, context: Context, backends: Backends, traffic: Policies, security: Policies) -> None:
        self._context = context
        self._backends = backends
        self._traffic = traffic
        self._security = security
        self._known_traffic: dict[tuple[int, ...], TrafficEffect | Fault] = {}
        self._known_security: dict[tuple[int, ...], SecurityEffect | Fault] = {}
        self._note_unread()

    @property
    def any(self) -> bool:
        """Whether there is any policy that could change a rule."""
        return bool(self._traffic) or bool(self._security)

    def _note_unread(self) -> None:
        for policies, find in (
            (self._traffic, find_unread_traffic_fields),
            (self._security, find_unread_security_fields),
        ):
            seen = set()
            for attached in policies.all():
                if attached.item is None or id(attached.item) in seen:
                    continue
                seen.add(id(attached.item))
                for path, text in find(attached.item.spec):  # type: ignore[operator]
                    self._context.add(NOT_HONOURED, text, attached.manifest, path)

    def traffic(self, places: Places) -> TrafficEffect | Fault | None:
        """The effect of the BackendTrafficPolicies that hold at `places`, the most specific first."""
        chain = _merging(self._traffic.chain(places))
        if not chain:
            return None
        key = tuple(id(one) for one in chain)
        if key not in self._known_traffic:
            self._known_traffic[key] = self._read_traffic(chain)
        return self._known_traffic[key]

    def _read_traffic(self, chain: list[Attached]) -> TrafficEffect | Fault:
        broken = next((one.fault for one in chain if one.fault is not None), None)
        if broken is not None:
            return broken
        spec = _merged(chain, BackendTrafficPolicySpec)
        if isinstance(spec, Fault):
            self._context.refuse(chain[0].section, "Accepted", spec, chain[0].manifest)
            return spec
        effect = read_traffic(chain[0].manifest, spec)
        return effect

    def security(self, places: Places) -> SecurityEffect | Fault | None:
        """The effect of the SecurityPolicies that hold at `places`, the most specific first."""
        chain = _merging(self._security.chain(places))
        if not chain:
            return None
        key = tuple(id(one) for one in chain)
        if key not in self._known_security:
            self._known_security[key] = self._read_security(chain)
        return self._known_security[key]

    def _read_security(self, chain: list[Attached]) -> SecurityEffect | Fault:
        broken = next((one.fault for one in chain if one.fault is not None), None)
        if broken is not None:
            return broken
        first = chain[0]
        spec = _merged(chain, SecurityPolicySpec)
        if isinstance(spec, Fault):
            self._context.refuse(first.section, "Accepted", spec, first.manifest)
            return spec
        try:
            return read_security(self._context, self._backends, first.manifest, spec)
        except PolicyFault as problem:
            fault = Fault(problem.fault.rule, "Invalid", problem.fault.message, problem.fault.hint)
            self._context.refuse(first.section, "Accepted", fault, first.manifest, problem.path)
            return fault

    def apply(self, rule: HttpRule, places: Places) -> HttpRule:
        """A rule with everything that policies add; a policy that is not valid closes the rule with 500."""
        for found in (self.security(places), self.traffic(places)):
            if isinstance(found, Fault):
                closed = Respond(origin=rule.origin, status=500, reason=found.message)
                return msgspec.structs.replace(rule, action=closed, mirrors=())
            if isinstance(found, SecurityEffect):
                rule = _with_security(rule, found)
            elif isinstance(found, TrafficEffect):
                rule = self._with_traffic(rule, found)
        return rule

    def _with_traffic(self, rule: HttpRule, effect: TrafficEffect) -> HttpRule:
        timeouts, retry = merge_effects(effect, rule.timeouts, rule.retry)
        action = rule.action
        if isinstance(action, Forward):
            targets = tuple(
                msgspec.structs.replace(target, backend=self.variant(target.backend, effect))
                for target in action.targets
            )
            action = msgspec.structs.replace(action, targets=targets)
        return msgspec.structs.replace(
            rule,
            action=action,
            timeouts=timeouts,
            retry=retry,
            faults=effect.faults,
            rate_limit=effect.rate_limit,
            hash_policies=effect.hash_policies,
            request_buffer=effect.request_buffer,
            upgrades=effect.upgrades,
        )

    def variant(self, name: str, effect: TrafficEffect) -> str:
        """The backend under a policy's connection settings: a cluster of its own beside the plain one."""
        known = self._context.backends
        if not name or known[name].connection == effect.connection:
            return name
        wanted = f"{name}@{effect.label}"
        if wanted not in known:
            connection = effect.connection
            own = known[name].connection.circuit_breaker
            if own is not None and connection.circuit_breaker is None:
                connection = msgspec.structs.replace(connection, circuit_breaker=own)
            known[wanted] = msgspec.structs.replace(known[name], name=wanted, connection=connection)
        return wanted


def _with_security(rule: HttpRule, effect: SecurityEffect) -> HttpRule:
    security = effect.security
    if security is not None and rule.security is not None:
        # The route's own ExternalAuth filter stands beside what the policy asks for.
        auth = rule.security.ext_auth or security.ext_auth
        security = msgspec.structs.replace(security, ext_auth=auth)
    return msgspec.structs.replace(rule, security=security or rule.security, cors=rule.cors or effect.cors)


def _merging(chain: list[Attached]) -> list[Attached]:
    """The policies that count: the most specific, and wider ones as long as each asks to be merged."""
    kept = chain[:1]
    for wider in chain[1:]:
        item = kept[-1].item
        if item is None or item.spec.merge_type is None:  # type: ignore[attr-defined]
            break
        kept.append(wider)
    return kept


def _merged(chain: list[Attached], model: type[Any]) -> Any | Fault:
    """One spec from the most specific policy over the wider ones, as a JSON merge patch (RFC 7396)."""
    first = chain[0].item
    assert first is not None
    if len(chain) == 1:
        return first.spec  # type: ignore[attr-defined]
    value: Any = {}
    for attached in reversed(chain):
        value = merge_patch(value, attached.manifest.value["spec"])
    try:
        return model.model_validate(value)
    except ValidationError as error:
        text = f"merged with the wider policies it is not valid: {error.errors()[0]['msg']}"
        return Fault(UNSUPPORTED, "Invalid", text)


_OWN = ("targetRef", "targetRefs", "targetSelectors", "mergeType")


def merge_patch(value: Any, patch: Any) -> Any:
    """Apply a JSON merge patch; a policy's targets are its own and never merged.

    Kubernetes reads null as absent, so that a null takes nothing away from the wider policy.
    """
    if not isinstance(patch, dict):
        return patch
    merged = {key: one for key, one in value.items() if key not in _OWN} if isinstance(value, dict) else {}
    for key, one in patch.items():
        if one is not None:
            merged[key] = merge_patch(merged.get(key), one)
    return merged
