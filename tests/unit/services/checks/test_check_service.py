"""The service that Envoy asks: which order counts, and how what checks say reaches Envoy."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import grpc
import pytest

from anygate.envoy.api import build, message
from anygate.envoy.check_orders import ORDER_KEY, order_file_name, write_order
from anygate.model.checks import Check, CsrfCheck, HmacCheck, LdapCheck
from anygate.model.origin import Origin
from anygate.services.checks.service import CheckService
from anygate.services.server import ServiceServer

DEADLINE = 20.0
CALL = "/envoy.service.auth.v3.Authorization/Check"
HERE = Origin("ApisixRoute", "default", "web", line=7)
SECRETS = {"keys": json.dumps({"ann-id": ["ann", "key-of-ann"]}).encode(), "form": b"key-of-forms"}
FORM = CsrfCheck(origin=HERE, secret="form", name="x-token", lifetime=timedelta(hours=1))
SIGNED = HmacCheck(origin=HERE, secret="keys", header="x-user", anonymous="bob", hide_credentials=True)


@contextmanager
def service(folder: Path) -> Iterator[grpc.Channel]:
    path = folder / "services.sock"
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    server = ServiceServer([CheckService(folder)])
    try:
        asyncio.run_coroutine_threadsafe(server.start(path), loop).result(DEADLINE)
        with grpc.insecure_channel(f"unix:{path}") as channel:
            yield channel
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(DEADLINE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[grpc.Channel]:
    with service(tmp_path) as found:
        yield found


def store(folder: Path, *checks: Check) -> str:
    order = write_order(checks, lambda name, _: SECRETS[name])
    name = order_file_name(order)
    (folder / name).write_bytes(order)
    return name


def ask(channel: grpc.Channel, order: str, method: str = "GET", **headers: str) -> Any:
    answer = send(channel, order, method, **headers).result(DEADLINE)
    return message("envoy.service.auth.v3.CheckResponse").FromString(answer)


def send(channel: grpc.Channel, order: str, method: str = "GET", **headers: str) -> grpc.Future:
    request = build(
        "envoy.service.auth.v3.CheckRequest",
        attributes={
            "context_extensions": {ORDER_KEY: order},
            "request": {
                "http": {
                    "method": method,
                    "path": "/",
                    "header_map": {
                        "headers": [{"key": name, "raw_value": value.encode()} for name, value in headers.items()]
                    },
                }
            },
        },
    )
    return channel.unary_unary(CALL).future(request.SerializeToString(), timeout=DEADLINE)


def test_what_checks_say_is_told_to_envoy(channel: grpc.Channel, tmp_path: Path) -> None:
    answer = ask(channel, store(tmp_path, FORM, SIGNED))
    assert answer.status.code == 0
    passed = answer.ok_response
    assert [(one.header.key, one.header.value) for one in passed.headers] == [("x-user", "bob")]
    assert list(passed.headers_to_remove) == ["authorization"]
    (cookie,) = passed.response_headers_to_add
    assert cookie.header.key == "set-cookie"


def test_the_first_refusal_ends_it(channel: grpc.Channel, tmp_path: Path) -> None:
    answer = ask(channel, store(tmp_path, FORM, SIGNED), "POST")
    assert answer.status.code != 0
    denied = answer.denied_response
    assert (denied.status.code, denied.body) == (401, '{"error_msg":"no csrf token in headers"}\n')
    assert {one.header.key for one in denied.headers} == {"set-cookie", "content-type"}
    assert answer.ok_response.headers_to_remove == []


@pytest.mark.parametrize("name", ["", "0" * 64 + ".order", "../secret", "secret", "../../etc/passwd"])
def test_without_an_order_nothing_passes(channel: grpc.Channel, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_bytes(write_order((), lambda *_: b""))
    with pytest.raises(grpc.RpcError) as caught:
        ask(channel, name)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION


def test_a_directory_that_does_not_answer_keeps_nobody_else_waiting(channel: grpc.Channel, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        slow = LdapCheck(
            origin=HERE,
            host="127.0.0.1",
            port=silent.getsockname()[1],
            base_dn="dc=test",
            attribute="cn",
            users=(("cn=ann,dc=test", "ann"),),
            header="x-user",
        )
        waiting = send(channel, store(tmp_path, slow), authorization="Basic YW5uOmE=")
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(100)
            assert ask(channel, store(tmp_path, FORM)).status.code == 0
            assert not waiting.done()
    answer = message("envoy.service.auth.v3.CheckResponse").FromString(waiting.result(DEADLINE))
    assert answer.denied_response.status.code == 401


def test_an_order_that_cannot_be_read_lets_nothing_pass(channel: grpc.Channel, tmp_path: Path) -> None:
    name = "1" * 64 + ".order"
    (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(grpc.RpcError):
        ask(channel, name)


def test_the_same_checks_elsewhere_are_the_same_order(tmp_path: Path) -> None:
    moved = CsrfCheck(origin=Origin("", "", ""), secret="form", name="x-token", lifetime=timedelta(hours=1))
    assert store(tmp_path, FORM) == store(tmp_path, moved)
    assert store(tmp_path, FORM) != store(tmp_path, FORM, SIGNED)
