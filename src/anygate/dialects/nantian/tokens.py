"""TokenPolicy: limits of tokens and requests, put on the rules that they are for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec

from anygate.diagnostics import FieldPath, Rule
from anygate.dialects.nantian.context import Context, origin
from anygate.dialects.nantian.kinds.aiservice import AIService
from anygate.dialects.nantian.kinds.tokenpolicy import TokenPolicy
from anygate.dialects.nantian.targets import (
    AI_SERVICE,
    SERVICE,
    Target,
    find_lost_targets,
    find_targets,
    is_for,
)
from anygate.dialects.nantian.token_findings import (
    TOKEN_BURST,
    TOKEN_NO_EFFECT,
    TOKEN_NO_MODEL,
    TOKEN_NOT_FOUND,
    TOKEN_PLAIN,
    TOKEN_SHARE,
    TOKEN_WORD,
)
from anygate.dialects.nantian.token_limits import Policy, close, put_policies
from anygate.dialects.origins import origins_of
from anygate.manifests.kind import oldest_first
from anygate.manifests.names import suggest_word
from anygate.model import Model
from anygate.model.limits import LimitSelector
from anygate.model.origin import Origin
from anygate.model.places import Place, change_rules
from anygate.model.route import Forward, HttpRule

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
_SCOPES: Mapping[str, LimitSelector | None] = {
    "apiKey": LimitSelector(distinct_callers="credential"),
    "model": LimitSelector(distinct_callers="model"),
    **dict.fromkeys(("user", "perUser", "per-user"), LimitSelector(distinct_callers="user")),
    "ip": LimitSelector(distinct_addresses=True),
    "route": None,
    "global": None,
}
_WORDS: Mapping[str, Sequence[str]] = {
    "scope": tuple(_SCOPES),
    "onLimit": ("reject", "queue", "warn", "degrade"),
    "failureMode": ("allow", "deny"),
}


@dataclass
class _Found:
    """A policy, or why there is none, and what it is for; `everywhere` is the namespace where nobody knows."""

    name: str
    origin: Origin
    item: TokenPolicy | None
    policy: Policy | None
    targets: list[Target] = field(default_factory=list)
    everywhere: str = ""

    def is_for(self, place: Place) -> bool:
        if self.everywhere:
            return place.gateway.origin.namespace == self.everywhere
        return any(_is_for(target, place) for target in self.targets)


def add_token_policies(context: Context, model: Model) -> Model:
    """A model whose rules keep the limits of the policies that are for them; without one of those they are closed."""
    found = [*(_read(context, item) for item in _list_policies(context)), *_list_lost(context)]
    _add_references(context, found)
    used = [one for one in found if one.targets or one.everywhere]
    if not used:
        return model
    reported: set[tuple[str, Rule]] = set()

    def change(place: Place) -> HttpRule:
        kept = [one for one in used if one.is_for(place)]
        lost = next((one for one in kept if one.policy is None), None)
        if lost is not None:
            return close(place.rule, lost.origin, f"{lost.name} cannot be kept")
        for one in kept:
            _check(context, one, place, reported)
        policies = [one.policy for one in kept if one.policy is not None]
        return put_policies(place.route, place.rule, policies) if policies else place.rule

    return change_rules(model, change)


def _list_policies(context: Context) -> list[TokenPolicy]:
    items = oldest_first(context.index.every(TokenPolicy))
    return [item for item in items if isinstance(item, TokenPolicy)]


def _read(context: Context, item: TokenPolicy) -> _Found:
    targets = find_targets(context, item, item.spec.target_refs)
    return _Found(str(item.ref), origin(item, ("spec",)), item, _read_policy(context, item), targets)


def _read_policy(context: Context, item: TokenPolicy) -> Policy | None:
    spec = item.spec
    words = {"scope": spec.scope, "onLimit": spec.on_limit, "failureMode": spec.failure_mode}
    wrong = [(name, word) for name, word in words.items() if word not in _WORDS[name]]
    for name, word in wrong:
        text = f"{name} {word!r} is none of {', '.join(_WORDS[name])}"
        context.add(TOKEN_WORD, text, item, ("spec", name), hint=suggest_word(word, _WORDS[name]))
        context.conditions.note(item.ref, "Accepted", False, "Invalid", text)
    if spec.burst < 1:
        context.add(TOKEN_BURST, f"a burst of {spec.burst:g} counts as 1", item, ("spec", "burst"))
    if wrong:
        return None
    burst = max(1.0, spec.burst)
    limits = (
        ("requestsPerMinute", spec.requests_per_minute, _MINUTE),
        ("tokensPerMinute", spec.tokens_per_minute, _MINUTE),
        ("tokensPerHour", spec.tokens_per_hour, _HOUR),
    )
    return Policy(
        name=f"{item.namespace}/{item.name}",
        ref=str(item.ref),
        limits=tuple(
            (origin(item, ("spec", name)), int(most * burst), unit, name != "requestsPerMinute")
            for name, most, unit in limits
            if most
        ),
        selector=_SCOPES[spec.scope],
        by_rule=spec.scope == "route",
        on_limit=spec.on_limit,
        reserves=spec.reserve,
        closed=spec.failure_mode == "deny",
    )


def _list_lost(context: Context) -> Iterator[_Found]:
    """Policies that cannot be read: what they are for is closed."""
    for manifest, targets in find_lost_targets(context, "TokenPolicy"):
        spec = manifest.value.get("spec")
        is_named = bool(spec.get("targetRefs")) if isinstance(spec, dict) else True
        everywhere = manifest.namespace if is_named and not targets else ""
        yield _Found(str(manifest.ref), origins_of(manifest).at(()), None, None, list(targets), everywhere)


def _add_references(context: Context, found: list[_Found]) -> None:
    """Add the AIServices that name a policy to what it is for, and look for policies that do nothing."""
    known = {one.name: one for one in found}
    for service in context.index.every(AIService):
        given = service.spec.token_policy_ref
        if given is None:
            continue
        path: FieldPath = ("spec", "tokenPolicyRef")
        name = given.get("name") if isinstance(given, dict) else given
        ref = str(service.ref._replace(kind="TokenPolicy", name=str(name)))
        if ref not in known:
            text = f"there is no {ref}"
            context.add(TOKEN_NOT_FOUND, text, service, path)
            context.conditions.note(service.ref, "Accepted", False, "Invalid", text)
            known[ref] = _Found(ref, origin(service, path), None, None)
            found.append(known[ref])
        known[ref].targets.append(Target(service.ref))
    for one in found:
        if one.item is None:
            continue
        if not one.item.spec.target_refs and not one.targets:
            text = "it names no target, and no AIService names it"
            context.add(TOKEN_NO_EFFECT, text, one.item, ("spec",), hint="name its targets in targetRefs")
        elif one.policy is not None and not one.policy.limits:
            context.add(TOKEN_NO_EFFECT, "it has no limit", one.item, ("spec",))


def _is_for(target: Target, place: Place) -> bool:
    """Whether a target covers a rule; what stands in for others that have failed does not count."""
    if (target.ref.group, target.ref.kind) not in (SERVICE, AI_SERVICE):
        return is_for(target, place)
    rule = place.rule
    if not isinstance(rule.action, Forward):
        return is_for(target, place)
    asked = [one for one in rule.action.targets if one.weight > 0]
    first = min((one.priority for one in asked), default=0)
    action = msgspec.structs.replace(rule.action, targets=tuple(one for one in asked if one.priority == first))
    return is_for(target, place._replace(rule=msgspec.structs.replace(rule, action=action)))


def _check(context: Context, found: _Found, place: Place, reported: set[tuple[str, Rule]]) -> None:
    """Report what people will not expect of a policy on a rule; each once."""
    item, rule = found.item, place.rule
    if item is None or not isinstance(rule.action, Forward):
        return

    def add(what: Rule, text: str, path: FieldPath) -> None:
        if (found.name, what) not in reported:
            reported.add((found.name, what))
            context.add(what, text, item, path)

    where = f"{place.route.origin.object} rule {rule.name}"
    is_ai = any(one.backend.startswith("AIService/") for one in rule.action.targets)
    if rule.inference is None and not is_ai:
        if item.spec.scope == "model":
            add(TOKEN_NO_MODEL, f"nothing reads the model of requests for {where}", ("spec", "scope"))
        if item.spec.tokens_per_minute or item.spec.tokens_per_hour:
            name = "tokensPerMinute" if item.spec.tokens_per_minute else "tokensPerHour"
            add(TOKEN_PLAIN, f"{where} goes to no AIService", ("spec", name))
    shares = [one for one in rule.action.targets if one.weight > 0 and one.priority == 0]
    covering = [target for target in found.targets if (target.ref.group, target.ref.kind) in (SERVICE, AI_SERVICE)]
    if len(shares) > 1 and any(_is_for(target, place) for target in covering):
        add(TOKEN_SHARE, f"{where} sends only a part of its requests there", ("spec", "targetRefs"))
