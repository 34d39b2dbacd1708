"""The same names as `anygate.manifests.envoy_gateway.oidc`, where this dialect looks for them."""

from anygate.manifests.envoy_gateway.oidc import (
    OIDC,
    OIDCCookieConfig,
    OIDCCookieNames,
    OIDCDenyRedirect,
    OIDCDenyRedirectHeader,
    OIDCProvider,
    OIDCTokenForwarding,
)

__all__ = [
    "OIDC",
    "OIDCCookieConfig",
    "OIDCCookieNames",
    "OIDCDenyRedirect",
    "OIDCDenyRedirectHeader",
    "OIDCProvider",
    "OIDCTokenForwarding",
]
