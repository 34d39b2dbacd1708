"""The adapter between two legs of a real Envoy: requests reach it, and what it has converted leaves through Envoy."""

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from anygate.adapter.launch import AdapterPool
from anygate.envoy.binary import executable

sys.path.append(str(Path(__file__).parents[1] / "unit" / "adapter"))

from fake_egress import BLOCK, CHAT, END, START, STREAM, FakeEgress, delta, head, message, texts

CONNECTION = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
}


def listener(name: str, address, route) -> dict[str, object]:
    config = {
        "@type": f"type.googleapis.com/{CONNECTION}",
        "stat_prefix": name,
        "http_filters": [ROUTER],
        "route_config": {"virtual_hosts": [{"name": name, "domains": ["*"], "routes": [route]}]},
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": config}]
    return {"name": name, "address": address, "filter_chains": [{"filters": filters}]}


def cluster(name: str, path: str) -> dict[str, object]:
    endpoint = {"endpoint": {"address": {"pipe": {"path": path}}}}
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {"name": name, "type": "STATIC", "load_assignment": assignment}


def write_config(folder: Path, port: int, provider: str) -> Path:
    retry = {"retry_on": "reset,connect-failure", "num_retries": 3}
    headers = [{"header": {"key": key, "value": value}} for key, value in head().items() if key.startswith("x-any")]
    main = {
        "match": {"prefix": "/"},
        "route": {"cluster": "adapter", "retry_policy": retry, "timeout": "20s"},
        "request_headers_to_add": headers,
    }
    out = {"match": {"prefix": "/"}, "route": {"cluster_header": "x-anygate-egress", "timeout": "0s"}}
    listeners = [
        listener("main", {"socket_address": {"address": "127.0.0.1", "port_value": port}}, main),
        listener("egress", {"pipe": {"path": str(folder / "egress.sock"), "mode": 0o600}}, out),
    ]
    clusters = [cluster("adapter", str(folder / "adapter-0.sock")), cluster("cluster-1", provider)]
    path = folder / "envoy.json"
    path.write_text(json.dumps({"static_resources": {"listeners": listeners, "clusters": clusters}}))
    return path


class Workers:
    """A pool in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.pool = AdapterPool()
        self._await(self.pool.start(1, folder / "egress.sock", folder))

    def close(self) -> None:
        self._await(self.pool.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _await(self, work) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)


@pytest.fixture
def provider(tmp_path):
    fake = FakeEgress(str(tmp_path / "provider.sock"))
    yield fake
    fake.close()


@pytest.fixture
def workers(tmp_path):
    running = Workers(tmp_path)
    yield running
    running.close()


@pytest.fixture
def ask(tmp_path, provider, workers):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = write_config(tmp_path, port, provider.path)
    command = [str(executable()), "--config-path", str(path), "--concurrency", "1", "--disable-hot-restart"]
    envoy = subprocess.Popen([*command, "--log-level", "info"], stderr=subprocess.PIPE)
    assert envoy.stderr is not None
    for line in envoy.stderr:
        if b"starting main dispatch loop" in line:
            break
    draining = threading.Thread(target=envoy.stderr.read)
    draining.start()
    connections = []

    def send(body) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connections.append(connection)
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
        return connection.getresponse()

    yield send
    for connection in connections:
        connection.close()
    envoy.kill()
    envoy.wait()
    draining.join()
    envoy.stderr.close()


def test_requests_pass_both_legs(ask, provider):
    provider.script = lambda asked: asked.answer(message())
    answer = ask(CHAT)
    assert (answer.status, json.loads(answer.read())["object"]) == (200, "chat.completion")
    asked = provider.asked.get(timeout=5)
    assert asked.line == "POST /v1/messages HTTP/1.1"
    provider.script = lambda asked: asked.stream(START + BLOCK, delta("one"), delta(" two"), END)
    seen = ask(STREAM).read()
    assert texts(seen) == "one two"
    assert seen.endswith(b"data: [DONE]\n\n")


def test_a_provider_that_dies_is_an_error_in_the_clients_format(ask, provider):
    provider.script = lambda asked: asked.cut()
    answer = ask(CHAT)
    assert answer.status in (502, 503)
    assert json.loads(answer.read())["error"]["message"]


def test_a_killed_worker_costs_no_request(ask, provider, workers):
    seen = []

    def script(asked):
        seen.append(asked)
        if len(seen) == 1:
            os.kill(workers.pool.pids[0], signal.SIGKILL)  # while the request is in its hands
        else:
            asked.answer(message())

    provider.script = script
    answer = ask(CHAT)
    assert (answer.status, len(seen)) == (200, 2)
    assert json.loads(answer.read())["choices"][0]["message"]["content"] == "hello"
