"""Tokens of an OpenID provider for a client of its own (client credentials), which others take in exchange.

https://openid.net/specs/openid-connect-discovery-1_0.html and RFC 6749, section 4.4.
"""

from dataclasses import dataclass
from typing import Any, Literal

from anygate.credentials.problem import FetchProblem
from anygate.credentials.sources import Outside, Secrets
from anygate.credentials.token import read_text
from anygate.credentials.web import Answer
from anygate.model.inference import OidcClient

Style = Literal["basic", "post"]
_STYLES: dict[str, Style] = {"client_secret_basic": "basic", "client_secret_post": "post"}


@dataclass(frozen=True)
class Provider:
    """Where a provider gives out tokens, for which scopes, and how clients may prove who they are there."""

    token_endpoint: str
    scopes: tuple[str, ...] = ()
    styles: tuple[Style, ...] = ("basic", "post")


async def fetch_identity(client: OidcClient, secrets: Secrets, outside: Outside) -> str:
    """Return an access token of the provider; raises FetchProblem."""
    provider = await discover(client, outside)
    form = {"grant_type": "client_credentials"}
    # As Envoy AI Gateway: every scope that the provider offers is asked for, not just those of the policy.
    scopes = dict.fromkeys((*client.scopes, *provider.scopes))
    if scopes:
        form["scope"] = " ".join(scopes)
    secret = secrets.reveal(client.secret)
    answer = await _ask(client, provider.styles[0], provider.token_endpoint, form, secret, outside)
    if answer.status in (400, 401, 403) and len(provider.styles) > 1:
        answer = await _ask(client, provider.styles[1], provider.token_endpoint, form, secret, outside)
    return read_text(answer.read_json(), "access_token")


async def discover(client: OidcClient, outside: Outside) -> Provider:
    """Ask the issuer. If the token endpoint is configured, a provider without discovery is good enough."""
    try:
        return _read_provider(client, await _fetch_discovery(client, outside))
    except FetchProblem:
        if client.token_endpoint:
            return Provider(client.token_endpoint)
        raise


async def _fetch_discovery(client: OidcClient, outside: Outside) -> dict[str, Any]:
    answer = await outside.web.get(client.issuer.rstrip("/") + "/.well-known/openid-configuration")
    return answer.read_json()


def _read_provider(client: OidcClient, found: dict[str, Any]) -> Provider:
    if found.get("issuer") != client.issuer:
        raise FetchProblem(f"the provider at {_shown(client.issuer)} calls itself by another issuer")
    endpoint = client.token_endpoint or found.get("token_endpoint")
    if not isinstance(endpoint, str) or not endpoint:
        raise FetchProblem(f"the provider at {_shown(client.issuer)} names no token_endpoint")
    if client.issuer.startswith("https:") and not client.token_endpoint and not endpoint.startswith("https:"):
        raise FetchProblem(f"the provider at {_shown(client.issuer)} wants the client's secret without TLS")
    methods = _texts(found.get("token_endpoint_auth_methods_supported"))
    styles = tuple(style for name, style in _STYLES.items() if name in methods)
    return Provider(endpoint, _texts(found.get("scopes_supported")), styles[:1] or Provider.styles)


async def _ask(
    client: OidcClient, style: Style, endpoint: str, form: dict[str, str], secret: str, outside: Outside
) -> Answer:
    if style == "basic":
        return await outside.web.post_form(endpoint, form, user=(client.client_id, secret))
    return await outside.web.post_form(endpoint, {**form, "client_id": client.client_id, "client_secret": secret})


def _texts(found: object) -> tuple[str, ...]:
    return tuple(one for one in found if isinstance(one, str) and one) if isinstance(found, list) else ()


def _shown(issuer: str) -> str:
    """An issuer without a user and password in front of its host."""
    scheme, slashes, rest = issuer.partition("://")
    return scheme + slashes + rest.rpartition("@")[2]
