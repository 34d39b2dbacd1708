"""Who may use an MCP route and what of it: tokens, keys, authorization of tools, the choice of servers."""

import asyncio
import json
from collections.abc import Iterator
from time import time
from typing import Any

import httpx2
import pytest
from filter_gateway import Upstream
from joserfc import jwt as tokens
from joserfc.jwk import RSAKey
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_servers import Endpoint, McpUpstream, backend, mcp_route, rules_of, serving_mcp
from running import gateway
from test_mcp import post, start

KEY = RSAKey.generate_key(2048, {"kid": "one"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "one"})
JWKS = json.dumps({"keys": [KEY.as_dict(private=False)]})
ISSUER = "https://login.example/realm"
OAUTH = f"""oauth: {{issuer: '{ISSUER}', audiences: [tools], jwks: {{localJWKS: {{inline: '{JWKS}'}}}},
      protectedResourceMetadata: {{resource: 'https://tools.example/mcp', scopesSupported: [read, write]}}}}"""


def token(key: RSAKey = KEY, **claims: Any) -> str:
    content = {"iss": ISSUER, "aud": "tools", "sub": "ann", "exp": int(time()) + 600, **claims}
    return "Bearer " + tokens.encode({"alg": "RS256", "kid": "one"}, content, key)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[McpUpstream, McpUpstream]]:
    with McpUpstream("alpha") as alpha, McpUpstream("beta", json_response=True) as beta:
        yield alpha, beta


@pytest.fixture(scope="module")
def backends(servers: tuple[McpUpstream, McpUpstream]) -> list[str]:
    return [backend(one.name, one.port) for one in servers]


@pytest.fixture(scope="module")
def endpoint(backends: list[str]) -> Iterator[Endpoint]:
    authorization = """authorization: {rules: [
        {source: {jwt: {scopes: [read]}}, target: {tools: [{backend: alpha, tool: echo}, {backend: beta, tool: size}]}},
        {source: {jwt: {scopes: [read, write], claims: [{name: org.team, values: [core]}]}},
         target: {tools: [{backend: alpha, tool: count}]}},
        {cel: 'request.mcp.backend == "beta" && request.mcp.tool == "echo"
               && request.headers["x-way"] == "in" && "admin" in request.auth.jwt.claims.roles'}]}"""
    selector = """backendSelector: {defaultAction: Allow, rules: [
        {action: Deny, cel: 'request.mcp.backend == "beta" && request.auth.jwt.claims.sub == "bob"'}]}"""
    route = mcp_route("alpha", "beta", more=f"securityPolicy: {{{OAUTH}, {authorization}}}, {selector}")
    with serving_mcp(gateway(), *backends, route) as served:
        assert not rules_of(served.result)
        yield served


def list_tools(endpoint: Endpoint, **headers: str) -> list[str]:
    begun = start(endpoint, **headers)
    assert begun.status_code == 200, begun.text
    listed = post(endpoint, "tools/list", **headers, **{"mcp-session-id": begun.headers["mcp-session-id"]})
    return [tool["name"] for tool in listed.json()["result"]["tools"]]


def call(endpoint: Endpoint, name: str, **headers: str) -> httpx2.Response:
    identity = start(endpoint, **headers).headers["mcp-session-id"]
    params = {"name": name, "arguments": {"text": "x", "upto": 1}}
    return post(endpoint, "tools/call", params, **headers, **{"mcp-session-id": identity})


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer nonsense",
        token(OTHER_KEY),
        token(iss="https://login.example"),
        token(exp=int(time()) - 600),
    ],
)
def test_without_a_good_token_clients_learn_how_to_get_one(endpoint: Endpoint, authorization: str) -> None:
    headers = {"authorization": authorization} if authorization else {}
    answer = start(endpoint, **headers, **{"x-anygate-mcp-claims": '{"sub":"ann","scope":"read"}'})
    assert answer.status_code == 401
    url = "https://tools.example/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{url}"' in answer.headers["www-authenticate"]


def test_a_token_for_others_is_refused(endpoint: Endpoint) -> None:
    # It is a good one, so that Envoy says 403 and there is nothing to ask for.
    assert start(endpoint, authorization=token(aud="else")).status_code == 403


def test_the_metadata_are_public(endpoint: Endpoint) -> None:
    found = httpx2.get(f"{endpoint.base}/.well-known/oauth-protected-resource/mcp")
    assert found.json() == {
        "resource": "https://tools.example/mcp",
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["read", "write"],
    }
    assert found.headers["access-control-allow-origin"] == "*"
    for path, there in (
        ("oauth-authorization-server/mcp", "https://login.example/.well-known/oauth-authorization-server/realm"),
        ("openid-configuration/mcp", "https://login.example/realm/.well-known/openid-configuration"),
    ):
        answer = httpx2.get(f"{endpoint.base}/.well-known/{path}")
        assert (answer.status_code, answer.headers["location"]) == (307, there)


@pytest.mark.parametrize(
    ("claims", "shown"),
    [
        ({}, []),
        ({"scope": "other read"}, ["alpha__echo", "beta__size"]),
        ({"scope": "read write", "org": {"team": "core"}}, ["alpha__echo", "alpha__count", "beta__size"]),
        ({"scope": "read write", "org": {"team": "else"}}, ["alpha__echo", "beta__size"]),
        ({"roles": ["admin"]}, ["beta__echo"]),
        ({"scope": "read", "sub": "bob"}, ["alpha__echo"]),
    ],
)
def test_tools_are_shown_to_whom_they_are_allowed(endpoint: Endpoint, claims: Any, shown: list[str]) -> None:
    assert list_tools(endpoint, authorization=token(**claims), **{"x-way": "in"}) == shown


def test_an_expression_that_fails_denies(endpoint: Endpoint) -> None:
    # There is no header x-way to look at.
    assert list_tools(endpoint, authorization=token(roles=["admin"])) == []
    assert call(endpoint, "beta__echo", authorization=token(roles=["admin"])).status_code == 403


def test_a_denied_tool_says_which_scopes_are_missing(endpoint: Endpoint) -> None:
    assert call(endpoint, "alpha__echo", authorization=token(scope="read")).status_code == 200
    answer = call(endpoint, "alpha__echo", authorization=token(scope="else"))
    assert answer.status_code == 403
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer error="insufficient_scope", scope="read", resource_metadata="https://tools')
    assert "error" in answer.json()


def test_a_session_is_its_subjects_own(endpoint: Endpoint) -> None:
    ann = {"authorization": token(scope="read")}
    identity = {"mcp-session-id": start(endpoint, **ann).headers["mcp-session-id"]}
    assert post(endpoint, "tools/list", **ann, **identity).status_code == 200
    bob = {"authorization": token(scope="read", sub="bob")}
    assert post(endpoint, "tools/list", **bob, **identity).status_code == 404


def test_a_client_of_the_sdk_with_a_token(endpoint: Endpoint) -> None:
    async def run() -> list[str]:
        async with (
            httpx2.AsyncClient(headers={"authorization": token(scope="read")}) as http,
            Client(streamable_http_client(endpoint.url, http_client=http), mode="legacy") as client,
        ):
            return [tool.name for tool in (await client.list_tools()).tools]

    assert asyncio.run(run()) == ["alpha__echo", "beta__size"]


def test_nobody_left_to_ask(backends: list[str]) -> None:
    selector = "backendSelector: {rules: [{cel: 'request.headers[\"x-team\"] == request.mcp.backend'}]}"
    with serving_mcp(gateway(), *backends, mcp_route("alpha", "beta", more=selector)) as endpoint:
        assert start(endpoint).status_code == 403
        assert start(endpoint, **{"x-team": "none"}).status_code == 403
        assert list_tools(endpoint, **{"x-team": "beta"})[0] == "beta__echo"


def test_sessions_belong_to_their_route(backends: list[str]) -> None:
    routes = mcp_route("alpha"), mcp_route("beta", name="others", more="path: /other")
    with serving_mcp(gateway(), *backends, *routes) as endpoint:
        identity = {"mcp-session-id": start(endpoint).headers["mcp-session-id"]}
        assert post(endpoint, "tools/list", **identity).status_code == 200
        endpoint.url = f"{endpoint.base}/other"
        assert post(endpoint, "tools/list", **identity).status_code == 404


def test_api_keys(backends: list[str]) -> None:
    keys = "apiVersion: v1\nkind: Secret\nmetadata: {name: clients}\nstringData: {ann: one, bob: two}"
    guard = """securityPolicy: {apiKeyAuth: {credentialRefs: [{name: clients}], extractFrom: [{headers: [x-key]}],
        forwardClientIDHeader: x-client, sanitize: true}}"""
    with serving_mcp(gateway(), *backends, keys, mcp_route("alpha", more=guard)) as endpoint:
        assert start(endpoint).status_code == 401
        assert start(endpoint, **{"x-key": "three"}).status_code == 401
        begun = start(endpoint, **{"x-key": "one"})
        identity = {"mcp-session-id": begun.headers["mcp-session-id"]}
        assert post(endpoint, "tools/list", **identity, **{"x-key": "one"}).status_code == 200
        assert post(endpoint, "tools/list", **identity, **{"x-key": "two", "x-client": "ann"}).status_code == 404


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ("backendSelector: {rules: [{cel: 'request.mcp.backend =='}]}", "mcp-expression-invalid"),
        ("backendSelector: {rules: [{cel: 'request.auth.jwt.claims.sub == \"a\"'}]}", "mcp-expression-invalid"),
        (
            f"securityPolicy: {{oauth: {{issuer: '{ISSUER}', protectedResourceMetadata: {{resource: 'https://x.y/'}}}}}}",
            "mcp-keys-missing",
        ),
        ("securityPolicy: {apiKeyAuth: {credentialRefs: [{name: none}], extractFrom: [{headers: [x]}]}}", ""),
    ],
)
def test_a_guard_that_cannot_be_had_closes_the_route(backends: list[str], more: str, rule: str) -> None:
    with serving_mcp(gateway(), *backends, mcp_route("alpha", more=more)) as endpoint:
        assert start(endpoint).status_code == 500
        assert rule in (*rules_of(endpoint.result), "")
        (outcome,) = (one for ref, one in endpoint.result.outcomes.items() if ref.kind == "MCPRoute")
        assert outcome.status["conditions"][0]["type"] == "NotAccepted"


@pytest.mark.parametrize("merge", ["", "mergeType: StrategicMerge, "])
def test_a_policy_of_the_gateway(backends: list[str], merge: str) -> None:
    """The route's own policy holds instead of the Gateway's unless it asks to be merged."""
    keys = "apiVersion: v1\nkind: Secret\nmetadata: {name: clients}\nstringData: {ann: one}"
    policy = """
    apiVersion: gateway.envoyproxy.io/v1alpha1
    kind: SecurityPolicy
    metadata: {name: all}
    spec:
      targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
      apiKeyAuth: {credentialRefs: [{name: clients}], extractFrom: [{headers: [x-key]}]}
    """
    route = mcp_route("alpha", more=f"securityPolicy: {{{merge}{OAUTH}}}")
    with serving_mcp(gateway(), *backends, keys, policy, route) as endpoint:
        authorization = {"authorization": token()}
        assert start(endpoint, **{"x-key": "one"}).status_code == 401
        assert start(endpoint, **authorization, **{"x-key": "one"}).status_code == 200
        assert start(endpoint, **authorization).status_code == (401 if merge else 200)


def test_beside_ai_routes(backends: list[str]) -> None:
    """A chain that AI requests pass as well guards an MCP endpoint no less."""
    ai = """
    apiVersion: aigateway.envoyproxy.io/v1beta1
    kind: AIServiceBackend
    metadata: {name: alpha}
    spec: {schema: {name: OpenAI}, backendRef: {group: gateway.envoyproxy.io, kind: Backend, name: alpha}}
    ---
    apiVersion: aigateway.envoyproxy.io/v1beta1
    kind: AIGatewayRoute
    metadata: {name: chat}
    spec: {parentRefs: [{name: web}], rules: [{backendRefs: [{name: alpha}]}]}
    """
    guard = f"securityPolicy: {{{OAUTH}, authorization: {{rules: [{{source: {{jwt: {{scopes: [read]}}}}}}]}}}}"
    with serving_mcp(gateway(), *backends, ai, mcp_route("alpha", more=guard)) as endpoint:
        refused = start(endpoint)
        assert (refused.status_code, "resource_metadata" in refused.headers["www-authenticate"]) == (401, True)
        assert list_tools(endpoint, authorization=token(scope="else")) == []
        assert "alpha__echo" in list_tools(endpoint, authorization=token(scope="read"))


def test_a_service_may_be_asked(backends: list[str]) -> None:
    def decide(request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        return (200 if request["headers"].get("x-pass") == "yes" else 403), {}, b""

    with Upstream("guard", decide) as guard:
        more = """securityPolicy: {extAuth: {headersToExtAuth: [x-pass],
            http: {backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: guard}]}}}"""
        with serving_mcp(gateway(), *backends, backend("guard", guard.port), mcp_route("alpha", more=more)) as endpoint:
            assert start(endpoint).status_code == 403
            assert start(endpoint, **{"x-pass": "yes"}).status_code == 200
