"""The same names as `anygate.manifests.envoy_gateway.authorization`, where this dialect looks for them."""

from anygate.manifests.envoy_gateway.authorization import (
    Action,
    Authorization,
    AuthorizationHeaderMatch,
    AuthorizationRule,
    ClientIPGeoLocation,
    GeoIPAnonymousMatch,
    JWTClaim,
    JWTPrincipal,
    Operation,
    Principal,
    Scope,
)

__all__ = [
    "Action",
    "Authorization",
    "AuthorizationHeaderMatch",
    "AuthorizationRule",
    "ClientIPGeoLocation",
    "GeoIPAnonymousMatch",
    "JWTClaim",
    "JWTPrincipal",
    "Operation",
    "Principal",
    "Scope",
]
