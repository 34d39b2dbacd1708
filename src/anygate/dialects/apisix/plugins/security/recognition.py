"""How plugins recognise consumers by their credentials, and what becomes of requests of nobody."""

from collections.abc import Callable, Sequence

import msgspec

from anygate.dialects.apisix.findings import NOT_HONOURED
from anygate.dialects.apisix.plugins.changes import matches_of, say, with_denials, with_security, with_wordings
from anygate.dialects.apisix.plugins.consumers import CALLER, find_consumer
from anygate.dialects.apisix.plugins.plugin import Consumer, Refusal, Surroundings
from anygate.dialects.apisix.plugins.security_findings import GUARD_UNSUPPORTED, NO_CONSUMER, SAME_CREDENTIAL
from anygate.model.match import HttpMatch, ValueMatch
from anygate.model.route import HttpRule
from anygate.model.security import AuthorizationRule, Caller, Principal

_ANONYMOUS = "anonymous_consumer"


def consumers_with(surroundings: Surroundings, kind: str) -> list[Consumer]:
    """The consumers that have a credential of a kind, in the order of their ids."""
    return sorted((one for one in surroundings.consumers if one.kind == kind), key=lambda one: one.id)


def by_credential(
    surroundings: Surroundings, kind: str, what: str, read: Callable[[Consumer], str | None]
) -> dict[str, Consumer]:
    """The consumer of each credential of a kind, by what requests say of it; of two with the same the first by id.

    `read` returns what requests say, or None for a credential that does not count.
    """
    found: dict[str, Consumer] = {}
    for consumer in consumers_with(surroundings, kind):
        name = read(consumer)
        if name is None:
            continue
        if name in found:
            text = f"{consumer.id} has the same {what} as {found[name].id}, for whom its requests are taken"
            surroundings.note(SAME_CREDENTIAL, text)
        found.setdefault(name, consumer)
    return found


def keep_out(rule: HttpRule, plugin: str, lack: str, surroundings: Surroundings) -> tuple[HttpRule]:
    """The rule that lets nobody in, as no consumer is or has what the plugin looks for."""
    surroundings.note(NO_CONSUMER, f"no consumer {lack}, so nobody gets in", hint="add an ApisixConsumer")
    return (refuse_everybody(rule, plugin, surroundings),)


def refuse_everybody(rule: HttpRule, plugin: str, surroundings: Surroundings) -> HttpRule:
    """The rule of a route that wants a consumer where there is none who could be recognised."""
    row = AuthorizationRule(origin=surroundings.origin, name=plugin, allow=False, principal=Principal())
    admission = with_denials(surroundings.origin, rule.security.admission if rule.security else None, [row])
    rule = with_security(rule, surroundings.origin, admission=admission)
    return with_wordings(rule, say("denied", "Missing related consumer", rule=plugin, status=401))


def refuse_strangers(rule: HttpRule, plugin: str, message: str, challenge: str, surroundings: Surroundings) -> HttpRule:
    """The rule that wants the caller to have a name once all credentials were looked at."""
    principal = Principal(other_headers=((CALLER, ()),))
    row = AuthorizationRule(origin=surroundings.origin, name=plugin, allow=False, principal=principal)
    authorization = with_denials(surroundings.origin, rule.security.authorization if rule.security else None, [row])
    rule = with_security(rule, surroundings.origin, authorization=authorization)
    return with_wordings(rule, say("denied", message, rule=plugin, status=401, challenge=challenge))


def find_anonymous(surroundings: Surroundings, name: str) -> Consumer | Refusal:
    """The consumer that requests without a credential are said to be of."""
    found = find_consumer(surroundings, name)
    return found or Refusal(GUARD_UNSUPPORTED, f"there is no consumer {name}", path=(_ANONYMOUS,))


def with_anonymous(
    rule: HttpRule,
    checked: HttpRule,
    name: str | None,
    credential: str,
    places: Sequence[tuple[str, str]],
    surroundings: Surroundings,
) -> tuple[HttpRule, ...] | Refusal:
    """The rule for requests with a credential, and the one for those without, if these are an anonymous consumer's.

    `places` are where a credential may be: `header`, `query` or `cookie`, and its name.
    """
    if name is None:
        return (checked,)
    anonymous = find_anonymous(surroundings, name)
    if isinstance(anonymous, Refusal):
        return anonymous
    text = f"a request with a wrong {credential} is refused, and not taken for one of the anonymous consumer"
    surroundings.note(NOT_HONOURED, text, (_ANONYMOUS,))
    matches = tuple(_having(match, *where) for match in matches_of(rule) for where in places)
    caller = Caller(origin=surroundings.origin, header=CALLER, name=anonymous.id)
    earlier = rule.security.caller if rule.security else None
    if earlier is not None and earlier.tokens:
        # A token that is wanted besides has to be a consumer's all the same.
        tokens = tuple((provider, value, anonymous.id) for provider, value, _ in earlier.tokens)
        caller = msgspec.structs.replace(earlier, tokens=tokens)
    other = with_security(rule, surroundings.origin, caller=caller)
    return (
        msgspec.structs.replace(checked, matches=matches),
        msgspec.structs.replace(other, name=f"{rule.name}/anonymous"),
    )


def _having(match: HttpMatch, kind: str, name: str) -> HttpMatch:
    wanted = ValueMatch(name=name, kind="present")
    if kind == "header":
        return msgspec.structs.replace(match, headers=(*match.headers, wanted))
    if kind == "query":
        return msgspec.structs.replace(match, query=(*match.query, wanted))
    return msgspec.structs.replace(match, cookies=(*match.cookies, wanted))
