"""What the adapter is sent, by its Unix sockets."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from upstream_gateway import Provider, Row, backend, gateway, key, opaque, providers

from anygate.envoy.names import adapter_cluster_name
from anygate.envoy.placement import Placement
from anygate.model.edit import HeaderEdit
from anygate.model.inference import BodyEdit, CredentialOverride
from anygate.providers.order import ENDPOINT_HEADER, PROVIDER_HEADER, read_order

BODY = b'{"model": "m", "big": 9223372036854775807}'
SECRETS = [opaque("key-a", "Bearer secret-a"), opaque("key-b", "Bearer secret-b")]
CLIENT = {"authorization": "Bearer client", "x_api_key": "client", "cookie": "client", "x_anygate_egress": "client"}


class _UnixServer(ThreadingHTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "adapter", 0

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, _ = self.socket.accept()
        return connection, ("adapter", 0)


@contextmanager
def adapter(path: Path, status: int = 200) -> Iterator[Provider]:
    made = Provider(status, lambda handler: _UnixServer(str(path), handler))  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def sockets(tmp_path: Path) -> tuple[str, ...]:
    return tuple(str(tmp_path / f"{number}.sock") for number in range(2))


def test_the_adapter_gets_the_clients_request_with_an_order(sockets: tuple[str, ...]) -> None:
    made = backend("a", 1, "AWSBedrock", region="us-%", model="x", body=BodyEdit(remove=("user",)), credential=key("a"))
    name = adapter_cluster_name("a")
    with (
        adapter(Path(sockets[0])) as one,
        gateway(
            [made], Row([name]), secrets=SECRETS, translated=["a"], placement=Placement(adapters=sockets)
        ) as running,
    ):
        answers = [running.post(BODY, x_mine="kept", **CLIENT).status_code for _ in range(8)]
    assert set(answers) <= {200, 503}
    for seen in one.seen:
        assert (seen.path, seen.body) == ("/v1/chat/completions", BODY)
        assert (seen.headers["content-type"], seen.headers["x-mine"]) == ("application/json", "kept")
        assert seen.headers[ENDPOINT_HEADER] == "chat false"
        order = read_order(seen.headers[PROVIDER_HEADER].encode())
        assert (order.egress, order.model, order.region, order.remove) == ("a", "x", "us-%", ("user",))
        assert "client" not in seen.headers.values()
        assert "secret" not in str(seen.headers)


def test_native_and_translated_attempts_follow_each_other(sockets: tuple[str, ...]) -> None:
    """The adapter, a native provider that rewrites the body, the adapter again, a native one that does not."""
    edit = HeaderEdit(set=(("x-secret", "secret-a"),), remove=("x-mine",))
    override = CredentialOverride(header="x-own-key")
    with providers(503, 200) as [one, two], adapter(Path(sockets[0]), 503) as between:
        made = [
            backend("a", one.port, "AzureOpenAI", version="1", headers=edit, credential=key("a")),
            backend("t", 1, "Gemini", override=override, credential=key("b", "x-goog-api-key")),
            backend("u", 1, "Cohere", credential=key("b")),
            backend("b", two.port, model="a longer name", credential=key("b"), override=override),
        ]
        row = Row([adapter_cluster_name("u"), "a", adapter_cluster_name("t"), "b"])
        placement = Placement(adapters=sockets[:1])
        with gateway(made, row, secrets=SECRETS, translated=["t", "u"], placement=placement) as running:
            assert running.post(BODY, x_mine="kept", x_own_key="own", **CLIENT).status_code == 200
    first, second = between.seen
    for seen in (first, second):
        assert seen.body == BODY
        assert (seen.headers["x-mine"], seen.headers.get("x-secret")) == ("kept", None)
        assert "secret-" not in str(seen.headers)
    assert "x-own-key" not in first.headers
    assert second.headers["x-own-key"] == "own"
    [native] = one.seen
    assert (native.path, native.body) == ("/openai/deployments/m/chat/completions?api-version=1", BODY)
    assert native.headers["content-length"] == str(len(BODY))
    assert native.headers["authorization"] == "Bearer secret-a"
    [last] = two.seen
    assert last.path == "/v1/chat/completions"
    assert last.body == BODY.replace(b'"m"', b'"a longer name"')
    assert last.headers["content-length"] == str(len(last.body))
    assert last.headers["authorization"] == "Bearer own"
    assert last.headers["x-mine"] == "kept"
    assert not [name for name in last.headers if name.startswith(("x-anygate-", "x-own", "x-secret"))]


def test_a_worker_that_is_gone_is_followed_by_the_next_target(sockets: tuple[str, ...]) -> None:
    with providers(200) as [one]:
        made = [backend("t", 1, "Gemini"), backend("b", one.port)]
        row = Row([adapter_cluster_name("t"), "b"])
        with gateway(made, row, translated=["t"], placement=Placement(adapters=sockets)) as running:
            assert running.post(BODY).status_code == 200
    assert one.seen[0].body == BODY
