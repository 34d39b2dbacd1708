"""Nobody passes for somebody else, or gets what was kept for somebody else whom no consumer names: of whom a login, a
service or a wolf server tells."""

import json
from itertools import count
from socket import create_server
from typing import Any

import httpx2
import pytest
from apisix_objects import route
from filter_gateway import Answer, Upstream
from running import DEADLINE, run_manifests
from test_apisix_openid import BASICS, HTTP, WELL_KNOWN, browser, provider_of, seen

pytestmark = pytest.mark.filterwarnings("ignore:authlib.jose module", "ignore:get_jwt_config")

CACHE = "{name: proxy-cache, config: {cache_strategy: memory, cache_zone: memory_cache}}"
KEYED = CACHE.replace("}}", ", cache_key: [$uri, $consumer_name]}}")


def test_users_who_log_in_share_no_answers() -> None:
    import oidc_provider_mock

    users = [oidc_provider_mock.User(sub=name) for name in ("ann", "bob")]
    with provider_of(*users) as issuer:
        config = f"client_id: web, discovery: '{issuer}{WELL_KNOWN}', set_access_token_header: false"
        quiet = f"{{name: openid-connect, secretRef: login, config: {{{config}, set_userinfo_header: false}}}}"
        text = BASICS + route("app", quiet, CACHE) + route("keyed", quiet, KEYED)
        with run_manifests(text, ports=(HTTP,)) as running:
            for path in ("/app/x", "/keyed/x"):
                told = []
                for name in ("ann", "bob"):
                    with browser(running.url(HTTP)) as client:
                        form = client.get(path)
                        answers = [client.post(str(form.url), data={"sub": name}), client.get(path)]
                        assert answers[1].headers["apisix-cache-status"] == "HIT"
                        told += [seen(answer)["x-id-token"] for answer in answers]
                assert told[0] == told[1] != told[2] == told[3], path


def test_users_whom_a_service_names_share_no_answers() -> None:
    def name(request: dict[str, Any]) -> Answer:
        return 200, {"x-user": request["headers"]["x-token"]}, b""

    with Upstream("auth", name) as auth:
        asked = "extra_headers: {X-Token: $arg_token}, upstream_headers: [X-User]"
        forward = f"{{name: forward-auth, config: {{uri: 'http://127.0.0.1:{auth.port}/', {asked}}}}}"
        with run_manifests(BASICS + route("app", forward, KEYED), ports=(HTTP,)) as running:
            answers = [
                httpx2.get(f"{running.url(HTTP)}/app/x?token={one}", timeout=DEADLINE) for one in ("ann", "bob", "ann")
            ]
    assert [seen(answer)["x-user"] for answer in answers] == ["ann", "bob", "ann"]
    assert [answer.headers["apisix-cache-status"] for answer in answers] == ["MISS", "MISS", "HIT"]


def test_users_of_one_application_of_wolf_share_no_answers() -> None:
    numbers = count()

    def allow(_: dict[str, Any]) -> Answer:
        user = {"id": next(numbers) // 2, "username": "someone"}
        return 200, {}, json.dumps({"ok": True, "data": {"userInfo": user}}).encode()

    with Upstream("wolf", allow) as wolf:
        text = BASICS + route("app", "{name: wolf-rbac, config: {}}", CACHE)
        text += f"""
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {{name: shop}}
spec: {{authParameter: {{wolfRBAC: {{value: {{server: "http://127.0.0.1:{wolf.port}", appid: shop}}}}}}}}
"""
        with run_manifests(text, ports=(HTTP,)) as running:
            headers = {"x-rbac-token": "V1#shop#token"}
            answers = [httpx2.get(f"{running.url(HTTP)}/app/x", headers=headers, timeout=DEADLINE) for _ in range(4)]
    assert [seen(answer)["x-userid"] for answer in answers] == ["0", "0", "1", "1"]
    assert [answer.headers["apisix-cache-status"] for answer in answers] == ["MISS", "HIT"] * 2


def test_nobody_names_a_user_in_place_of_a_service_that_is_down() -> None:
    with create_server(("127.0.0.1", 0)) as silent:
        place = f"uri: 'http://127.0.0.1:{silent.getsockname()[1]}/', timeout: 100"
        config = f"{place}, allow_degradation: true, upstream_headers: [X-User]"
        text = BASICS + route("app", f"{{name: forward-auth, config: {{{config}}}}}")
        with run_manifests(text, ports=(HTTP,)) as running:
            got = seen(httpx2.get(f"{running.url(HTTP)}/app/x", headers={"x-user": "admin"}, timeout=DEADLINE))
    assert "x-user" not in got


def test_a_header_that_is_set_is_never_what_the_client_says() -> None:
    headers = "{X-User: $http_x_real_user, X-Again: '$http_x_again-2'}"
    text = BASICS + route("app", f"{{name: proxy-rewrite, config: {{headers: {{set: {headers}}}}}}}")
    with run_manifests(text, ports=(HTTP,)) as running:
        sent = {"x-user": "admin", "x-again": "1"}
        got = seen(httpx2.get(f"{running.url(HTTP)}/app/x", headers=sent, timeout=DEADLINE))
    assert (got["x-user"], got["x-again"]) == ("", "1-2")
