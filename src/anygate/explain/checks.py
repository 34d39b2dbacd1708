"""The checks that our own service makes, in words, and what a request lacks for them."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from anygate.explain.answer import Applied
from anygate.explain.conditions import cookie_values, query_values
from anygate.explain.seen import SeenRequest
from anygate.model.checks import Check, CsrfCheck, HmacCheck, LdapCheck

_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


def describe_checks(checks: Sequence[Check]) -> Iterator[Applied]:
    """Say what is asked about a request, in order."""
    for one in checks:
        yield Applied(kind="check", text=_describe(one), place=one.origin.place)


def find_missing(checks: Sequence[Check], seen: SeenRequest) -> str:
    """Say what a request does not even bring; whether what it brings is good cannot be told here."""
    authorization = seen.headers.get("authorization", ())
    for one in checks:
        if isinstance(one, HmacCheck):
            if not one.anonymous and not _starts(authorization, "Signature"):
                return "the request carries no signature"
        elif isinstance(one, CsrfCheck):
            if seen.method not in _SAFE and not any(seen.headers.get(one.name.lower(), ())):
                return "the request carries no token against forgery"
        elif isinstance(one, LdapCheck):
            if not _starts(authorization, "Basic "):
                return "the request carries no user name and password"
        elif not _has_wolf_token(seen):
            return "the request carries no token of wolf"
    return ""


def _describe(check: Check) -> str:
    if isinstance(check, HmacCheck):
        signed = ", ".join(check.signed_headers)
        said = f"signature with a known key needed, over {signed}" if signed else "signature with a known key needed"
        skew = f", at most {_seconds(check.clock_skew)} off" if check.clock_skew else ""
        body = f", with a digest of at most {check.body_limit} bytes of body" if check.body_limit else ""
        return said + skew + body + (f", otherwise called {check.anonymous}" if check.anonymous else "")
    if isinstance(check, CsrfCheck):
        holds = f"that holds for {_seconds(check.lifetime)}" if check.lifetime else "that holds for good"
        return f"token {holds} needed in cookie and header {check.name}, except to read; answers set the cookie"
    if isinstance(check, LdapCheck):
        scheme = "ldaps" if check.tls else "ldap"
        where = f"{scheme}://{check.host}:{check.port}"
        return f"user name and password needed that {where} takes for {check.attribute}=USER,{check.base_dn}"
    servers = " or ".join(dict.fromkeys(one.server for one in check.applications))
    return f"token needed for which the wolf server at {servers} allows the request"


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():g} s"


def _starts(values: Sequence[str], prefix: str) -> bool:
    return any(value.startswith(prefix) for value in values)


def _has_wolf_token(seen: SeenRequest) -> bool:
    return bool(
        seen.headers.get("authorization")
        or seen.headers.get("x-rbac-token")
        or query_values(seen.query, "rbac_token")
        or "x-rbac-token" in cookie_values(seen.headers.get("cookie", ()))
    )
