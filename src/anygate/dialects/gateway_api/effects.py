"""What policies change in the rules they hold for, and the variants of backends that this needs."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
from pydantic import ValidationError

from anygate.diagnostics import FieldPath
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
from anygate.dialects.gateway_api.policies import Attached, Place, Policies
from anygate.dialects.gateway_api.security import (
    PolicyProblem,
    SecurityEffect,
    find_unread_security_fields,
    read_security,
)
from anygate.model.backend import LoadBalancing
from anygate.model.edit import Respond
from anygate.model.route import Forward, HttpRule

E = TypeVar("E")


class Effects:
    """Reads policies once each and applies them to rules."""

    def __init__(self, context: Context, backends: Backends, traffic: Policies, security: Policies) -> None:
        self._context = context
        self._backends = backends
        self._traffic = traffic
        self._security = security
        self._known: dict[tuple[int, ...], Any] = {}
        note_unread(context, traffic, find_unread_traffic_fields)
        note_unread(context, security, find_unread_security_fields)

    def __bool__(self) -> bool:
        return bool(self._traffic) or bool(self._security)

    def traffic(self, places: Sequence[Place]) -> TrafficEffect | Fault | None:
        """The effect of the BackendTrafficPolicies that hold at `places`, the most specific first."""
        return self._read(self._traffic.chain(places), self._read_traffic)

    def security(self, places: Sequence[Place]) -> SecurityEffect | Fault | None:
        """The effect of the SecurityPolicies that hold at `places`, the most specific first."""
        return self._read(self._security.chain(places), self._read_security)

    def _read(self, chain: list[Attached], read: Callable[[list[Attached]], E | Fault]) -> E | Fault | None:
        if not chain:
            return None
        key = tuple(map(id, chain))
        if key not in self._known:
            broken = next((one.fault for one in chain if one.fault is not None), None)
            found = broken or read(chain)
            self._known[key] = self._context.cache.keep(found)
        known: E | Fault = self._known[key]
        return known

    def _read_traffic(self, chain: list[Attached]) -> TrafficEffect | Fault:
        first = chain[0]
        spec = _merge(chain, BackendTrafficPolicySpec)
        if isinstance(spec, Fault):
            self._context.refuse(first.section, "Accepted", spec, first.manifest)
            return spec
        label = "+".join(str(one.manifest.ref) for one in chain)
        return read_traffic(first.manifest, spec, label)

    def _read_security(self, chain: list[Attached]) -> SecurityEffect | Fault:
        first = chain[0]
        spec = _merge(chain, SecurityPolicySpec)
        if isinstance(spec, Fault):
            self._context.refuse(first.section, "Accepted", spec, first.manifest)
            return spec
        try:
            return read_security(self._context, self._backends, first.manifest, spec)
        except PolicyProblem as problem:
            fault = Fault(problem.fault.rule, "Invalid", problem.fault.message, problem.fault.hint)
            self._context.refuse(first.section, "Accepted", fault, first.manifest, problem.path)
            return fault

    def apply(self, rule: HttpRule, places: Sequence[Place]) -> HttpRule:
        """A rule with everything that policies add; a policy that is not valid closes the rule with 500."""
        security, traffic = self.security(places), self.traffic(places)
        for found in (security, traffic):
            if isinstance(found, Fault):
                closed = Respond(origin=rule.origin, status=500, reason=found.message)
                return msgspec.structs.replace(rule, action=closed, mirrors=())
        if security is None and traffic is None:
            return rule
        assert not isinstance(security, Fault)
        assert not isinstance(traffic, Fault)
        return self._cached(rule, security, traffic)

    def _cached(self, rule: HttpRule, security: SecurityEffect | None, traffic: TrafficEffect | None) -> HttpRule:
        """The rule under the effects: the one of the last compile if neither it nor they have changed."""
        key = ("effects", id(rule), id(security), id(traffic))
        found = self._context.cache.get(key)
        if found is None:
            made = _with_security(rule, security) if security else rule
            made = self._with_traffic(made, traffic) if traffic else made
            self._context.cache.put(key, (made, rule, security, traffic))
            return made
        if traffic is not None and isinstance(rule.action, Forward):
            for target in rule.action.targets:
                self.variant(target.backend, traffic)
        kept: HttpRule = found[0]
        return kept

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
            hash_policies=effect.hash_policies or rule.hash_policies,
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
            own = known[name].connection
            # What a policy for the backend itself says holds where this one says nothing.
            if own.circuit_breaker is not None and connection.circuit_breaker is None:
                connection = msgspec.structs.replace(connection, circuit_breaker=own.circuit_breaker)
            if connection.balancing == LoadBalancing():
                connection = msgspec.structs.replace(connection, balancing=own.balancing)
            known[wanted] = msgspec.structs.replace(known[name], name=wanted, connection=connection)
        return wanted

    def note_overridden(self) -> None:
        """Say which policies do not hold everywhere."""
        self._traffic.note_overridden()
        self._security.note_overridden()


def note_unread(context: Context, policies: Policies, find: Callable[[Any], Iterator[tuple[FieldPath, str]]]) -> None:
    """Name the fields of policies that have no effect here."""
    for item, manifest in policies.items():
        for path, text in find(item.spec):
            context.add(NOT_HONOURED, text, manifest, path)


def _with_security(rule: HttpRule, effect: SecurityEffect) -> HttpRule:
    security = effect.security
    if security is not None and rule.security is not None:
        # The route's own ExternalAuth filter stands beside what the policy asks for.
        auth = rule.security.ext_auth or security.ext_auth
        security = msgspec.structs.replace(security, ext_auth=auth)
    return msgspec.structs.replace(rule, security=security or rule.security, cors=rule.cors or effect.cors)


def _merge(chain: list[Attached], model: type[Any]) -> Any | Fault:
    """One spec from the most specific policy over the wider ones, as a JSON merge patch (RFC 7396)."""
    first = chain[0].item
    assert first is not None
    if len(chain) == 1:
        return first.spec
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
