"""Providers behind TLS: the name that is asked for, verified and written into requests is one; also through a proxy."""

import json
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from threading import Thread
from typing import Any

import httpx2
import pytest
import trustme
from filter_gateway import running
from upstream_gateway import ORIGIN, Provider, Row, backend, bootstrap, key, model_of, opaque

from anygate.envoy.build import build
from anygate.envoy.placement import Placement
from anygate.manifests.sensitive import Sensitive
from anygate.model.tls import Authorities, ClientTls

BODY = {"model": "m"}
AUTHORITY = trustme.CA()
SECRETS = [
    opaque("key-a", "Bearer secret"),
    Authorities(origin=ORIGIN, name="authorities", bundle=Sensitive(AUTHORITY.cert_pem.bytes())),
]


class Secure(Provider):
    """A provider behind TLS; `asked` are the server names that clients asked for."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.asked: list[str] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        AUTHORITY.issue_cert(name).configure_cert(context)

        def note(_: object, asked: str, __: object) -> None:
            self.asked.append(asked)

        context.sni_callback = note  # type: ignore[assignment]
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)


class Proxy:
    """An HTTP proxy that knows CONNECT; `asked` are its request lines."""

    def __init__(self, target: int) -> None:
        self.asked: list[str] = []
        self.target = target
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError), ThreadPoolExecutor() as threads:
            while True:
                client, _ = self.listening.accept()
                threads.submit(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with closing(client), socket.create_connection(("127.0.0.1", self.target)) as upstream:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            self.asked.append(head.split(b"\r\n")[0].decode())
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = Thread(target=_copy, args=(upstream, client), daemon=True)
            back.start()
            _copy(client, upstream)
            back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65_536):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def serving(name: str = "localhost") -> Iterator[Secure]:
    made = Secure(name)
    try:
        yield made
    finally:
        made.close()


def tls(**fields: Any) -> ClientTls:
    return ClientTls(origin=ORIGIN, authorities="authorities", **fields)


@contextmanager
def client_of(made: Any) -> Iterator[httpx2.Client]:
    config = bootstrap(model_of([made], SECRETS), [Row(["a"])], Placement())  # type: ignore[arg-type]
    with running(config) as envoy, httpx2.Client(base_url=envoy.url, timeout=20) as client:
        yield client


@pytest.mark.parametrize("protocol", ["http1", "auto"])
@pytest.mark.parametrize("fields", [{"auto_sni": True}, {"sni": "localhost"}])
def test_one_name_is_asked_for_verified_and_written(protocol: str, fields: dict[str, Any]) -> None:
    with serving() as one:
        made = backend(
            "a", one.port, host="localhost", hostname="", tls=tls(**fields), protocol=protocol, credential=key("a")
        )
        with client_of(made) as client:
            assert client.post("/v1/chat/completions", json=BODY).status_code == 200
    assert one.asked == ["localhost"]
    assert one.seen[0].headers["host"] == "localhost"
    assert json.loads(one.seen[0].body) == BODY


def test_another_name_gets_no_request() -> None:
    with serving("other.example") as one:
        made = backend("a", one.port, host="localhost", hostname="", tls=tls(auto_sni=True), credential=key("a"))
        with client_of(made) as client:
            assert client.post("/v1/chat/completions", json=BODY).status_code == 503
    assert one.seen == []


@pytest.mark.parametrize("host", ["127.0.0.9", "provider.example"])
def test_a_provider_is_reached_through_a_proxy_that_knows_where_it_is(host: str) -> None:
    with serving("provider.example") as one:
        proxy = Proxy(one.port)
        made = backend(
            "a",
            443,
            host=host,
            hostname="" if host == "provider.example" else "provider.example",
            tls=tls(auto_sni=True),
            credential=key("a"),
            forward_proxy=f"127.0.0.1:{proxy.port}",
        )
        with closing(proxy.listening), client_of(made) as client:
            assert client.post("/v1/chat/completions", json=BODY).status_code == 200
    assert one.asked == ["provider.example"]
    assert one.seen[0].headers["host"] == "provider.example"
    assert proxy.asked == ["CONNECT provider.example:443 HTTP/1.1"]


@pytest.mark.parametrize("proxy", ["proxy.example:3128", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:x"])
def test_a_proxy_without_an_address_is_refused(proxy: str) -> None:
    made = backend("a", 443, tls=ClientTls(origin=ORIGIN, insecure=True), forward_proxy=proxy)
    [refusal] = build(model_of([made])).refused
    assert "forward proxy" in refusal.text
