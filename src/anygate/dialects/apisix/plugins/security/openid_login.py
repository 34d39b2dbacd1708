"""The login of openid-connect: Envoy sends browsers to the provider and keeps what comes of it in cookies."""

import hmac
from datetime import timedelta
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec

from anygate.dialects.apisix.findings import NOT_HONOURED
from anygate.dialects.apisix.plugins.changes import matches_of, with_security
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.dialects.apisix.plugins.security.openid_config import LOGIN_FIELDS, OpenIdConfig
from anygate.dialects.apisix.plugins.security_findings import GUARD_UNSUPPORTED
from anygate.dialects.url_backend import build_url_backend
from anygate.manifests.discovery import Endpoints
from anygate.manifests.sensitive import Sensitive
from anygate.model.match import HttpMatch, PathMatch
from anygate.model.route import HttpRule
from anygate.model.security import Oidc
from anygate.model.tls import Opaque
from anygate.urls import split_url

_REDIRECT = "/.apisix/redirect"
_HERE = "%REQ(x-forwarded-proto)%://%REQ(:authority)%"
_MISSING: dict[str, Literal["login", "refuse", "pass"]] = {"auth": "login", "deny": "refuse", "pass": "pass"}
_AUTH_METHODS = {"client_secret_basic": False, "client_secret_post": True}
"""How the client proves who it is: whether its secret is in the body."""

ID_TOKEN, RAW_ID_TOKEN = "x-id-token", "x-raw-id-token"
"""Where backends find the ID token of a login: its claims, and as it is."""


def want_login(
    config: OpenIdConfig, rule: HttpRule, endpoints: Endpoints, surroundings: Surroundings
) -> HttpRule | Refusal:
    """The rule for those who have logged in. The redirect goes to a path of the host."""
    here = surroundings.origin
    backend = build_url_backend(endpoints.token, here, verify=config.ssl_verify)
    if backend is None or not endpoints.authorization:
        text = f"the provider at {config.discovery} has no endpoints for logins"
        return Refusal(GUARD_UNSUPPORTED, text, path=("discovery",))
    if config.required_scopes and not config.takes_tokens:
        text = "scopes are checked of tokens that clients bring only"
        return Refusal(GUARD_UNSUPPORTED, text, path=("required_scopes",))
    assert config.client_secret is not None
    _note_fields(config, endpoints, surroundings)
    name = f"{surroundings.owner.namespace}/{surroundings.owner.name}/{rule.name}"
    url, path = _redirect(config, rule)
    secret = Opaque(origin=here, name=f"apisix/oidc/{name}/client-secret", value=config.client_secret)
    parameters = config.authorization_params or {}
    words = {key: str(value).lower() if isinstance(value, bool) else value for key, value in parameters.items()}
    asked = endpoints.authorization + ("&" if "?" in endpoints.authorization else "?") + urlencode(words)
    same_site = config.session.cookie_same_site if config.session else None
    oidc = Oidc(
        origin=here,
        name=name,
        issuer=endpoints.issuer,
        client_id=config.client_id,
        client_secret=surroundings.add_secret(secret),
        hmac_secret=surroundings.add_secret(_cookie_key(config, name, secret)),
        token_backend=surroundings.add_backend(backend),
        authorization_endpoint=asked if words else endpoints.authorization,
        token_endpoint=endpoints.token,
        end_session_endpoint=endpoints.end_session,
        scopes=tuple(dict.fromkeys(("openid", *config.scope.split()))),
        redirect_url=url,
        redirect_path=path,
        logout_path=config.logout_path,
        post_logout_url=config.post_logout_redirect_uri or "",
        forward_access_token=config.set_access_token_header,
        refresh_token=config.renew_access_token_on_expiry,
        default_token_ttl=_seconds(config.access_token_expires_in),
        cookie_domain=(config.session.cookie_domain if config.session else None) or "",
        same_site="" if same_site in (None, "Default") else same_site,
        when_missing=_MISSING[config.unauth_action],
        id_claims_header=ID_TOKEN if config.set_id_token_header else "",
        hides_cookies=True,
        id_token_header=RAW_ID_TOKEN if config.set_raw_id_token_header else "",
        secret_in_body=_AUTH_METHODS.get(config.token_endpoint_auth_method or "", False),
        timeout=config.patience if "timeout" in config.model_fields_set else None,
        **_userinfo(config, endpoints, surroundings),
    )
    return with_security(_taking(rule, path), here, oidc=oidc)


def _userinfo(config: OpenIdConfig, endpoints: Endpoints, surroundings: Surroundings) -> dict[str, Any]:
    """Who is asked about the user. Without such an endpoint APISIX tells backends nothing either."""
    backend = build_url_backend(endpoints.userinfo, surroundings.origin, verify=config.ssl_verify)
    if not config.set_userinfo_header:
        return {}
    if backend is None:
        text = "X-Userinfo is not sent, as no endpoint of the provider is known that says who a user is"
        place = ("set_userinfo_header",) if "set_userinfo_header" in config.model_fields_set else ()
        surroundings.note(NOT_HONOURED, text, place, "X-ID-Token has the claims of the ID token")
        return {}
    return {"userinfo_endpoint": endpoints.userinfo, "userinfo_backend": surroundings.add_backend(backend)}


def _note_fields(config: OpenIdConfig, endpoints: Endpoints, surroundings: Surroundings) -> None:
    for name, why in LOGIN_FIELDS.items():
        # The others are honoured of the tokens that clients bring besides.
        is_about_tokens = name in ("iat_slack", "jwk_expires_in", "claim_validator") and config.takes_tokens
        default = OpenIdConfig.model_fields[name].default
        if getattr(config, name) != default and not is_about_tokens:
            surroundings.note(NOT_HONOURED, why, (name,))
    if config.token_endpoint_auth_method not in (None, *_AUTH_METHODS):
        text = "the client's secret is sent as a password (client_secret_basic)"
        surroundings.note(NOT_HONOURED, text, ("token_endpoint_auth_method",))
    if config.post_logout_redirect_uri and not endpoints.end_session:
        text = "whoever logs out gets to the root of the host, as no endpoint of the provider is known for it"
        surroundings.note(NOT_HONOURED, text, ("post_logout_redirect_uri",))


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
    assert config.session is not None
    assert config.session.secret is not None
    key = config.session.secret.reveal()
    value = Sensitive(hmac.new(key, f"anygate oidc cookies {name}".encode(), sha256).digest())
    return Opaque(origin=client_secret.origin, name=f"apisix/oidc/{name}/cookies", value=value)


def _seconds(number: int | None) -> timedelta | None:
    return None if number is None else timedelta(seconds=number)
