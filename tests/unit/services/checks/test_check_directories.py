"""User names and passwords, as a real directory takes them."""

import asyncio
import socket
import ssl
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Any

import pytest
import trustme

from anygate.model.checks import LdapCheck
from anygate.model.origin import Origin
from anygate.services.checks.asked import Asked
from anygate.services.checks.directory import DirectoryCheck
from anygate.services.checks.ldap import LdapError, bind, escape_value
from anygate.services.checks.verdict import Verdict
from anygate.services.complaints import Complaints

sys.path.append(str(Path(__file__).parents[3] / "e2e"))
from ldap_directory import BASE_DN, Directory, directory

USER = "x-consumer-username"
NOBODY = (401, '{"message":"Invalid user authorization"}\n')


@pytest.fixture(scope="module")
def server() -> Iterator[Directory]:
    with directory(ann="a:secret of ann", bob="b", smith_j="c", stranger="d") as found:
        yield found


def ask(port: int, authorization: str | None, **settings: Any) -> Verdict:
    users = ("ann", "bob", "smith\\,j")
    made = LdapCheck(
        origin=Origin("", "", ""),
        host=settings.pop("host", "127.0.0.1"),
        port=port,
        base_dn=BASE_DN,
        attribute="cn",
        users=tuple((f"cn={user},{BASE_DN}", f"id-{user[:3]}") for user in users),
        header=USER,
        **{"challenge": 'Basic realm="ldap"', **settings},
    )
    headers = {} if authorization is None else {"authorization": authorization}
    verdict = Verdict()
    asyncio.run(DirectoryCheck(made, Complaints()).ask(Asked("GET", "/", headers), verdict))
    return verdict


def basic(text: str) -> str:
    return "Basic " + b64encode(text.encode()).decode()


def answer(verdict: Verdict) -> tuple[int, str]:
    assert verdict.refused
    assert verdict.headers == {}
    assert ("www-authenticate", 'Basic realm="ldap"') in verdict.answer
    return verdict.refused.status, verdict.refused.body


@pytest.mark.parametrize(
    ("credential", "name"), [("ann:a:secret of ann", "id-ann"), ("bob:b", "id-bob"), ("smith,j:c", "id-smi")]
)
def test_whom_the_directory_takes_is_somebody(server: Directory, credential: str, name: str) -> None:
    verdict = ask(server.port, basic(credential))
    assert (verdict.refused, verdict.headers) == (None, {USER: name})


@pytest.mark.parametrize(
    "credential",
    [
        "ann:wrong",
        "ann:b",
        "ann:",
        ":",
        ":b",
        "nobody:b",
        "stranger:d",
        # Names that would lead elsewhere if they were not escaped.
        f"bob,{BASE_DN}+cn=ann:b",
        "bob\x00:b",
        "*:b",
        " bob:b",
    ],
)
def test_whom_it_does_not_take_is_nobody(server: Directory, credential: str) -> None:
    assert answer(ask(server.port, basic(credential))) == NOBODY


@pytest.mark.parametrize(
    ("authorization", "told"),
    [
        (None, "Missing authorization in request"),
        ("Bearer abc", "Invalid authorization in request"),
        ("Basic !", "Invalid authorization in request"),
        (basic("no colon"), "Invalid authorization in request"),
    ],
)
def test_what_is_no_credential_is_refused(server: Directory, authorization: str | None, told: str) -> None:
    assert answer(ask(server.port, authorization)) == (401, f'{{"message":"{told}"}}\n')


def test_the_directory_itself_takes_an_empty_password(server: Directory) -> None:
    """Which is why it is never asked about one."""
    name = f"cn=ann,{BASE_DN}".encode()
    inner = b"\x02\x01\x03\x04" + bytes([len(name)]) + name + b"\x80\x00"
    request = b"\x02\x01\x01\x60" + bytes([len(inner)]) + inner
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"\x30" + bytes([len(request)]) + request)
        assert connection.recv(100)[:10] == b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00"
    assert not asyncio.run(bind(("127.0.0.1", server.port), name.decode(), ""))


def test_certificates_count_where_they_are_to_be_verified(
    server: Directory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert ask(server.tls_port, basic("bob:b"), tls=True).headers == {USER: "id-bob"}
    assert answer(ask(server.tls_port, basic("bob:b"), tls=True, verify=True)) == NOBODY
    assert "cannot be asked: " in capfd.readouterr().err
    bundle = tmp_path / "authority.pem"
    bundle.write_bytes(server.authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    assert ask(server.tls_port, basic("bob:b"), tls=True, verify=True).headers == {USER: "id-bob"}
    # Wherever it is reached, its certificate has to be for the name that people know it by.
    moved = {"tls": True, "verify": True, "reached": ("127.0.0.1", server.tls_port)}
    assert ask(636, basic("bob:b"), **moved, host="localhost").headers == {USER: "id-bob"}
    assert answer(ask(636, basic("bob:b"), **moved, host="ldap.test")) == NOBODY


def test_a_directory_that_is_not_there_lets_nobody_in(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert answer(ask(port, basic("bob:b"))) == NOBODY
    told = capfd.readouterr().err
    assert told.startswith(f"warning: the directory 127.0.0.1:{port} cannot be asked: ")
    assert "bob" not in told


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\x05\x02\x01\x01\x61\x7f",
        b"\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\x00\x04\x00\x04\x00",
        b"\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00",
        b"\x30\x03\x02\x01\x01",
    ],
)
def test_what_does_not_speak_ldap_lets_nobody_in(reply: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(reply)

        thread = Thread(target=serve)
        thread.start()
        with pytest.raises(LdapError):
            asyncio.run(bind(listening.getsockname(), "cn=a", "b"))
        thread.join()


def test_a_directory_that_does_not_hang_up_keeps_nobody_waiting() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    taken = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"
    is_over = Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with context.wrap_socket(listening.accept()[0], server_side=True) as connection:
                connection.recv(1000)
                connection.sendall(taken)
                is_over.wait(60)

        thread = Thread(target=serve)
        thread.start()
        begun = monotonic()
        verdict = ask(listening.getsockname()[1], basic("bob:b"), tls=True)
        assert (verdict.headers, verdict.refused) == ({USER: "id-bob"}, None)
        assert monotonic() - begun < 5
        is_over.set()
        thread.join()


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("ann", "ann"),
        ('a"+,;<>\\=b', 'a\\"\\+\\,\\;\\<\\>\\\\\\=b'),
        (" #a# ", "\\ #a#\\ "),
        ("#", "\\#"),
        (" ", "\\ "),
        ("a\x00\n", "a\\00\\0a"),
    ],
)
def test_a_value_stays_one_in_a_name(text: str, escaped: str) -> None:
    assert escape_value(text) == escaped
