"""openid-connect: a login in the browser, or tokens that clients bring.

https://apisix.apache.org/docs/apisix/plugins/openid-connect/
"""

import hmac
import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec

from anygate.dialects.apisix.findings import NOT_HONOURED
from anygate.dialects.apisix.plugins.changes import (
    matches_of,
    with_denials,
    with_security,
    with_wordings,
    without_headers,
)
from anygate.dialects.apisix.plugins.key_sets import public_key_set
from anygate.dialects.apisix.plugins.openid_config import OTHER_FIELDS, REFUSED_FIELDS, OpenIdConfig
from anygate.dialects.apisix.plugins.plugin import Answered, Refusal, Surroundings
from anygate.dialects.apisix.plugins.security_findings import GUARD_UNSUPPORTED
from anygate.dialects.openid_provider import Unknown, find_endpoints
from anygate.dialects.url_backend import build_url_backend
from anygate.manifests.discovery import Endpoints
from anygate.manifests.sensitive import Sensitive
from anygate.model.match import HttpMatch, PathMatch
from anygate.model.route import HttpRule
from anygate.model.security import AuthorizationRule, Jwt, JwtProvider, Oidc, Principal
from anygate.model.tls import Opaque
from anygate.model.wording import Wording
from anygate.urls import split_url

_ACCESS_TOKEN, _ID_TOKEN = "x-access-token", "x-id-token"
_TOLD = (_ACCESS_TOKEN, _ID_TOKEN, "x-userinfo", "x-refresh-token")
_REDIRECT = "/.apisix/redirect"
_HERE = "%REQ(x-forwarded-proto)%://%REQ(:authority)%"
_MISSING: dict[str, Literal["login", "refuse", "pass"]] = {"auth": "login", "deny": "refuse", "pass": "pass"}
_PAGE = "\r\n".join(
    (
        "<html>",
        "<head><title>401 Authorization Required</title></head>",
        "<body>",
        "<center><h1>401 Authorization Required</h1></center>",
        "<hr><center>openresty</center>",
        '<p><em>Powered by <a href="https://apisix.apache.org/">APISIX</a>.</em></p></body>',
        "</html>",
        "",
    )
)


class OpenIdConnect:
    """Envoy logs in by itself; the redirect goes to a path of the host, as Envoy knows no path of the request there."""

    name = "openid-connect"
    config = OpenIdConfig
    is_guard = True

    def apply(self, config: Any, rule: HttpRule, surroundings: Surroundings) -> Sequence[HttpRule | Answered] | Refusal:
        """Want a login or a token."""
        assert isinstance(config, OpenIdConfig)
        for name, why in REFUSED_FIELDS.items():
            if name in config.model_fields_set:
                return Refusal(GUARD_UNSUPPORTED, why, path=(name,))
        endpoints = find_endpoints(surroundings.index, config.discovery, verify=config.ssl_verify)
        if isinstance(endpoints, Unknown):
            return Refusal(endpoints.rule, endpoints.message, endpoints.hint, ("discovery",))
        _note_fields(config, surroundings)
        made = (_bearer if config.bearer_only else _login)(config, rule, endpoints, surroundings)
        if isinstance(made, Refusal):
            return made
        token_header = config.set_access_token_header and not config.access_token_in_authorization_header
        told = {_ACCESS_TOKEN} if token_header else set()
        told |= {_ID_TOKEN} if config.set_id_token_header and not config.bearer_only else set()
        made = with_security(made, surroundings.origin, access_token_header=_ACCESS_TOKEN if token_header else "")
        return (without_headers(made, (name for name in _TOLD if name not in told)),)


def _note_fields(config: OpenIdConfig, surroundings: Surroundings) -> None:
    for name, why in OTHER_FIELDS.items():
        if name in config.model_fields_set:
            surroundings.note(NOT_HONOURED, why, (name,))
    if config.set_userinfo_header:
        text = "X-Userinfo is not sent to the backend; the claims of the ID token are in X-ID-Token"
        place = ("set_userinfo_header",) if "set_userinfo_header" in config.model_fields_set else ()
        surroundings.note(NOT_HONOURED, text, place, "set it to false")
    if config.set_refresh_token_header:
        text = "the refresh token stays in its cookie and is not sent to the backend"
        surroundings.note(NOT_HONOURED, text, ("set_refresh_token_header",))
    for name in ("cookie", "storage", "redis"):
        if config.session is not None and name in config.session.model_fields_set:
            text = "a login is kept in cookies that end with it"
            surroundings.note(NOT_HONOURED, text, ("session", name))


def _login(
    config: OpenIdConfig, rule: HttpRule, endpoints: Endpoints, surroundings: Surroundings
) -> HttpRule | Refusal:
    if config.client_secret is None:
        return Refusal(GUARD_UNSUPPORTED, "a login needs the client's secret", path=("client_secret",))
    backend = build_url_backend(endpoints.token, surroundings.origin, verify=config.ssl_verify)
    if backend is None or not endpoints.authorization:
        text = f"the provider at {config.discovery} has no endpoints for logins"
        return Refusal(GUARD_UNSUPPORTED, text, path=("discovery",))
    if config.use_jwks or config.public_key or config.required_scopes:
        name = next(one for one in ("use_jwks", "public_key", "required_scopes") if getattr(config, one))
        if name == "required_scopes":
            return Refusal(GUARD_UNSUPPORTED, "scopes are checked of tokens that clients bring only", path=(name,))
        surroundings.note(NOT_HONOURED, "tokens that clients bring do not stand in for a login", (name,))
    here = surroundings.origin
    name = f"{surroundings.owner.namespace}/{surroundings.owner.name}/{rule.name}"
    url, path = _redirect(config, rule)
    secret = Opaque(origin=here, name=f"apisix/oidc/{name}/client-secret", value=config.client_secret)
    parameters = f"?{urlencode(config.authorization_params)}" if config.authorization_params else ""
    oidc = Oidc(
        origin=here,
        name=name,
        issuer=endpoints.issuer,
        client_id=config.client_id,
        client_secret=surroundings.add_secret(secret),
        hmac_secret=surroundings.add_secret(_cookie_key(config, name, secret)),
        token_backend=surroundings.add_backend(backend),
        authorization_endpoint=endpoints.authorization + parameters,
        token_endpoint=endpoints.token,
        end_session_endpoint=endpoints.end_session,
        scopes=tuple(dict.fromkeys(("openid", *config.scope.split()))),
        redirect_url=url,
        redirect_path=path,
        logout_path=config.logout_path,
        post_logout_url=config.post_logout_redirect_uri or "",
        forward_access_token=config.set_access_token_header,
        refresh_token=config.renew_access_token_on_expiry,
        when_missing=_MISSING[config.unauth_action],
        id_claims_header=_ID_TOKEN if config.set_id_token_header else "",
    )
    rule = with_security(_taking(rule, path), here, oidc=oidc)
    if config.set_access_token_header and not config.access_token_in_authorization_header:
        rule = without_headers(rule, ("authorization",))
    return with_wordings(rule, _page("login_missing", ""))


def _redirect(config: OpenIdConfig, rule: HttpRule) -> tuple[str, str]:
    """Where the provider sends the browser back to: as Envoy is told, and its path.

    APISIX appends its path to that of the request; here it is appended to the longest that all requests have.
    """
    if config.redirect_uri is None:
        path = _stem(rule) + _REDIRECT
        return _HERE + path, path
    parts = split_url(config.redirect_uri)
    written = config.redirect_uri.replace("%", "%%")
    return (written if parts.scheme else _HERE + written), parts.path or "/"


def _stem(rule: HttpRule) -> str:
    first = matches_of(rule)[0].path
    if first is None or first.kind == "regex":
        return ""
    return first.value.rstrip("/") if first.kind != "string_prefix" else first.value.rpartition("/")[0]


def _taking(rule: HttpRule, path: str) -> HttpRule:
    """The rule with a match for the path of the redirect, where it would go elsewhere otherwise."""
    if any(match.path is None or (match.path.kind != "regex" and match.path.holds(path)) for match in matches_of(rule)):
        return rule
    first = rule.matches[0]
    back = HttpMatch(origin=first.origin, path=PathMatch(kind="exact", value=path), rank=first.rank)
    return msgspec.structs.replace(rule, matches=(*rule.matches, back))


def _cookie_key(config: OpenIdConfig, name: str, client_secret: Opaque) -> Opaque:
    """The key for cookies, derived, so that equal manifests give equal cookies on every Envoy."""
    given = config.session.secret if config.session else None
    key = (given or client_secret.value).reveal()
    value = Sensitive(hmac.new(key, f"anygate oidc cookies {name}".encode(), sha256).digest())
    return Opaque(origin=client_secret.origin, name=f"apisix/oidc/{name}/cookies", value=value)


def _bearer(
    config: OpenIdConfig, rule: HttpRule, endpoints: Endpoints, surroundings: Surroundings
) -> HttpRule | Refusal:
    if rule.security and rule.security.jwt:
        return Refusal(GUARD_UNSUPPORTED, "another plugin of the route checks tokens already")
    keys = _keys(config, endpoints, surroundings)
    if isinstance(keys, Refusal):
        return keys
    audience = config.claim_validator.audience if config.claim_validator else None
    if audience and (audience.claim != "aud" or (audience.required and not audience.match_with_client_id)):
        text = "the audience can only be compared with client_id, in the claim aud"
        return Refusal(GUARD_UNSUPPORTED, text, path=("claim_validator", "audience"))
    valid = config.claim_validator.issuer if config.claim_validator else None
    here = surroundings.origin
    providers = tuple(
        JwtProvider(
            origin=here,
            name=f"issuer-{number}",
            issuer=issuer,
            audiences=(config.client_id,) if audience and audience.match_with_client_id else (),
            from_headers=(("authorization", "Bearer "), ("authorization", "bearer ")),
            **keys,
        )
        for number, issuer in enumerate(valid.valid_issuers if valid else (endpoints.issuer,))
    )
    optional = config.unauth_action == "pass"
    rule = with_security(rule, here, jwt=Jwt(origin=here, providers=providers, optional=optional))
    challenge = f'Bearer realm="{config.realm}"'
    rule = with_wordings(
        rule, _page("token_missing", challenge), _page("token_wrong", f'{challenge}, error="invalid_token"')
    )
    return _want_scopes(config, rule, providers, surroundings) if config.required_scopes else rule


def _keys(config: OpenIdConfig, endpoints: Endpoints, surroundings: Surroundings) -> dict[str, Any] | Refusal:
    """The fields of a provider that say what its tokens are checked with."""
    if config.public_key:
        found = public_key_set(config.public_key, config.token_signing_alg_values_expected or "")
        if not found:
            return Refusal(GUARD_UNSUPPORTED, "it is no public key in PEM", path=("public_key",))
        return {"jwks": found}
    if config.token_signing_alg_values_expected is not None:
        text = "a token may be signed in any way that its key in the provider's key set allows"
        surroundings.note(NOT_HONOURED, text, ("token_signing_alg_values_expected",))
    backend = build_url_backend(endpoints.keys, surroundings.origin, verify=config.ssl_verify)
    if backend is None:
        text = f"the provider at {config.discovery} has no key set to check tokens with"
        return Refusal(GUARD_UNSUPPORTED, text, path=("discovery",))
    if not config.use_jwks:
        surroundings.note(
            NOT_HONOURED,
            "tokens are checked with the provider's keys; it is not asked about them",
            ("bearer_only",),
            "set use_jwks",
        )
    return {"jwks_uri": endpoints.keys, "jwks_backend": surroundings.add_backend(backend)}


def _want_scopes(
    config: OpenIdConfig, rule: HttpRule, providers: Sequence[JwtProvider], surroundings: Surroundings
) -> HttpRule | Refusal:
    if len(providers) > 1:
        text = "the scopes can only be checked of tokens of one issuer"
        return Refusal(GUARD_UNSUPPORTED, text, path=("required_scopes",))
    principal = Principal(jwt_provider=providers[0].name, missing_scopes=config.required_scopes)
    row = AuthorizationRule(origin=surroundings.origin, name=OpenIdConnect.name, allow=False, principal=principal)
    authorization = with_denials(surroundings.origin, rule.security.authorization if rule.security else None, [row])
    rule = with_security(rule, surroundings.origin, authorization=authorization)
    text = f"required scopes {', '.join(config.required_scopes)} not present"
    return with_wordings(
        rule, Wording(cause="denied", rule=OpenIdConnect.name, body=json.dumps({"error": text}) + "\n")
    )


def _page(cause: Literal["login_missing", "token_missing", "token_wrong"], challenge: str) -> Wording:
    # Envoy answers 403 to a token for another audience.
    html = "text/html; charset=utf-8"
    return Wording(cause=cause, body=_PAGE, status=401, content_type=html, challenge=challenge)
