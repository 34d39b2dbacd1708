"""The same names as `anygate.manifests.envoy_gateway.jwt`, where this dialect looks for them."""

from anygate.manifests.envoy_gateway.jwt import (
    JWT,
    ClaimToHeader,
    JWTExtractor,
    JWTHeaderExtractor,
    JWTProvider,
    LocalJWKS,
    RemoteJWKS,
)

__all__ = [
    "JWT",
    "ClaimToHeader",
    "JWTExtractor",
    "JWTHeaderExtractor",
    "JWTProvider",
    "LocalJWKS",
    "RemoteJWKS",
]
