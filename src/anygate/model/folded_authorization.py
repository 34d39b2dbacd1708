"""The authorization of a rule as one list that says whom it lets in.

The model may ask about addresses before anybody is recognised, and may refuse everybody who is *not* in a list. Both
come to the same for those who pass: denials change places without a difference, and a denial of all others is an
allowance for the rest. Only what a refused client is told may differ.
"""

from collections.abc import Sequence
from ipaddress import ip_network

import msgspec

from anygate.model.security import Authorization, AuthorizationRule, Principal, Security


def fold_authorization(found: Security) -> Security:
    """The same security with one list of rules and without turned conditions; as it is where that cannot be said."""
    parts = [one for one in (found.admission, found.authorization) if one is not None]
    rows = [row for part in parts for row in part.rules]
    if any(not part.allow_by_default for part in parts) or any(row.allow or row.other_methods for row in rows):
        return found
    kept = [row for row in rows if not _is_about_strangers(row, found)]
    is_named = found.caller is not None and _names_header(kept, found.caller.header)
    if found.caller is not None and (is_named or found.caller.tokens):
        return found
    if any(row.principal == Principal() and not row.methods for row in kept):
        nobody = Authorization(origin=rows[0].origin)
        return msgspec.structs.replace(found, admission=None, caller=None, authorization=nobody)
    turned = [row for row in kept if is_turned(row.principal)]
    plain = tuple(row for row in kept if row not in turned)
    changes: dict[str, object] = {"admission": None, "caller": None, "authorization": None}
    if found.caller is not None and found.basic is not None:
        changes["basic"] = msgspec.structs.replace(found.basic, forward_header="")
    if turned:
        allowed = _turn(turned)
        if allowed is None:
            return found
        listed = (*plain, *allowed)
        changes["authorization"] = Authorization(origin=turned[0].origin, rules=listed, allow_by_default=False)
    elif plain:
        changes["authorization"] = Authorization(origin=plain[0].origin, rules=plain, allow_by_default=True)
    return msgspec.structs.replace(found, **changes)


def _is_about_strangers(row: AuthorizationRule, found: Security) -> bool:
    """Whether a row wants a name that whoever passes the check of credentials has anyway."""
    named = [found.api_key.forward_header] if found.api_key is not None else []
    if found.basic is not None and found.caller is not None and found.caller.users:
        named.append(found.caller.header)
    return any(name and row.principal == Principal(other_headers=((name, ()),)) for name in named)


def _names_header(rows: Sequence[AuthorizationRule], name: str) -> bool:
    return any(name == one for row in rows for one, _ in (*row.principal.headers, *row.principal.other_headers))


def is_turned(found: Principal) -> bool:
    """Whether a rule is for whoever does not have what it lists."""
    return found.other_addresses or bool(found.other_headers or found.missing_scopes)


def _turn(rows: Sequence[AuthorizationRule]) -> tuple[AuthorizationRule, ...] | None:
    """The rule for whom none of the denials is about; no rule where there is nobody, None where it cannot be said."""
    cidrs: tuple[str, ...] = ()
    headers: dict[str, tuple[str, ...]] = {}
    provider = ""
    scopes: tuple[str, ...] = ()
    for row in rows:
        one = row.principal
        asked = [bool(one.other_addresses), len(one.other_headers), bool(one.missing_scopes)]
        is_more = one.headers or one.jwt_claims or one.jwt_scopes or (one.cidrs and not one.other_addresses)
        if row.methods or sum(asked) != 1 or is_more or (one.jwt_provider and not one.missing_scopes):
            return None
        if one.other_addresses:
            cidrs = _shared_ranges(cidrs, one.cidrs) if cidrs else one.cidrs
            if not cidrs:
                return ()
        for name, values in one.other_headers:
            if not values:
                return None
            known = headers.get(name, values)
            headers[name] = tuple(value for value in values if value in known)
            if not headers[name]:
                return ()
        if one.missing_scopes:
            if provider not in ("", one.jwt_provider):
                return None
            provider, scopes = one.jwt_provider, tuple(dict.fromkeys((*scopes, *one.missing_scopes)))
    principal = Principal(cidrs=cidrs, headers=tuple(headers.items()), jwt_provider=provider, jwt_scopes=scopes)
    return (AuthorizationRule(origin=rows[0].origin, name=rows[0].name, allow=True, principal=principal),)


def _shared_ranges(ones: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """The ranges of addresses that are in both lists: of two, one is in the other, or they have nothing in common."""
    found: dict[str, None] = {}
    for one in (ip_network(text, strict=False) for text in ones):
        for other in (ip_network(text, strict=False) for text in others):
            if one.version == other.version and one.overlaps(other):
                found[str(max(one, other, key=lambda network: network.prefixlen))] = None
    return tuple(found)
