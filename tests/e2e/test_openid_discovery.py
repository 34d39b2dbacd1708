"""OpenID providers known by their address alone: `run` asks them where their endpoints are, again until they answer."""

import json
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from certificates import server_context
from filter_gateway import Answer, Upstream
from running import DEADLINE, Running, gateway, join, run_manifests, services
from token_services import openid_provider
from upstreams import http_server

from anygate.runner.destinations import parse_resolution

HTTP = 9080
WELL_KNOWN = "/.well-known/openid-configuration"
LOGIN = """
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {client_secret: client-secret-value, session.secret: session-secret-value}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
"""

pytestmark = pytest.mark.filterwarnings("ignore:authlib.jose module", "ignore:get_jwt_config")


def route(name: str, plugins: str = "") -> str:
    return f"""
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {{name: {name}}}
spec:
  http:
    - name: {name}
      match: {{paths: ["/{name}/*"]}}
      backends: [{{serviceName: web, servicePort: 80}}]
      plugins: [{plugins}]
"""


def guarded(name: str, issuer: str, more: str = "") -> str:
    config = f"client_id: web, discovery: '{issuer}{WELL_KNOWN}', set_userinfo_header: false{more}"
    return route(name, f"{{name: openid-connect, secretRef: login, config: {{{config}}}}}")


def provider(port: int = 0) -> AbstractContextManager[Any]:
    import oidc_provider_mock

    return oidc_provider_mock.run_server_in_thread(port)


@contextmanager
def browser(url: str) -> Iterator[httpx2.Client]:
    # Envoy marks its cookies Secure; browsers send those to localhost without TLS, and this jar too.
    jar = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
    with httpx2.Client(base_url=url, cookies=jar, follow_redirects=True, timeout=DEADLINE) as client:
        yield client


def findings(running: Running, rule: str = "openid-not-discovered") -> list[str]:
    return [found.message for found in running.findings if found.rule == rule]


def get(url: str, **headers: str) -> httpx2.Response:
    return httpx2.get(url, headers=headers, timeout=DEADLINE)


def test_a_login_of_apisix() -> None:
    with provider() as idp:
        issuer = f"http://localhost:{idp.server_port}"
        with run_manifests(LOGIN, guarded("app", issuer), ports=(HTTP,)) as running:
            assert not {"openid-not-asked", "openid-not-discovered"} & set(running.rules())
            with browser(running.url(HTTP)) as client:
                form = client.get("/app/page")
                assert str(form.url).startswith(f"{issuer}/oauth2/authorize?")
                landed = client.post(str(form.url), data={"sub": "ann"})
                assert (landed.status_code, landed.json()["path"]) == (200, "/app/page")
                assert "x-id-token" in {name.lower() for name in landed.json()["headers"]}


def test_a_login_of_a_security_policy() -> None:
    manifests = """
    apiVersion: v1
    kind: Secret
    metadata: {{name: login}}
    stringData: {{client-secret: client-secret-value}}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {{name: shop}}
    spec:
      parentRefs: [{{name: web}}]
      rules: [{{backendRefs: [{{name: one, port: 80}}]}}]
    ---
    apiVersion: gateway.envoyproxy.io/v1alpha1
    kind: SecurityPolicy
    metadata: {{name: login}}
    spec:
      targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}}]
      oidc: {{provider: {{issuer: "{issuer}"}}, clientID: web, clientSecret: {{name: login}}}}
    """
    with provider() as idp:
        issuer = f"http://localhost:{idp.server_port}"
        with (
            run_manifests(gateway(), services("one"), manifests.format(issuer=issuer)) as running,
            browser(running.url()) as client,
        ):
            form = client.get("/page")
            asked = parse_qs(urlsplit(str(form.url)).query)
            assert asked["redirect_uri"] == [f"{running.url()}/oauth2/callback"]
            landed = client.post(str(form.url), data={"sub": "ann"})
            assert (landed.status_code, landed.json()["path"]) == (200, "/page")


def test_tokens_that_clients_bring() -> None:
    with openid_provider() as idp:
        only_tokens = guarded("api", idp.issuer, ", bearer_only: true, use_jwks: true")
        with run_manifests(LOGIN, only_tokens, ports=(HTTP,)) as running:
            user = b64encode(f"{idp.client_id}:{idp.client_secret}".encode()).decode()
            made = httpx2.post(
                f"{idp.issuer}/oauth2/token",
                data={"grant_type": "client_credentials"},
                headers={"authorization": f"Basic {user}"},
                timeout=DEADLINE,
            ).json()["access_token"]
            url = f"{running.url(HTTP)}/api/x"
            assert get(url).status_code == 401
            assert get(url, authorization=f"Bearer {made}").status_code == 200
            assert get(url, authorization=f"Bearer {made[:-8]}AAAAAAAA").status_code == 401


def test_a_provider_that_starts_later() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with run_manifests(LOGIN, guarded("app", f"http://localhost:{port}"), route("open"), ports=(HTTP,)) as running:
        url = running.url(HTTP)
        assert get(f"{url}/app/x").status_code == 503
        assert get(f"{url}/open/x").status_code == 200
        (found,) = [one for one in running.findings if one.rule == "openid-not-discovered"]
        assert found.span is not None
        assert "discovery" in found.span.file.text.splitlines()[found.span.line - 1]
        with provider(port):
            running.await_word("reloaded")
            assert get(f"{url}/app/x").status_code == 302


def test_the_host_is_resolved_by_hand_and_asked_once() -> None:
    with provider() as idp:
        port = idp.server_port
        asked: list[str] = []

        def pass_on(request: dict[str, Any]) -> Answer:
            asked.append(request["path"])
            found = httpx2.get(
                f"http://localhost:{port}{request['path']}", headers={"host": request["headers"]["host"]}
            )
            return found.status_code, {"content-type": "application/json"}, found.content

        with Upstream("sso", pass_on) as front:
            resolutions = [parse_resolution(f"sso.test=127.0.0.1:{front.port}")]
            text = join(LOGIN, guarded("app", "http://sso.test:8080"))
            with run_manifests(text, ports=(HTTP,), resolutions=resolutions, stubs="all") as running:
                url = running.url(HTTP)
                assert get(f"{url}/app/x").headers["location"].startswith("http://sso.test:8080/oauth2/authorize?")
                running.write(join(text, route("more"), guarded("other", "http://elsewhere.test")))
                running.await_word("reloaded")
                assert get(f"{url}/more/x").status_code == 200
                assert get(f"{url}/other/x").status_code == 503
                (message,) = findings(running)
                assert "--stub=all" in message
                assert asked == [WELL_KNOWN]


def test_a_keycloak() -> None:
    """Its endpoints follow from its address; what it says itself counts more, such as where browsers find it."""
    said = {"issuer": "https://front.test/realms/lab"}
    said |= {f"{name}_endpoint": f"https://front.test/realms/lab/{name}" for name in ("authorization", "token")}
    with http_server(json.dumps(said)) as port:
        running_one, absent_one = f"http://127.0.0.1:{port}/realms/lab", "http://127.0.0.1:1/realms/lab"
        routes = guarded("told", running_one), guarded("guessed", absent_one)
        with run_manifests(LOGIN, *routes, ports=(HTTP,)) as running:
            url = running.url(HTTP)
            assert get(f"{url}/told/x").headers["location"].startswith("https://front.test/realms/lab/authorization?")
            assert get(f"{url}/guessed/x").headers["location"].startswith(f"{absent_one}/protocol/openid-connect/auth?")


def test_a_certificate_of_nobody_known() -> None:
    said = {
        "issuer": "https://sso.test",
        "authorization_endpoint": "https://sso.test/login",
        "token_endpoint": "https://sso.test/token",
    }
    with http_server(json.dumps(said), server_context("localhost")) as port:
        issuer = f"https://localhost:{port}"
        lax = guarded("lax", issuer, ", ssl_verify: false")
        with run_manifests(LOGIN, guarded("strict", issuer), lax, ports=(HTTP,)) as running:
            assert get(f"{running.url(HTTP)}/strict/x").status_code == 503
            assert get(f"{running.url(HTTP)}/lax/x").headers["location"].startswith("https://sso.test/login?")
            (message,) = findings(running)
            assert "certificate verify failed" in message


def test_documents_that_say_nothing() -> None:
    with Upstream("elsewhere") as elsewhere, Upstream("sso", lambda request: answers[request["path"]]) as sso:
        good = {"issuer": "https://sso.test", "authorization_endpoint": "https://sso.test/a"}
        good["token_endpoint"] = f"http://127.0.0.1:{sso.port}/token"
        moved = f"http://127.0.0.1:{elsewhere.port}{WELL_KNOWN}"
        expected = {
            "lost": (404, {}, b"", "it answers 404"),
            "page": (200, {}, b"<html>", "its document is not a JSON object"),
            "large": (200, {}, b" " * 2_000_000, "its document is larger than 1048576 bytes"),
            "nobody": (200, {}, b"{}", "its document names no issuer"),
            "wrong": (200, {}, json.dumps({**good, "token_endpoint": "ftp://x"}).encode(), "the token_endpoint in its"),
            "moved": (302, {"location": moved}, b"", f"another server, http://127.0.0.1:{elsewhere.port}"),
            "circle": (302, {"location": f"/circle{WELL_KNOWN}"}, b"", "it redirects more than 3 times"),
            "fine": (302, {"location": "/document"}, b"", ""),
        }
        answers: dict[str, Answer] = {f"/{name}{WELL_KNOWN}": found[:3] for name, found in expected.items()}
        answers["/document"] = (200, {}, json.dumps(good).encode())
        routes = [guarded(name, f"http://127.0.0.1:{sso.port}/{name}") for name in expected]
        with run_manifests(LOGIN, *routes, ports=(HTTP,)) as running:
            for name, (*_, reason) in expected.items():
                found = [one for one in findings(running) if f"/{name}/.well-known" in one]
                assert len(found) == (1 if reason else 0)
                assert all(reason in one for one in found)
                status = get(f"{running.url(HTTP)}/{name}/x").status_code
                assert (name, status) == (name, 503 if reason else 302)
            assert not elsewhere.seen
