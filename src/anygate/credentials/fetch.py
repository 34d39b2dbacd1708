"""From a source to its credential."""

from anygate.credentials.aws import fetch_aws
from anygate.credentials.azure import fetch_azure
from anygate.credentials.google import fetch_google
from anygate.credentials.sources import Outside
from anygate.credentials.token import LONGEST_LIFE, AwsKeys, Credential, Token
from anygate.credentials.wanted import Wanted
from anygate.manifests.sensitive import Sensitive
from anygate.model.inference import AwsExchange, AzureToken

PLACEHOLDER = "stub"
"""What stubs are shown instead of a credential."""


async def fetch(wanted: Wanted, outside: Outside) -> Credential:
    """Return the credential from where it is had, or a placeholder for stubs; raises FetchProblem."""
    source = wanted.source
    if wanted.simulated:
        return _simulate(wanted)
    if isinstance(source, AwsExchange):
        return await fetch_aws(source, wanted.region, wanted.reveal(), outside)
    if isinstance(source, AzureToken):
        return await fetch_azure(source, wanted.reveal(), outside)
    return await fetch_google(source, wanted.reveal(), outside)


def _simulate(wanted: Wanted) -> Credential:
    value = Sensitive(PLACEHOLDER.encode())
    if isinstance(wanted.source, AwsExchange):
        return AwsKeys(PLACEHOLDER, value, value, LONGEST_LIFE)
    return Token(value, LONGEST_LIFE)
