"""Manifests with credentials that have to be fetched, served by a run: what reaches the provider carries them."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from filter_gateway import Answer, Upstream
from running import DEADLINE, Running, gateway, join, run_manifests
from token_services import Desk, OpenIdProvider, entra, moto_server, openid_provider

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
ANSWER = {"id": "1", "object": "chat.completion", "model": "m", "choices": []}
BEDROCK = {"output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}}, "stopReason": "end_turn"}
ROLE = "arn:aws:iam::123456789012:role/bedrock"


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with openid_provider() as running:
        yield running


def manifests(schema: str, port: int, policy: str, **secret: str) -> str:
    """A route to one backend on this machine, whose policy is the rest of a flow mapping."""
    values = ", ".join(f"{key}: {json.dumps(value)}" for key, value in secret.items())
    return join(
        gateway(),
        """
        apiVersion: aigateway.envoyproxy.io/v1beta1
        kind: AIGatewayRoute
        metadata: {name: ai}
        spec:
          parentRefs: [{name: web, kind: Gateway, group: gateway.networking.k8s.io}]
          rules: [{backendRefs: [{name: cloud}]}]
        """,
        f"""
        apiVersion: aigateway.envoyproxy.io/v1beta1
        kind: AIServiceBackend
        metadata: {{name: cloud}}
        spec: {{schema: {{{schema}}}, backendRef: {{group: gateway.envoyproxy.io, kind: Backend, name: cloud}}}}
        """,
        f"""
        apiVersion: gateway.envoyproxy.io/v1alpha1
        kind: Backend
        metadata: {{name: cloud}}
        spec: {{endpoints: [{{ip: {{address: 127.0.0.1, port: {port}}}}}]}}
        """,
        f"""
        apiVersion: aigateway.envoyproxy.io/v1beta1
        kind: BackendSecurityPolicy
        metadata: {{name: cloud}}
        spec:
          targetRefs: [{{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: cloud}}]
          {policy}
        """,
        f"""
        apiVersion: v1
        kind: Secret
        metadata: {{name: cloud}}
        stringData: {{{values}}}
        """,
    )


def ask(url: str) -> httpx2.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    headers = {"authorization": "Bearer of-the-client"}
    return httpx2.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=DEADLINE)


def azure(port: int, secret: str) -> str:
    block = "{clientID: c, tenantID: t, clientSecretRef: {name: cloud}}"
    policy = f"type: AzureCredentials\n          azureCredentials: {block}"
    return manifests("name: AzureOpenAI, version: v1", port, policy, **{"client-secret": secret})


def test_azures_tokens_change_without_a_refused_request(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(lives=[2, 2, 2, 3600])
    seen: list[str] = []

    def let_in(request: dict[str, Any]) -> Answer:
        token = request["headers"].get("authorization", "")
        seen.append(token)
        return (200 if desk.accepts(token) else 401), {"content-type": "application/json"}, json.dumps(ANSWER).encode()

    with entra(desk, tenant="t", client="c", secret="s3cr3t") as service, Upstream("azure", let_in) as backend:
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", f"http://127.0.0.1:{service.port}")
        with run_manifests(azure(backend.port, "s3cr3t"), stubs="none") as running:
            while "Bearer token-3" not in seen:
                assert ask(running.url()).status_code == 200
    assert list(dict.fromkeys(seen)) == [f"Bearer token-{number}" for number in range(4)]


def test_a_token_that_cannot_be_had_is_told_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    with entra(desk, tenant="t", client="c", secret="s3cr3t") as service, Upstream("azure") as backend:
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", f"http://127.0.0.1:{service.port}")
        with run_manifests(azure(backend.port, "wr0ng"), stubs="none") as running:
            assert ask(running.url()).status_code == 401
            assert backend.seen == []
            [found] = [one for one in running.findings if one.rule == "credential-not-fetched"]
            assert "AADSTS7000215" in str(found)
            assert found.span is not None
            assert "azureCredentials" in found.span.file.text.splitlines()[found.span.line - 1]
            assert "wr0ng" not in str(found)
            # The right secret mends it.
            running.write(azure(backend.port, "s3cr3t"))
            running.await_word("reloaded")
            _await_status(running, 200)


def _await_status(running: Running, status: int) -> None:
    for _ in range(200):
        if ask(running.url()).status_code == status:
            return
    raise AssertionError(f"never answered with {status}")


def test_stubs_need_no_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    with entra(desk, tenant="t", client="c", secret="s3cr3t") as service:
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", f"http://127.0.0.1:{service.port}")
        with run_manifests(azure(1, "s3cr3t"), stubs="all") as running:
            assert ask(running.url()).status_code == 200
        assert service.seen == []


def test_bedrock_is_signed_with_the_keys_of_a_role(provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "clientSecret: {name: cloud}"
    oidc = f"{{provider: {{issuer: {provider.issuer!r}}}, clientID: {provider.client_id}, {secret}}}"
    exchange = f"oidcExchangeToken: {{awsRoleArn: {ROLE!r}, oidc: {oidc}}}"
    policy = f"type: AWSCredentials\n          awsCredentials: {{region: eu-west-1, {exchange}}}"
    answer = 200, {"content-type": "application/json"}, json.dumps(BEDROCK).encode()
    with moto_server() as sts, Upstream("bedrock", lambda _: answer) as backend:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts)
        text = manifests("name: AWSBedrock", backend.port, policy, **{"client-secret": provider.client_secret})
        with run_manifests(text, stubs="none") as running:
            _await_status(running, 200)
            assert not {"error", "warning"} & {str(one.severity) for one in running.findings}
            assert running.session.folder is not None
            [file] = running.session.folder.credentials.iterdir()
            keys = file.read_text()
        headers = backend.seen[-1]["headers"]
        found = re.match(
            r"AWS4-HMAC-SHA256 Credential=(ASIA\w+)/\d{8}/eu-west-1/bedrock/aws4_request, ", headers["authorization"]
        )
        assert found, headers["authorization"][:60]
        # How a signature is made is checked where no provider of tokens is needed.
        assert f"aws_access_key_id = {found[1]}\n" in keys
        assert f"aws_session_token = {headers['x-amz-security-token']}\n" in keys
