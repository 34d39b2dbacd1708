"""Tokens of Google for somebody whom another OpenID provider knows (workload identity federation).

https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token and
https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken.
"""

from urllib.parse import quote

from anygate.credentials.oidc import fetch_identity
from anygate.credentials.sources import Outside, Secrets
from anygate.credentials.token import Token, read_expiry, read_text, read_token
from anygate.manifests.sensitive import Sensitive
from anygate.model.inference import GcpFederation

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_LIFE = "3600s"


async def fetch_federated(source: GcpFederation, secrets: Secrets, outside: Outside) -> Token:
    """Return a token of the federated identity, or of the service account it acts as; raises FetchProblem."""
    identity = await fetch_identity(source.oidc, secrets, outside)
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": audience(source),
        "scope": SCOPE,
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token": identity,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    }
    proxy = outside.endpoints.google_proxy
    answer = await outside.web.post_form(outside.endpoints.google_sts, form, proxy=proxy)
    token = read_token(answer.read_json())
    return await _act_as(source, token.value.reveal_text(), outside) if source.service_account else token


def audience(source: GcpFederation) -> str:
    """The provider's full name at Google."""
    pool = f"projects/{source.project_id}/locations/global/workloadIdentityPools/{source.pool}"
    return f"//iam.googleapis.com/{pool}/providers/{source.provider}"


def email(source: GcpFederation) -> str:
    """The address of the service account to act as."""
    account = source.service_account
    return account if "@" in account else f"{account}@{source.project_name}.iam.gserviceaccount.com"


async def _act_as(source: GcpFederation, bearer: str, outside: Outside) -> Token:
    account = quote(email(source), safe="@")
    url = f"{outside.endpoints.google_iam}/projects/-/serviceAccounts/{account}:generateAccessToken"
    body = {"scope": [SCOPE], "lifetime": _LIFE}
    answer = await outside.web.post_json(url, body, bearer=bearer, proxy=outside.endpoints.google_proxy)
    found = answer.read_json()
    life = read_expiry(found.get("expireTime"), outside.now())
    return Token(Sensitive(read_text(found, "accessToken").encode()), life)
