"""What APISIX's plugins take from Secrets, on the real Envoy: who should see it does, and no dump shows it."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterator
from time import time

import httpx2
import pytest
from running import DEADLINE, Running, run_manifests

from anygate.compiler import compile_sources
from anygate.diagnostics import SourceFile
from anygate.model.dump import render_model
from anygate.proxy.admin import Admin

PORT = 9080
HEAD = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: all}
spec:
  http:
"""
PLUGINS = {
    "rewrite": """{name: proxy-rewrite, secretRef: rewrite, config: {headers: {
        set: {X-Plain: plain, Authorization: hidden-literal, X-Api-Key: hidden-key}, remove: [X-Gone]}}}""",
    "respond": "{name: response-rewrite, secretRef: respond, config: {headers: {set: {X-Open: open}}}}",
    "fault": "{name: fault-injection, secretRef: fault, config: {abort: {http_status: 418}}}",
    "echo": "{name: echo, secretRef: echo, config: {body: said}}",
    "moved": "{name: redirect, secretRef: moved, config: {ret_code: 302}}",
}
SECRETS = {
    "rewrite": {"headers.set.X-One": "hidden-1 50%", "headers.add.X-Two": "hidden-2 $http_x_user"},
    "respond": {"headers.set.X-Word": "hidden-3"},
    "fault": {"abort.body": "hidden-4 for $http_x_user", "abort.headers.X-Fault": "hidden-5"},
    "echo": {"headers.X-Echo": "hidden-6"},
    "moved": {"uri": "/hidden-7/$http_x_user"},
}


def render(secrets: dict[str, dict[str, str]] = SECRETS) -> str:
    rules = "".join(
        f"    - name: {name}\n      match: {{paths: ['/{name}']}}\n"
        f"      backends: [{{serviceName: web, servicePort: 80}}]\n      plugins:\n        - {plugin}\n"
        for name, plugin in PLUGINS.items()
    )
    held = "".join(
        f"---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {json.dumps(values)}\n"
        for name, values in secrets.items()
    )
    return HEAD + rules + held


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with run_manifests(render(), ports=(PORT,)) as running:
        yield running


@pytest.fixture
def client(gateway: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=gateway.url(PORT), headers={"x-user": "ann", "x-gone": "a", "x-one": "b"}) as found:
        yield found


def test_backends_get_every_header_that_a_secret_has(client: httpx2.Client) -> None:
    headers = client.get("/rewrite", headers={"x-two": "sent"}).json()["headers"]
    assert headers["authorization"] == ["hidden-literal"]
    assert headers["x-api-key"] == ["hidden-key"]
    assert (headers["x-plain"], headers["x-one"]) == (["plain"], ["hidden-1 50%"])
    assert headers["x-two"] == ["sent", "hidden-2 ann"]
    assert "x-gone" not in headers


def test_clients_get_headers_and_answers_that_a_secret_has(client: httpx2.Client) -> None:
    respond, fault, echo, moved = (client.get(f"/{name}") for name in ("respond", "fault", "echo", "moved"))
    assert (respond.headers["x-open"], respond.headers["x-word"]) == ("open", "hidden-3")
    assert (fault.status_code, fault.text, fault.headers["x-fault"]) == (418, "hidden-4 for ann", "hidden-5")
    assert (echo.text, echo.headers["x-echo"]) == ("said", "hidden-6")
    assert (moved.status_code, moved.headers["location"]) == (302, "/hidden-7/ann")


def test_nothing_hidden_is_shown(gateway: Running) -> None:
    folder = gateway.session.folder
    assert folder is not None
    dump = json.dumps(asyncio.run(Admin(folder.admin_socket).config_dump()))
    assert "x-plain" in dump.lower()
    assert "hidden-" not in dump
    assert b64encode(b"hidden-").decode()[:9] not in dump
    result = compile_sources([SourceFile("in.yaml", render())])
    assert "hidden-" not in render_model(result.model)
    assert "hidden-" not in "".join(map(repr, result.diagnostics))


def test_a_new_value_reaches_backends() -> None:
    with run_manifests(render(), ports=(PORT,)) as running, httpx2.Client(base_url=running.url(PORT)) as client:
        running.write(render({**SECRETS, "rewrite": {"headers.set.X-One": "renewed"}}))
        running.await_word("reloaded")
        deadline = time() + DEADLINE
        while client.get("/rewrite").json()["headers"]["x-one"] != ["renewed"]:
            assert time() < deadline
