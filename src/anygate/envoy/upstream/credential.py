"""The key or token that a provider asks for, put on last so that nothing before can see or lose it.

Tried on Envoy 1.40: without the secret Envoy answers 401 rather than sending the request on, and the secret is taken
over SDS, so that a new one holds from the next request on, on connections that are open already.
"""

from typing import Any
from urllib.parse import quote

from anygate.envoy.api import typed
from anygate.envoy.filters.secrets import fetch_secret
from anygate.envoy.upstream.lua import build_script, render_lua
from anygate.envoy.upstream.setting import AUTHORIZATION
from anygate.model.inference import KeyCredential, QueryCredential, TokenCredential
from anygate.providers.conversion import write_error
from anygate.providers.formats import ClientFormat
from anygate.providers.refusal import ErrorReply

_NAME = "anygate.credential"
_CARRIER = "x-anygate-query"
_MISSING = write_error(ClientFormat.CHAT, ErrorReply(503, "the gateway has no key for this provider")).decode()
_MOVE = """
function envoy_on_request(handle)
  local headers = handle:headers()
  local value = headers:get(carrier)
  headers:remove(carrier)
  if not value then
    return handle:respond({ [":status"] = "503", ["content-type"] = "application/json" }, answer)
  end
  local path = headers:get(":path")
  headers:replace(":path", path .. (string.find(path, "?", 1, true) and "&" or "?") .. name .. "=" .. value)
end
"""


def build_credential(credential: KeyCredential | TokenCredential, *, yields: bool) -> dict[str, Any]:
    """Build the entry; `yields` leaves a credential alone that the request has brought itself."""
    header = credential.header if isinstance(credential, KeyCredential) else AUTHORIZATION
    return _inject(credential.secret, header, yields=yields)


def build_query_credential(credential: QueryCredential) -> list[dict[str, Any]]:
    """Build the entries that put a key into the query.

    A path that holds a secret must not get into the access log of the client's request, so requests come here only from
    the egress listener, which has none.
    """
    told = {"carrier": _CARRIER, "answer": _MISSING, "name": quote(credential.parameter, safe="")}
    settings = "".join(f"local {name} = {render_lua(value)}\n" for name, value in told.items())
    return [_inject(credential.secret, _CARRIER, yields=False), build_script("anygate.query", settings + _MOVE)]


def _inject(secret: str, header: str, *, yields: bool) -> dict[str, Any]:
    generic = typed(
        "envoy.extensions.http.injected_credentials.generic.v3.Generic",
        credential=fetch_secret(secret),
        header=header,
    )
    config = typed(
        "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
        overwrite=not yields,
        credential={"name": "envoy.http.injected_credentials.generic", "typed_config": generic},
    )
    return {"name": _NAME, "typed_config": config}
