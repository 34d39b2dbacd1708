"""Backends of the model as those of providers: who answers there, and connections that take large messages."""

import re

import msgspec

from anygate.model.backend import Backend
from anygate.model.inference import AwsCredential, Provider

BUFFER_LIMIT = 50 * 1024 * 1024
"""Bytes of a message that may be held: Envoy Gateway's default of 32Ki is too little for AI requests."""

_BEDROCK = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com|vpce\.amazonaws\.com|api\.aws)$")


def specialise(base: Backend, name: str, provider: Provider) -> Backend:
    """A backend that speaks a provider's API."""
    connection = base.connection
    if connection.buffer_limit is None:
        connection = msgspec.structs.replace(connection, buffer_limit=BUFFER_LIMIT)
    return msgspec.structs.replace(
        base,
        name=name,
        connection=connection,
        provider=_with_region(provider, base),
        fallback=False,
    )


def _with_region(provider: Provider, base: Backend) -> Provider:
    """Signatures for Bedrock hold in the region of its host, whatever the policy says."""
    credential = provider.credential
    if not isinstance(credential, AwsCredential):
        return provider
    for group in base.groups:
        for endpoint in group.endpoints:
            found = _BEDROCK.search(endpoint.hostname or endpoint.host)
            if found and found[1] != credential.region:
                return msgspec.structs.replace(
                    provider, credential=msgspec.structs.replace(credential, region=found[1])
                )
    return provider
