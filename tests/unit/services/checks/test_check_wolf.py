"""Tokens of wolf: what the server is asked, and what becomes of its answers."""

import asyncio
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest

from anygate.model.checks import WolfApplication, WolfCheck
from anygate.model.origin import Origin
from anygate.services.checks.asked import Asked
from anygate.services.checks.verdict import Verdict
from anygate.services.checks.wolf import WolfClients, WolfServerCheck
from anygate.services.complaints import Complaints

sys.path.append(str(Path(__file__).parents[3] / "e2e"))
from wolf_server import wolf

USER = "x-consumer-username"
ANN = {"id": 7, "username": "ann", "nickname": "Änn"}


def ask(url: str, headers: dict[str, str], target: str = "/a%20b/c?d=e", reached: int = 0) -> Verdict:
    place = ("127.0.0.1", reached) if reached else None
    application = WolfApplication(id="shop", caller="default_shop", server=url, header_prefix="X-", reached=place)
    settings = WolfCheck(origin=Origin("", "", ""), applications=(application,), header=USER)
    verdict = Verdict()

    async def run() -> None:
        clients = WolfClients()
        try:
            check = WolfServerCheck(settings, clients, Complaints())
            await check.ask(Asked("PUT", target, headers, address="10.0.0.9"), verdict)
        finally:
            await clients.close()

    asyncio.run(run())
    return verdict


TOKEN = {"x-rbac-token": "V1#shop#tok#en"}


def test_who_may_do_this_is_told_to_the_backend() -> None:
    with wolf((200, {"ok": True, "data": {"userInfo": ANN}})) as server:
        verdict = ask(server.url, TOKEN)
    told = {"x-userid": "7", "x-username": "ann", "x-nickname": "%C3%84nn"}
    assert (verdict.refused, verdict.headers) == (None, {USER: "default_shop", **told})
    assert dict(verdict.answer) == told
    question = {"appID": ["shop"], "resName": ["/a b/c"], "action": ["PUT"], "clientIP": ["10.0.0.9"]}
    assert server.asked == [("/wolf/rbac/access_check", question, "tok#en")]


def test_what_the_server_has_a_caller_keep_is_not_shown_for_another() -> None:
    application = WolfApplication(id="shop", caller="default_shop", server="")
    seen: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("cookie", ""))
            self.send_response(200)
            self.send_header("set-cookie", "x-rbac-token=of-another; Path=/")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    async def run(url: str) -> None:
        clients = WolfClients()
        for _ in range(2):
            await clients.get(msgspec.structs.replace(application, server=url), "/", {})
        await clients.close()

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        asyncio.run(run(f"http://127.0.0.1:{server.server_port}"))
        server.shutdown()
        thread.join()
    assert seen == ["", ""]


def test_names_are_written_so_that_a_header_can_hold_them() -> None:
    with wolf((200, {"data": {"userInfo": {"id": "a\r\nb: c", "username": "ann@example.com"}}})) as server:
        headers = ask(server.url, TOKEN).headers
    assert headers["x-userid"] == "a%0D%0Ab%3A%20c"
    assert (headers["x-username"], headers["x-nickname"]) == ("ann@example.com", "ann%40example.com")


def test_a_server_may_be_reached_elsewhere() -> None:
    with wolf((200, {})) as server:
        port = int(server.url.rpartition(":")[2])
        assert ask("http://wolf.test/inner", TOKEN, reached=port).refused is None
    assert (server.asked[0][0], server.hosts) == ("/inner/wolf/rbac/access_check", ["wolf.test"])


def test_what_clients_say_of_themselves_is_taken_off() -> None:
    with wolf((200, {"ok": True})) as server:
        verdict = ask(server.url, TOKEN)
    assert verdict.headers == {USER: "default_shop"}
    assert verdict.removed == {"x-userid", "x-username", "x-nickname"}


@pytest.mark.parametrize(
    ("headers", "target"),
    [
        ({}, "/?rbac_token=V1%23shop%23token"),
        ({"authorization": "V1#shop#token"}, "/"),
        ({"x-rbac-token": "V1#shop#token"}, "/"),
        ({"cookie": "a=b; x-rbac-token=V1#shop#token"}, "/"),
    ],
)
def test_a_token_may_stand_in_four_places(headers: dict[str, str], target: str) -> None:
    with wolf((200, {})) as server:
        assert ask(server.url, headers, target).refused is None
    assert server.asked[0][2] == "token"


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, "Missing rbac token in request"),
        ({"x-rbac-token": "V2#shop#token"}, "invalid rbac token: parse failed"),
        ({"x-rbac-token": "V1#shop"}, "invalid rbac token: parse failed"),
        ({"x-rbac-token": "V1#other#token"}, "Invalid appid in rbac token"),
    ],
)
def test_wolf_is_not_asked_about_other_tokens(headers: dict[str, str], told: str) -> None:
    refused = ask("http://127.0.0.1:1", headers).refused
    assert refused
    assert (refused.status, refused.words) == (401, {"message": told})


def test_what_wolf_refuses_is_refused_in_its_words() -> None:
    with wolf((401, {"ok": False, "reason": "no permission to access", "data": {"userInfo": ANN}})) as server:
        refused = ask(server.url, TOKEN).refused
    assert refused
    assert (refused.status, refused.words["message"]) == (401, "no permission to access")
    assert (refused.words["username"], refused.words["nickname"]) == ("ann", "Änn")


def test_a_server_that_fails_is_asked_three_times(capfd: pytest.CaptureFixture[str]) -> None:
    with wolf((500, b""), (502, b""), (200, {"ok": True})) as server:
        assert ask(server.url, TOKEN).refused is None
    assert len(server.asked) == 3
    with wolf((503, b"")) as server:
        refused = ask(server.url, TOKEN).refused
    assert refused
    assert (refused.status, refused.words) == (500, {"message": "request to wolf-server failed, status:503"})
    assert len(server.asked) == 3
    assert capfd.readouterr().err == "warning: the wolf server of shop cannot be asked: status:503\n"


def test_a_server_that_is_not_there_lets_nobody_in() -> None:
    refused = ask("http://127.0.0.1:1", TOKEN).refused
    assert refused
    assert refused.status == 500


@pytest.mark.parametrize("content", [b"", b"nonsense", b"[]", b'{"data": 5}', b"\xff"])
def test_a_permission_that_cannot_be_read_is_none(content: bytes) -> None:
    with wolf((200, content)) as server:
        refused = ask(server.url, TOKEN).refused
    assert refused
    assert (refused.status, refused.words) == (
        500,
        {"message": "check permission failed! parse response json failed!"},
    )
