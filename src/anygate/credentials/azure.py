"""Tokens of Microsoft Entra for Azure OpenAI.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

from urllib.parse import quote

from anygate.credentials.oidc import fetch_identity
from anygate.credentials.sources import Outside, Secrets
from anygate.credentials.token import Token, read_token
from anygate.model.inference import AzureToken

SCOPE = "https://cognitiveservices.azure.com/.default"
_JWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


async def fetch_azure(source: AzureToken, secrets: Secrets, outside: Outside) -> Token:
    """Return a token for the client; raises FetchProblem."""
    form = {"grant_type": "client_credentials", "client_id": source.client_id, "scope": SCOPE}
    if source.oidc is not None:
        assertion = await fetch_identity(source.oidc, secrets, outside)
        form |= {"client_assertion_type": _JWT, "client_assertion": assertion}
    else:
        form["client_secret"] = secrets.reveal(source.secret)
    url = f"{outside.endpoints.azure}/{quote(source.tenant, safe='')}/oauth2/v2.0/token"
    answer = await outside.web.post_form(url, form, proxy=outside.endpoints.azure_proxy)
    return read_token(answer.read_json())
