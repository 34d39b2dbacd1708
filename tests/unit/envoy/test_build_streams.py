"""TLS, TCP and UDP through the real Envoy."""

import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPResponse, RemoteDisconnected
from typing import Any

import pytest
import trustme
from build_models import ORIGIN, backend, listener, model, origin, route, rule, server, target
from validate import echo, free_port, running

from anygate.envoy.build import build
from anygate.envoy.placement import Placement
from anygate.manifests.sensitive import Sensitive
from anygate.model.edit import Respond
from anygate.model.listener import HttpServer
from anygate.model.route import BackendTarget, StreamRoute
from anygate.model.tls import Authorities, Certificate, ClientTls, ClientValidation, NameMatch, ServerTls

AUTHORITY = trustme.CA()
ISSUED = AUTHORITY.issue_cert("a.example.com", "*.example.com", "backend.test")
CERTIFICATE = Certificate(
    origin=ORIGIN,
    name="certificate",
    chain=Sensitive(b"".join(pem.bytes() for pem in ISSUED.cert_chain_pems)),
    key=Sensitive(ISSUED.private_key_pem.bytes()),
)
AUTHORITIES = Authorities(origin=ORIGIN, name="authorities", bundle=Sensitive(AUTHORITY.cert_pem.bytes()))
TLS = ServerTls(origin=ORIGIN, certificates=("certificate",))


def _validating(**fields: Any) -> ServerTls:
    validation = ClientValidation(origin=ORIGIN, authorities="authorities", **fields)
    return ServerTls(origin=ORIGIN, certificates=("certificate",), client_validation=validation)


def _stream(name: str, kind: str, *targets: BackendTarget, **fields: Any) -> StreamRoute:
    return StreamRoute(origin=origin(name, kind), name=f"default/{name}", kind=kind, targets=targets, **fields)


@contextmanager
def _tls_echo() -> Iterator[int]:
    """A TLS server that answers one HTTP request on each connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ISSUED.configure_cert(context)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                accepted, _ = listening.accept()
                with accepted, suppress(OSError), context.wrap_socket(accepted, server_side=True) as client:
                    client.recv(1000)
                    client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\ntls")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


@contextmanager
def _udp_echo(tag: str) -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                content, sender = bound.recvfrom(100)
                if content == b"stop":
                    return
                bound.sendto(tag.encode(), sender)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield bound.getsockname()[1]
        finally:
            bound.sendto(b"stop", bound.getsockname())
            thread.join()


def _answers(text: str) -> Any:
    return rule(Respond(origin=ORIGIN, status=200, body=text))


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    names = ("tls", "tcp", "closed", "udp", "mutual", "lenient")
    chosen = {name: free_port() for name in names}
    with ExitStack() as stack:
        one, two = stack.enter_context(echo("one")), stack.enter_context(echo("two"))
        secure = stack.enter_context(_tls_echo())
        u1, u2 = stack.enter_context(_udp_echo("u1")), stack.enter_context(_udp_echo("u2"))
        verified = ClientTls(origin=ORIGIN, sni="backend.test", authorities="authorities")
        mistaken = ClientTls(origin=ORIGIN, sni="wrong.test", authorities="authorities")
        backends = [
            backend("one", one),
            backend("two", two),
            backend("secure", secure, protocol="tcp"),
            backend("u1", u1, protocol="udp"),
            backend("u2", u2, protocol="udp"),
            backend("verified", secure, tls=verified),
            backend("mistaken", secure, tls=mistaken),
        ]
        built = build(model(_listeners(chosen), backends, [CERTIFICATE, AUTHORITIES]), Placement("127.0.0.1"))
        assert built.refused == ()
        stack.enter_context(running(built.snapshot, tmp_path_factory.mktemp("envoy")))
        yield chosen


def _listeners(ports: dict[str, int]) -> list[Any]:
    tls = listener(
        ports["tls"],
        server("exact", "https", hostname="a.example.com", tls=TLS, routes=(route("a", _answers("exact")),)),
        server(
            "wild",
            "https",
            hostname="*.example.com",
            tls=TLS,
            routes=(route("w", _answers("wild")),),
            http=HttpServer(http3=True),
        ),
        server("any", "https", tls=TLS, routes=(route("x", _answers("any")),)),
        server(
            "pass", "tls_passthrough", hostname="p.other.com", streams=(_stream("p", "TLSRoute", target("secure")),)
        ),
        server("dead", "tls_passthrough", hostname="dead.other.com"),
        server(
            "end",
            "tls_terminate",
            hostname="t.example.com",
            tls=TLS,
            streams=(_stream("t", "TLSRoute", target("one")),),
        ),
    )
    named = _validating(names=(NameMatch(kind="dns", value="client.test"),))
    lenient = _validating(required=False, accept_untrusted=True)
    return [
        tls,
        listener(
            ports["tcp"], server("tcp", "tcp", streams=(_stream("tcp", "TCPRoute", target("one"), target("two")),))
        ),
        listener(ports["closed"], server("closed", "tcp", streams=(_stream("closed", "TCPRoute", target("")),))),
        listener(
            ports["udp"],
            server("udp", "udp", streams=(_stream("udp", "UDPRoute", target("u1", 3), target("u2")),)),
            transport="udp",
        ),
        listener(ports["mutual"], server("mutual", "https", tls=named, routes=(route("m", rule("verified")),))),
        listener(ports["lenient"], server("lenient", "https", tls=lenient, routes=(route("l", rule("mistaken")),))),
    ]


def _over_tls(port: int, name: str | None, host: str, certificate: trustme.LeafCert | None = None) -> str:
    """The status and body of an answer, or `closed`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate:
        certificate.configure_cert(context)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=name) as client,
        ):
            return _exchange(client, host)
    except OSError:
        return "closed"


def _exchange(client: socket.socket, host: str) -> str:
    client.sendall(f"GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
    answer = HTTPResponse(client)
    try:
        answer.begin()
        body = answer.read().decode()  # up to its length: Envoy takes a second to close the connection
    except RemoteDisconnected:
        return "closed"
    finally:
        answer.close()
    return body.split(" ")[0] if answer.status == 200 else str(answer.status)


def _over_tcp(port: int) -> str:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            return _exchange(client, "a")
    except OSError:
        return "closed"


@pytest.mark.parametrize(
    ("name", "host", "answer"),
    [
        ("a.example.com", "a.example.com", "exact"),
        ("b.example.com", "b.example.com", "wild"),
        ("x.y.example.com", "x.y.example.com", "wild"),
        ("other.test", "other.test", "any"),
        (None, "zzz", "any"),
        ("p.other.com", "p.other.com", "tls"),
        ("dead.other.com", "dead.other.com", "closed"),
        ("t.example.com", "t.example.com", "one"),
        ("a.example.com", "b.example.com", "421"),
        ("b.example.com", "a.example.com", "421"),
        ("other.test", "a.example.com", "421"),
    ],
)
def test_the_server_name_chooses(ports: dict[str, int], name: str | None, host: str, answer: str) -> None:
    assert _over_tls(ports["tls"], name, host) == answer


def test_plain_bytes_on_a_tls_port_are_refused(ports: dict[str, int]) -> None:
    assert _over_tcp(ports["tls"]) == "closed"


def test_tcp_is_shared_out_and_refused_without_target(ports: dict[str, int]) -> None:
    assert set(Counter(_over_tcp(ports["tcp"]) for _ in range(40))) == {"one", "two"}
    assert _over_tcp(ports["closed"]) == "closed"


def test_udp_is_shared_out_by_weight(ports: dict[str, int]) -> None:
    def ask() -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.sendto(b"hello", ("127.0.0.1", ports["udp"]))
            return client.recv(100)

    found = Counter(ask() for _ in range(100))
    assert 55 < found[b"u1"] < 95
    assert found[b"u1"] + found[b"u2"] == 100


def test_client_certificates(ports: dict[str, int]) -> None:
    mutual = ports["mutual"]
    assert _over_tls(mutual, "h", "h", AUTHORITY.issue_cert("client.test")) == "tls"
    assert _over_tls(mutual, "h", "h") == "closed"
    assert _over_tls(mutual, "h", "h", AUTHORITY.issue_cert("evil.test")) == "closed"
    assert _over_tls(mutual, "h", "h", trustme.CA().issue_cert("client.test")) == "closed"


def test_a_backend_with_another_name_is_refused_whoever_asks(ports: dict[str, int]) -> None:
    assert _over_tls(ports["lenient"], "h", "h") == "503"
    assert _over_tls(ports["lenient"], "h", "h", trustme.CA().issue_cert("client.test")) == "503"
