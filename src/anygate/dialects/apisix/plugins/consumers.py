"""How consumers are recognised, and what backends are told about them."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from anygate.dialects.apisix.plugins.changes import matches_of, say, with_denials, with_security, with_wordings
from anygate.dialects.apisix.plugins.plugin import Consumer, Surroundings
from anygate.model.match import HttpMatch, ValueMatch
from anygate.model.route import HttpRule
from anygate.model.security import AuthorizationRule, Caller, Principal

CALLER = "x-consumer-username"
"""The header with a consumer's id."""

CALLER_HEADERS = (CALLER, "x-credential-identifier", "x-consumer-custom-id")
"""What only the gateway may say about consumers; every server takes them off what clients send."""

CHECKED_BY: Mapping[str, str] = MappingProxyType(
    {
        "keyAuth": "key-auth",
        "basicAuth": "basic-auth",
        "jwtAuth": "jwt-auth",
        "wolfRBAC": "wolf-rbac",
        "hmacAuth": "hmac-auth",
        "ldapAuth": "ldap-auth",
    }
)
"""The plugin that looks at a kind of credential."""

USER = "x-anygate-user"
"""Where the name of a user stands until it is known whose it is."""


def consumers_with(surroundings: Surroundings, kind: str) -> list[Consumer]:
    """The consumers that have a credential of a kind, in the order of their ids."""
    return sorted((one for one in surroundings.consumers if one.kind == kind), key=lambda one: one.id)


def find_consumer(surroundings: Surroundings, name: str) -> Consumer | None:
    """The consumer that is called so in any of the ways in which releases of the controller call it."""
    return next((one for one in surroundings.consumers if name in (one.id, *one.names)), None)


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


def split_anonymous(
    rule: HttpRule, checked: HttpRule, credentials: Sequence[tuple[str, str]], anonymous: Consumer, place: Surroundings
) -> tuple[HttpRule, HttpRule]:
    """The rule for requests with a credential, and the one for those without, which are an anonymous consumer's.

    `credentials` are the places where one may be: `header`, `query` or `cookie`, and its name.
    """
    matches = tuple(_having(match, *where) for match in matches_of(rule) for where in credentials)
    caller = Caller(origin=place.origin, header=CALLER, name=anonymous.id)
    other = with_security(rule, place.origin, caller=caller)
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
