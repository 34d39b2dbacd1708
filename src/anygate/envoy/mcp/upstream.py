"""The filters of an MCP server's cluster: what is ours leaves the request, and the server's key is put on it.

The request was made by the MCP gateway, which has left out everything of the client's but what the route forwards.
"""

from typing import Any

from anygate.envoy.api import build, typed
from anygate.envoy.filters.secrets import fetch_secret
from anygate.model.mcp import McpAccess, McpCredential

_CODEC = "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"
_MUTATION = "envoy.config.common.mutation_rules.v3.HeaderMutation"
_FILTER = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
_CARRIER = "x-anygate-mcp-key"


def build_mcp_chain(access: McpAccess) -> list[dict[str, Any]]:
    """Build the filters in their order.

    Tried on Envoy 1.40: without the secret the injector answers 401, which the MCP gateway turns into an error of the
    server; so a key that is not there yet never means a request without one. An upstream header_mutation may set a
    query parameter from a header, so that a key in the query comes over SDS too.
    """
    chain = [_mutate("anygate.headers", [_without_prefix("x-anygate-")])]
    credential = access.credential
    if credential is not None:
        chain.append(_inject(credential))
    if credential is not None and credential.query:
        value = {"record": {"key": credential.query, "value": {"string_value": f"%REQ({_CARRIER})%"}}}
        query = {"append": {**value, "action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
        chain.append(_mutate("anygate.query", [], [query]))
        chain.append(_mutate("anygate.carrier", [build(_MUTATION, remove=_CARRIER)]))
    return [*chain, {"name": "envoy.filters.http.upstream_codec", "typed_config": typed(_CODEC)}]


def _inject(credential: McpCredential) -> dict[str, Any]:
    generic = typed(
        "envoy.extensions.http.injected_credentials.generic.v3.Generic",
        credential=fetch_secret(credential.secret),
        header=_CARRIER if credential.query else credential.header,
    )
    config = typed(
        "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
        overwrite=credential.overwrite,
        credential={"name": "envoy.http.injected_credentials.generic", "typed_config": generic},
    )
    return {"name": "anygate.credential", "typed_config": config}


def _mutate(name: str, changes: list[Any], query: list[Any] | None = None) -> dict[str, Any]:
    config = typed(_FILTER, mutations={"request_mutations": changes, "query_parameter_mutations": query or []})
    return {"name": name, "typed_config": config}


def _without_prefix(prefix: str) -> Any:
    return build(_MUTATION, remove_on_match={"key_matcher": {"prefix": prefix}})
