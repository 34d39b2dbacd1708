"""SigV4, over the body and the headers as they leave.

Tried on Envoy 1.40:

* Upstream filters run before the router has written the host of a new connection, and after it on one that is used
  again. So the filter is told the host, which has to be the one that the router writes: that of the endpoint.
* Without keys it sends the request on unsigned, hence the script behind it. RBAC would not do: as an upstream filter it
  decides when the endpoint is chosen, before anything is signed.
* A file that is missing or empty when the cluster is made is never looked at again. One that holds anything is, when a
  new file is moved over it; without a file's keys the rest of the default chain would be asked, another identity.
"""

import re
from typing import Any

from anygate.envoy.api import typed
from anygate.envoy.endpoints import is_address
from anygate.envoy.refusal import CannotBuild
from anygate.envoy.upstream.files import PENDING, credentials_file_name
from anygate.envoy.upstream.lua import build_script, render_lua
from anygate.model.backend import Backend
from anygate.model.inference import AwsCredential
from anygate.providers.conversion import write_error
from anygate.providers.formats import ClientFormat
from anygate.providers.refusal import ErrorReply

_REGIONAL = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com|api\.aws|vpce\.amazonaws\.com)")
_PRIVATE = re.compile(r"(?:^|\.)bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.vpce\.amazonaws\.com$")
_SIGNED = ({"exact": "content-type"}, {"prefix": "x-amz-"})
_UNSIGNED = write_error(ClientFormat.CHAT, ErrorReply(503, "the gateway has no AWS credentials")).decode()
_CHECK = """
function envoy_on_request(handle)
  local signature = handle:headers():get("authorization")
  if not signature or string.find(signature, pending, 1, true) then
    handle:respond({ [":status"] = "503", ["content-type"] = "application/json" }, answer)
  end
end
"""


def build_signing(credential: AwsCredential, backend: Backend, folder: str) -> list[dict[str, Any]]:
    """Build the entry that signs, and the one that stops what could not be signed."""
    host = signing_host(backend, credential.region)
    config = typed(
        "envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning",
        service_name=credential.service,
        region=region_of(host) or credential.region,
        host_rewrite=host,
        match_included_headers=_SIGNED,
        credential_provider=_provider(credential, folder),
    )
    check = f"local pending, answer = {render_lua(f'Credential={PENDING}/')}, {render_lua(_UNSIGNED)}{_CHECK}"
    return [{"name": "anygate.signing", "typed_config": config}, build_script("anygate.signed", check)]


def signing_host(backend: Backend, region: str) -> str:
    """The host that requests are for: the endpoints' name, or that of the service in the region."""
    names = {
        endpoint.hostname or ("" if endpoint.unix or is_address(endpoint.host) else endpoint.host)
        for group in backend.groups
        for endpoint in group.endpoints
    }
    if len(names) > 1:
        raise CannotBuild(backend.origin, "endpoints of several names cannot be signed for")
    return next(iter(names), "") or f"bedrock-runtime.{region}.amazonaws.com"


def region_of(host: str) -> str:
    """The region in the name of a Bedrock endpoint, which a signature has to be for; empty for other names."""
    found = _REGIONAL.fullmatch(host) or _PRIVATE.search(host)
    return found[1] if found else ""


def _provider(credential: AwsCredential, folder: str) -> dict[str, Any] | None:
    """Build where keys come from; None is Envoy's own default chain."""
    name = credentials_file_name(credential)
    if not name:
        return None
    source = {"filename": f"{folder}/{name}", "watched_directory": {"path": folder}}
    file = {"credentials_data_source": source, "profile": credential.profile if credential.file else None}
    return {"credentials_file_provider": file, "custom_credential_provider_chain": True}
