"""Login in the browser through an OpenID provider."""

from collections.abc import Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import bool_value, build
from anygate.envoy.filters.caller import ID_HEADER, tells_tokens
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope, enable, only
from anygate.envoy.filters.matches import HEADER, STRING, exact_path
from anygate.envoy.filters.secrets import fetch_secret
from anygate.envoy.matches import build_header_match
from anygate.envoy.refusal import CannotBuild
from anygate.model.listener import Server
from anygate.model.route import HttpRule
from anygate.model.security import Oidc, Security

NAME = "envoy.filters.http.oauth2"
_TOKEN_TIMEOUT = timedelta(seconds=10)
_COOKIES = {
    "bearer_token": ("BearerToken", "accesstoken"),
    "oauth_hmac": ("OauthHMAC", "hmac"),
    "oauth_expires": ("OauthExpires", "expires"),
    "id_token": ("IdToken", "idtoken"),
    "refresh_token": ("RefreshToken", "refreshtoken"),
    "oauth_nonce": ("OauthNonce", "nonce"),
    "code_verifier": ("CodeVerifier", "codeverifier"),
}
"""Envoy's cookies: the start of our name, and the word by which `Oidc.cookie_names` chooses another."""

_SAME_SITE = {"strict": "STRICT", "lax": "LAX", "none": "NONE", "": ""}


class OidcFilter:
    """One entry per login, off by default, because Envoy has no settings for it on a route.

    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/oauth2_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return an entry for each login that a rule asks for."""
        del server
        wanted = [rule.security for rule in rules if rule.security and rule.security.oidc]
        return only(
            [
                (security.oidc.origin, build_entry(security.oidc))
                for security in wanted
                if security.oidc and not _fault(security)
            ]
        )

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Turn the rule's login on."""
        del scope
        if not rule.security or not rule.security.oidc:
            return {}
        fault = _fault(rule.security)
        if fault:
            raise CannotBuild(rule.security.oidc.origin, fault)
        return {entry_name(rule.security.oidc): enable()}


def entry_name(oidc: Oidc) -> str:
    """Name the entry after the login."""
    return f"{NAME}/{oidc.name}"


def build_entry(oidc: Oidc) -> ChainEntry:
    """Return the entry. Secrets come over SDS; tokens in cookies are encrypted unless told otherwise."""
    config = build(
        "envoy.extensions.filters.http.oauth2.v3.OAuth2Config",
        token_endpoint={
            "uri": oidc.token_endpoint,
            "cluster": oidc.token_backend,
            "timeout": oidc.timeout or _TOKEN_TIMEOUT,
        },
        retry_policy={},
        authorization_endpoint=oidc.authorization_endpoint,
        end_session_endpoint=oidc.end_session_endpoint or None,
        post_logout_redirect_uri=_after_logout(oidc),
        credentials={
            "client_id": oidc.client_id,
            "token_secret": fetch_secret(oidc.client_secret),
            "hmac_secret": fetch_secret(oidc.hmac_secret),
            "cookie_names": cookie_names(oidc),
            "cookie_domain": oidc.cookie_domain or None,
        },
        redirect_uri=oidc.redirect_url,
        redirect_path_matcher=exact_path(oidc.redirect_path),
        signout_path=exact_path(oidc.logout_path),
        forward_bearer_token=oidc.forward_access_token or None,
        forward_id_token={"header": ID_HEADER} if tells_tokens(oidc) else None,
        pass_through_matcher=[_bearer()] if oidc.pass_through_auth_header else None,
        deny_redirect_matcher=[
            *(build_header_match(match, oidc.origin) for match in oidc.deny_redirect),
            *([_anything()] if oidc.when_missing == "refuse" else ()),
        ],
        allow_failed_matcher=[_anything()] if oidc.when_missing == "pass" else None,
        auth_scopes=scopes(oidc),
        resources=oidc.resources,
        # Every OpenID provider has to take the client's secret this way (OpenID Connect Core, section 9).
        auth_type="URL_ENCODED_BODY" if oidc.secret_in_body else "BASIC_AUTH",
        use_refresh_token=bool_value(oidc.refresh_token),
        default_expires_in=oidc.default_token_ttl,
        default_refresh_token_expires_in=oidc.default_refresh_token_ttl,
        csrf_token_expires_in=oidc.csrf_token_ttl,
        cookie_configs=_cookie_configs(oidc),
        disable_token_encryption=oidc.disable_token_encryption or None,
    )
    filter_config = build("envoy.extensions.filters.http.oauth2.v3.OAuth2", config=config)
    return ChainEntry(entry_name(oidc), filter_config, disabled=True)


def scopes(oidc: Oidc) -> tuple[str, ...]:
    """Return the scopes to ask for; without `openid` Envoy refuses an `end_session_endpoint`."""
    return oidc.scopes if "openid" in oidc.scopes else ("openid", *oidc.scopes)


def cookie_names(oidc: Oidc) -> dict[str, str]:
    """Return the names of Envoy's cookies. A suffix per login keeps two logins on one host apart."""
    suffix = blake2b(oidc.name.encode(), digest_size=4).hexdigest()
    chosen = {word.replace("_", "").lower(): name for word, name in oidc.cookie_names}
    return {
        field: chosen.get(field.replace("_", ""), chosen.get(word, f"{start}-{suffix}"))
        for field, (start, word) in _COOKIES.items()
    }


def _cookie_configs(oidc: Oidc) -> dict[str, Any] | None:
    same_site = _SAME_SITE[oidc.same_site.lower()]
    if not same_site:
        return None
    return {f"{field}_cookie_config": {"same_site": same_site} for field in _COOKIES}


def _after_logout(oidc: Oidc) -> dict[str, str] | None:
    """Where the provider sends the browser after a logout; Envoy's own choice is the root of the host."""
    return {"uri": oidc.post_logout_url} if oidc.post_logout_url else None


def _anything() -> Any:
    return build(HEADER, name=":method", present_match=True)


def _bearer() -> Any:
    return build(HEADER, name="authorization", string_match=build(STRING, prefix="Bearer "))


def _fault(security: Security) -> str:
    """Say why Envoy could not do this login, or could be talked past it, or nothing."""
    oidc = security.oidc
    if not oidc:
        return ""
    if not (oidc.token_endpoint and oidc.authorization_endpoint and oidc.token_backend):
        return "the provider's endpoints for authorization and tokens are not known"
    if oidc.same_site.lower() not in _SAME_SITE:
        return f"{oidc.same_site!r} is no SameSite of a cookie"
    unknown = [word for word, _ in oidc.cookie_names if not _names_cookie(word)]
    if unknown:
        return f"{unknown[0]} is no cookie of a login"
    if oidc.pass_through_auth_header and not (security.jwt and not security.jwt.optional):
        return "requests with a bearer token would pass unchecked, as no JWT is required besides the login"
    return ""


def _names_cookie(word: str) -> bool:
    plain = word.replace("_", "").lower()
    return any(plain in (field.replace("_", ""), short) for field, (_, short) in _COOKIES.items())
