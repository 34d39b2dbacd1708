"""References to secrets that Envoy fetches itself, so that they stand in no filter's settings."""

from typing import Any

from anygate.envoy.api import build

SDS = "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig"


def fetch_secret(name: str) -> Any:
    """Return the reference by which Envoy fetches the secret `name` over the ADS stream it already has.

    https://www.envoyproxy.io/docs/envoy/latest/configuration/security/secret
    """
    return build(SDS, name=name, sds_config={"ads": {}, "resource_api_version": "V3"})
