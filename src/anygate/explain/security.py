"""Who may ask, in words, and which credential a request lacks."""

from collections.abc import Iterator

from anygate.explain.answer import Applied
from anygate.explain.checks import describe_checks, find_missing
from anygate.explain.conditions import cookie_values, query_values
from anygate.explain.seen import SeenRequest
from anygate.model.security import Authorization, AuthorizationRule, Jwt, Principal, Security


def describe_security(security: Security) -> Iterator[Applied]:
    """List what a request has to pass, in the order in which it is asked."""
    if security.admission:
        text = ", ".join(map(_verdict, security.admission.rules))
        yield Applied(kind="admission", text=text, place=security.admission.origin.place)
    yield from describe_checks(security.checks)
    if security.api_key:
        where = [f"header {name}" for name in security.api_key.headers]
        where += [f"query {name}" for name in security.api_key.query]
        where += [f"cookie {name}" for name in security.api_key.cookies]
        place = security.api_key.origin.place
        yield Applied(kind="api key", text="needed in " + " or ".join(where), place=place)
    if security.basic:
        yield Applied(kind="basic auth", text="user name and password needed", place=security.basic.origin.place)
    if security.oidc:
        login = f"login at {security.oidc.issuer}"
        yield Applied(kind="oidc", text=login, place=security.oidc.origin.place)
    if security.jwt:
        issuers = " or ".join(provider.issuer or provider.name for provider in security.jwt.providers)
        needed = "checked if there is one" if security.jwt.optional else "needed"
        yield Applied(kind="jwt", text=f"token of {issuers} {needed}", place=security.origin.place)
    if security.introspection:
        lookup = security.introspection
        scopes = f", with the scopes {', '.join(lookup.scopes)}" if lookup.scopes else ""
        text = f"token needed{scopes}; {lookup.endpoint} is asked about it"
        yield Applied(kind="introspection", text=text, place=lookup.origin.place)
    if security.caller:
        called = f"called {security.caller.name}" if security.caller.name else "called by the name of the credential"
        yield Applied(kind="caller", text=f"{called} in {security.caller.header}", place=security.caller.origin.place)
    if security.handover:
        names = ", ".join(name for name, _ in security.handover.rules)
        text = f"requests of {names} are decided by rules of their own"
        yield Applied(kind="handover", text=text, place=security.handover.origin.place)
    if security.ext_auth:
        asked = f"{security.ext_auth.backend} is asked over {security.ext_auth.protocol}"
        failing = ", passes when that fails" if security.ext_auth.fail_open else ""
        yield Applied(kind="ext auth", text=asked + failing, place=security.ext_auth.origin.place)
    if security.forward_auth:
        forward = security.forward_auth
        failing = ", passes when that fails" if forward.fail_open else f", {forward.failure.status} when that fails"
        text = f"{forward.method} {forward.url} decides{failing}"
        yield Applied(kind="forward auth", text=text, place=forward.origin.place)
    if security.authorization:
        text = _authorization(security.authorization)
        yield Applied(kind="authorization", text=text, place=security.authorization.origin.place)


def find_missing_credential(security: Security, seen: SeenRequest) -> str:
    """Say which credential the request lacks; whether one that is there is valid cannot be told here."""
    missing = find_missing(security.checks, seen)
    if missing or security.oidc:
        return missing
    if security.api_key and not _has_key(security, seen):
        return "the request carries no API key"
    authorization = seen.headers.get("authorization", ())
    if security.basic and not any(value.startswith("Basic ") for value in authorization):
        return "the request carries no user name and password"
    if security.jwt and not security.jwt.optional and not _has_token(security.jwt, seen):
        return "the request carries no token"
    if security.introspection and not _starts(authorization, "Bearer "):
        return "the request carries no token"
    return ""


def _verdict(rule: AuthorizationRule) -> str:
    who = _who(rule.principal)
    return f"{rule.name} {'allows' if rule.allow else 'denies'}" + (f" clients{who}" if who else "")


def _who(who: Principal) -> str:
    """Which clients a rule is about, as far as addresses and headers say."""
    parts = [f"{'outside' if who.other_addresses else 'in'} {', '.join(who.cidrs)}"] if who.cidrs else []
    parts += [f"with {name} {' or '.join(values)}" for name, values in who.headers]
    parts += [f"without {name} {' or '.join(values)}".rstrip() for name, values in who.other_headers]
    return "".join(f" {part}" for part in parts)


def _authorization(authorization: Authorization) -> str:
    rules = map(_verdict, authorization.rules)
    return ", ".join([*rules, f"otherwise {'allowed' if authorization.allow_by_default else 'denied'}"])


def _starts(values: tuple[str, ...], prefix: str) -> bool:
    return any(value.lower().startswith(prefix.lower()) for value in values)


def _has_key(security: Security, seen: SeenRequest) -> bool:
    key = security.api_key
    assert key is not None
    cookies = cookie_values(seen.headers.get("cookie", ()))
    return (
        any(seen.headers.get(name.lower()) for name in key.headers)
        or any(query_values(seen.query, name) for name in key.query)
        or any(name in cookies for name in key.cookies)
    )


def _has_token(jwt: Jwt, seen: SeenRequest) -> bool:
    cookies = cookie_values(seen.headers.get("cookie", ()))
    for provider in jwt.providers:
        by_default = not (provider.from_headers or provider.from_params or provider.from_cookies)
        headers = provider.from_headers or ((("authorization", "Bearer "),) if by_default else ())
        params = provider.from_params or (("access_token",) if by_default else ())
        if (
            any(_starts(seen.headers.get(name.lower(), ()), prefix) for name, prefix in headers)
            or any(query_values(seen.query, name) for name in params)
            or any(name in cookies for name in provider.from_cookies)
        ):
            return True
    return False
