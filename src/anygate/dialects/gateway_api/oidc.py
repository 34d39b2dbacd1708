"""OIDC of a SecurityPolicy: login with an OpenID provider."""

import hmac
from collections.abc import Iterator
from hashlib import sha256

from anygate.dialects.gateway_api.backends import Backends
from anygate.dialects.gateway_api.context import Context, Fault, origin
from anygate.dialects.gateway_api.findings import UNSUPPORTED
from anygate.dialects.gateway_api.kinds.envoy_gateway.oidc import OIDC, OIDCProvider
from anygate.dialects.gateway_api.security_refs import read_opaque, read_service, register_url
from anygate.dialects.openid_provider import Unknown, find_endpoints
from anygate.manifests.discovery import WELL_KNOWN, Endpoints
from anygate.manifests.object import Manifest
from anygate.manifests.sensitive import Sensitive
from anygate.model.match import ValueMatch
from anygate.model.security import Oidc
from anygate.model.tls import Opaque
from anygate.urls import split_url

_HOW = {"Exact": "exact", "Prefix": "prefix", "Suffix": "suffix", "RegularExpression": "regex"}


def read_oidc(context: Context, backends: Backends, manifest: Manifest, found: OIDC) -> Oidc | Fault:
    """Read the client, its secrets and the provider's endpoints."""
    provider = found.provider
    endpoints = _find_endpoints(context, provider)
    if isinstance(endpoints, Fault):
        return endpoints
    secret = read_opaque(context, manifest, found.client_secret, "client-secret")
    if isinstance(secret, Fault):
        return secret
    client = _client_id(context, manifest, found)
    if isinstance(client, Fault):
        return client
    backend = (
        read_service(context, backends, manifest, provider)
        if provider.backend_refs or provider.backend_ref
        else register_url(context, manifest, endpoints.token)
    )
    if isinstance(backend, Fault):
        return backend
    redirect = found.redirect_url or "%REQ(x-forwarded-proto)%://%REQ(:authority)%/oauth2/callback"
    cookies = found.cookie_names
    return Oidc(
        origin=origin(manifest, ("spec", "oidc")),
        name=f"{manifest.namespace}/{manifest.name}",
        issuer=provider.issuer,
        client_id=client,
        client_secret=secret,
        hmac_secret=_derive_hmac(context, manifest, secret),
        token_backend=backend,
        authorization_endpoint=endpoints.authorization,
        token_endpoint=endpoints.token,
        end_session_endpoint=endpoints.end_session,
        scopes=tuple(dict.fromkeys(("openid", *found.scopes))),
        resources=tuple(found.resources),
        redirect_url=redirect,
        redirect_path=_path_of(redirect),
        logout_path=found.logout_path or "/logout",
        forward_access_token=found.forward_access_token,
        refresh_token=found.refresh_token,
        default_token_ttl=found.default_token_ttl,
        default_refresh_token_ttl=found.default_refresh_token_ttl,
        csrf_token_ttl=found.csrf_token_ttl,
        cookie_domain=found.cookie_domain or "",
        cookie_names=tuple(
            (name, value)
            for name, value in (
                ("access_token", cookies.access_token if cookies else None),
                ("id_token", cookies.id_token if cookies else None),
            )
            if value
        ),
        same_site=(found.cookie_config.same_site or "") if found.cookie_config else "",
        deny_redirect=tuple(_deny_matches(found)),
        pass_through_auth_header=found.pass_through_auth_header,
        disable_token_encryption=found.disable_token_encryption,
    )


def _find_endpoints(context: Context, provider: OIDCProvider) -> Endpoints | Fault:
    """The endpoints that are written, and from the issuer those that are not."""
    authorization, token = provider.authorization_endpoint or "", provider.token_endpoint or ""
    end_session = provider.end_session_endpoint or ""
    if authorization and token:
        return Endpoints(provider.issuer, authorization, token, end_session)
    if split_url(provider.issuer).scheme not in ("http", "https"):
        return Fault(UNSUPPORTED, "Invalid", f"the issuer {provider.issuer} is not an http or https URL")
    found = find_endpoints(context.index, provider.issuer.rstrip("/") + WELL_KNOWN)
    if isinstance(found, Unknown):
        return Fault(found.rule, "Invalid", found.message, found.hint)
    authorization, token = authorization or found.authorization, token or found.token
    if not authorization or not token:
        return Fault(UNSUPPORTED, "Invalid", f"the provider {provider.issuer} has no endpoints for logins")
    return Endpoints(provider.issuer, authorization, token, end_session or found.end_session)


def _client_id(context: Context, manifest: Manifest, found: OIDC) -> str | Fault:
    if found.client_id is not None:
        return found.client_id
    assert found.client_id_ref is not None
    name = read_opaque(context, manifest, found.client_id_ref, "client-id")
    if isinstance(name, Fault):
        return name
    # Only the id is taken: it is public and stands in the login URL.
    secret = context.secrets.pop(name)
    assert isinstance(secret, Opaque)
    return secret.value.reveal().decode("utf-8", "replace").strip()


def _derive_hmac(context: Context, manifest: Manifest, client_secret: str) -> str:
    """A key for signing cookies. It is derived, so that equal manifests give equal resources on every Envoy."""
    held = context.secrets[client_secret]
    assert isinstance(held, Opaque)
    label = f"anygate oidc cookies {manifest.namespace}/{manifest.name}".encode()
    name = f"oidc-hmac/{manifest.namespace}/{manifest.name}"
    value = Sensitive(hmac.new(held.value.reveal(), label, sha256).digest())
    context.secrets[name] = Opaque(origin=origin(manifest, ("spec", "oidc")), name=name, value=value)
    return name


def _path_of(url: str) -> str:
    after = url.split("://", 1)[-1]
    return "/" + after.split("/", 1)[1] if "/" in after else split_url(url).path or "/oauth2/callback"


def _deny_matches(found: OIDC) -> Iterator[ValueMatch]:
    for one in found.deny_redirect.headers if found.deny_redirect else ():
        yield ValueMatch(name=one.name.lower(), kind=_HOW[one.type], value=one.value)  # type: ignore[arg-type]
