"""JSON Web Tokens: signature, issuer, audience and time, and claims passed on."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from google.protobuf.message import Message

from anygate.envoy.api import build
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope, label
from anygate.envoy.refusal import CannotBuild
from anygate.model.listener import Server
from anygate.model.route import HttpRule
from anygate.model.security import Jwt, JwtProvider, Security

NAME = "envoy.filters.http.jwt_authn"
"""Also the namespace under which Envoy publishes the claims of a token, whatever the entry is called."""

USERINFO_HEADER = "x-anygate-userinfo"
"""Where the claims of a token are left for the filter that tells backends of callers, which takes them off again."""

_CACHE = timedelta(minutes=5)
_FETCH_TIMEOUT = timedelta(seconds=10)
_SCOPE_CLAIMS = ("scope", "scp")


class JwtFilter:
    """One entry that knows every provider; each route names what it requires.

    Claims are published under the provider's own name, where authorization reads them.

    Logins, checks and services that are asked have entries of their own, which a chain from before them lacks. A route
    with one names it in its requirement, without asking for a token, so that such a chain refuses its requests.
    Tried on Envoy 1.40: an empty requirement lets every request pass, whatever token it brings.
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/jwt_authn_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry with the providers of all rules; a rule that `route` refuses is left out.

        It stands in every chain (see `HttpFilter.chain`).
        """
        del server
        providers: dict[str, Any] = {}
        requirements: dict[str, Any] = {}
        for rule in rules:
            name = requirement_name(rule.security)
            jwt = rule.security.jwt if rule.security else None
            if not name or (jwt and _fault(jwt)):
                continue
            requirement = build_requirement(jwt)
            if requirements.setdefault(name, requirement) != requirement:
                raise CannotBuild((jwt or rule).origin, f"two different settings share the name {name}")
            if jwt:
                header = USERINFO_HEADER if rule.security and rule.security.userinfo_header else ""
                providers.update((provider_name(jwt, one), build_provider(one, header)) for one in jwt.providers)
        config = build(
            "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            providers=providers,
            requirement_map=requirements,
        )
        return [ChainEntry(NAME, config, disabled=True, inert=True)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Name the route's requirement. Envoy answers 403 to a name that its chain does not know (yet)."""
        del scope
        name = requirement_name(rule.security)
        if not name:
            return {}
        jwt = rule.security.jwt if rule.security else None
        fault = _fault(jwt) if jwt else ""
        if jwt and fault:
            raise CannotBuild(jwt.origin, fault)
        return {NAME: build("envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig", requirement_name=name)}


def requirement_name(security: Security | None) -> str:
    """Name what a chain must know to check a route's requests; empty if every chain can."""
    if not security:
        return ""
    parts = (
        label(security.jwt.origin) if security.jwt else "",
        f"login {security.oidc.name}" if security.oidc else "",
        f"tokens {label(security.introspection.origin)}" if security.introspection else "",
        f"service {label(security.ext_auth.origin)}" if security.ext_auth else "",
        f"forward {label(security.forward_auth.origin)}" if security.forward_auth else "",
        "checks" if security.checks else "",
    )
    return ", ".join(part for part in parts if part)


def provider_name(jwt: Jwt, provider: JwtProvider) -> str:
    """Name a provider apart from those of other policies."""
    return f"{label(jwt.origin)}/{provider.name}"


def build_provider(provider: JwtProvider, claims_header: str = "") -> Any:
    """Return the `JwtProvider`. The token stays on the request for the backend to read, unless it is not to see it."""
    return build(
        "envoy.extensions.filters.http.jwt_authn.v3.JwtProvider",
        issuer=provider.issuer or None,
        audiences=provider.audiences,
        forward=not provider.sanitize,
        from_headers=[{"name": name, "value_prefix": prefix or None} for name, prefix in provider.from_headers],
        from_params=provider.from_params,
        from_cookies=provider.from_cookies,
        payload_in_metadata=provider.name,
        # Authorization looks for one scope in a list, however the issuer writes them.
        normalize_payload_in_metadata={"space_delimited_claims": _SCOPE_CLAIMS},
        claim_to_headers=[{"header_name": header, "claim_name": claim} for claim, header in provider.claim_to_headers],
        clear_route_cache=provider.recompute_route or None,
        forward_payload_header=claims_header or None,
        pad_forward_payload_header=bool(claims_header) or None,
        clock_skew_seconds=None if provider.clock_skew is None else int(provider.clock_skew.total_seconds()),
        **_keys(provider),
    )


def build_requirement(jwt: Jwt | None) -> Any:
    """Return the `JwtRequirement`: a token of any provider; optional means none at all, not a bad one."""
    name = "envoy.extensions.filters.http.jwt_authn.v3.JwtRequirement"
    if jwt is None:
        return build(name)
    wanted: list[dict[str, Any]] = [{"provider_name": provider_name(jwt, one)} for one in jwt.providers]
    if jwt.optional:
        wanted.append({"allow_missing": {}})
    if len(wanted) == 1:
        return build(name, **wanted[0])
    return build(name, requires_any={"requirements": wanted})


def _keys(provider: JwtProvider) -> dict[str, Any]:
    """Where the keys come from. They are fetched before the first request and kept fresh aside."""
    if provider.jwks:
        return {"local_jwks": {"inline_string": provider.jwks}}
    if provider.jwks_file:
        return {"local_jwks": {"filename": provider.jwks_file}}
    return {
        "remote_jwks": {
            "http_uri": {
                "uri": provider.jwks_uri,
                "cluster": provider.jwks_backend,
                "timeout": _FETCH_TIMEOUT,
            },
            "cache_duration": provider.jwks_cache or _CACHE,
            "async_fetch": {},
            "retry_policy": {},
        }
    }


def _fault(jwt: Jwt) -> str:
    """Say why Envoy could not check these tokens, or nothing."""
    if not jwt.providers:
        return "no provider is named whose tokens would be accepted"
    if len({provider.name for provider in jwt.providers}) != len(jwt.providers):
        return "two providers have the same name"
    for provider in jwt.providers:
        remote = provider.jwks_uri and provider.jwks_backend
        if not (provider.jwks or provider.jwks_file or provider.jwks_secret or remote):
            return f"the provider {provider.name} has no keys to check tokens with"
        if provider.jwks and not _is_key_set(provider.jwks):
            return f"the keys of the provider {provider.name} are not a JSON Web Key Set"
    return ""


def _is_key_set(text: str) -> bool:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return False
    return isinstance(found, dict) and isinstance(found.get("keys"), list) and bool(found["keys"])
