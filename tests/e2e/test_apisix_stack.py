"""A stack file served as it is: what its links promise, by real requests through the real Envoy."""

import asyncio
import socket
import ssl
import time
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path

import httpx2
import openai
import pytest
from cryptography import x509
from program import program, run_anygate
from running import DEADLINE, find_offset, run_manifests, served_by
from websockets.asyncio.client import connect

HTTP, HTTPS, STREAM = 9080, 9443, 5000
STACK = """
domain: lab.test
namespace: apps
apisix:
  gateways:
  - {name: shop, subdomain: shop, api_key: {env: SHOP_KEY}}
components:
- {name: api, type: fastapi}
- {name: grafana, type: grafana}
- {name: orders, type: external_source_code}
- name: myapp
  type: image_base
  ports: |
    http:8000:TCP
    grpc:9090:TCP
    agent:5000:TCP:stream
links:
- {link: apisix-fastapi, subdomain: api, rate_limiting: 2/1h, max_body_size: 1k, ip_whitelist: 127.0.0.1}
- {link: apisix-grafana, subdomain: dash, websocket: true}
- {link: apisix-image_base, subdomain: myapp, route_all: true}
- {link: gateway-external_source_code, to: orders}
"""
OTHER_LINK = "- {link: apisix-grafana, subdomain: dash, websocket: true}\n"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", "a-key-of-the-environment")


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    path = tmp_path / "stack.yaml"
    path.write_text(STACK)
    return path


def shown_name(address: tuple[str, int], name: str) -> str:
    """The name in the certificate that a client gets who asks for a server name."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(address, timeout=DEADLINE) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        found = x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"")
    return found.subject.rfc4514_string()


def test_one_command_from_a_stack_to_traffic(stack: Path) -> None:
    offset = find_offset([HTTP, HTTPS, STREAM])
    with program("run", "--stub", f"--port-offset={offset}", stack) as running:
        running.out.await_line("ready")
        base = f"http://127.0.0.1:{HTTP + offset}"

        def ask(host: str, **more: str) -> httpx2.Response:
            return httpx2.get(f"{base}/x", headers={"host": f"{host}.lab.test", **more}, timeout=DEADLINE)

        assert [served_by(ask(host)) for host in ("dash", "myapp", "grpc-myapp")] == [
            "grafana.apps",
            "myapp.apps",
            "myapp.apps",
        ]
        large = httpx2.post(f"{base}/", headers={"host": "api.lab.test"}, content=b"a" * 2000, timeout=DEADLINE)
        assert large.status_code == 413
        counted = [ask("api") for _ in range(3)]
        assert [one.status_code for one in counted] == [200, 200, 429]
        assert [one.headers["x-ratelimit-remaining"] for one in counted] == ["1", "0", "0"]
        assert ask("shop").status_code == 401
        assert served_by(ask("shop", apikey="a-key-of-the-environment")) == "orders.apps"
        assert shown_name(("127.0.0.1", HTTPS + offset), "dash.lab.test") == "CN=localhost"
        with pytest.raises(OSError):
            shown_name(("127.0.0.1", HTTPS + offset), "dash.other.test")
        with socket.create_connection(("127.0.0.1", STREAM + offset), timeout=DEADLINE) as client:
            client.sendall(b"agent\n")
            assert b"agent" in client.recv(100)
    assert "a-key-of-the-environment" not in "".join((*running.out.seen, *running.err.seen))


def test_a_websocket_of_a_link(stack: Path) -> None:
    with run_manifests(path=stack, ports=(HTTP, HTTPS, STREAM)) as running:

        async def talk(host: str) -> str | bytes:
            address, port = running.address(HTTP)
            async with connect(f"ws://{host}/", host=address, port=port, proxy=None) as channel:
                await channel.send("hello")
                async with asyncio.timeout(DEADLINE):
                    first = await channel.recv()
                    return first if "hello" in str(first) else await channel.recv()

        assert asyncio.run(talk("dash.lab.test")) == "hello"
        with pytest.raises(Exception, match="403"):
            asyncio.run(talk("myapp.lab.test"))


def test_changes_of_a_stack_are_followed(stack: Path) -> None:
    with run_manifests(path=stack, ports=(HTTP, HTTPS, STREAM)) as running:

        def ask(host: str) -> str:
            return served_by(httpx2.get(running.url(HTTP), headers={"host": f"{host}.lab.test"}, timeout=DEADLINE))

        running.write(STACK.replace("subdomain: dash", "subdomain: charts"))
        running.await_word("reloaded")
        assert (ask("charts"), ask("dash")) == ("grafana.apps", "404")
        running.write(STACK.replace("subdomain: dash", "subdomain: no_name"))
        running.await_word("not reloaded")
        assert "stack-subdomain" in running.rules()
        assert ask("charts") == "grafana.apps"
        running.write(STACK.replace(OTHER_LINK, ""))
        running.await_word("reloaded")
        assert (ask("charts"), ask("myapp")) == ("404", "myapp.apps")


def test_without_stubs_there_is_no_certificate_and_no_listener_for_tls(stack: Path) -> None:
    with run_manifests(path=stack, ports=(HTTP, HTTPS, STREAM), stubs="none") as running:
        assert "apisix-no-certificate" in running.rules()
        with pytest.raises(OSError):
            shown_name(running.address(HTTPS), "dash.lab.test")
        answer = httpx2.get(running.url(HTTP), headers={"host": "nobody.test"}, timeout=DEADLINE)
        assert answer.status_code == 404


def test_a_certificate_that_is_there_is_shown(stack: Path) -> None:
    made = run_anygate("new", "certificate", "wildcard-tls-secret", "--hostname", "*.lab.test")
    assert made.returncode == 0, made.stderr
    secret = made.stdout.replace("name: wildcard-tls-secret", "name: wildcard-tls-secret\n  namespace: cert-manager")
    (stack.parent / "secret.yaml").write_text(secret)
    with run_manifests(path=stack.parent, ports=(HTTP, HTTPS, STREAM)) as running:
        assert shown_name(running.address(HTTPS), "dash.lab.test") == "CN=*.lab.test"


@pytest.mark.filterwarnings("ignore:authlib.jose module", "ignore:get_jwt_config")
def test_a_login_of_a_link(tmp_path: Path) -> None:
    import oidc_provider_mock

    with oidc_provider_mock.run_server_in_thread() as idp:
        issuer = f"http://localhost:{idp.server_port}"
        (tmp_path / "stack.yaml").write_text(
            f"""
domain: lab.test
apisix: {{oidc: {{discovery: "{issuer}/.well-known/openid-configuration"}}}}
components: [{{name: flow, type: flowise}}]
links:
- link: apisix-flowise
  subdomain: flow
  additional_domain: localhost
  apisix_oidc_enable: true
  apisix_oidc_param: {{client_id: flow}}
  apisix_oidc_secret: flow-oidc
"""
        )
        (tmp_path / "secret.yaml").write_text(
            "apiVersion: v1\nkind: Secret\nmetadata: {name: flow-oidc, namespace: ingress-apisix}\n"
            "stringData: {client_secret: any, session.secret: 16-characters-at-least}\n"
        )
        with run_manifests(path=tmp_path, ports=(HTTP, HTTPS)) as running:
            # Envoy marks its cookies Secure; browsers send those to localhost without TLS, and this jar too.
            jar = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
            url = f"http://localhost:{HTTP + running.offset}"
            with httpx2.Client(base_url=url, cookies=jar, follow_redirects=True, timeout=DEADLINE) as browser:
                form = browser.get("/board?n=1")
                landed = browser.post(str(form.url), data={"sub": "ann"})
                assert (served_by(landed), landed.json()["path"]) == ("flow", "/board?n=1")
                assert {"x-id-token", "x-userinfo"} <= landed.json()["headers"].keys()


AI = """
domain: lab.test
apisix:
  ai_gateways: [{name: llm, subdomain: llm, api_key: {env: SHOP_KEY}}]
components: [{name: qwen, type: vllm, namespace: models}]
links:
- link: ai_gateway-vllm
  deny_patterns: (?i)password
  prompt_decorator: [{role: system, content: Be brief.}]
  ai_rate_limit: {limit: 20, time_window: 3600}
"""


def test_models_behind_an_ai_gateway(tmp_path: Path) -> None:
    path = tmp_path / "stack.yaml"
    path.write_text(AI)
    with run_manifests(path=path, ports=(HTTP, HTTPS)) as running:
        headers = {"host": "llm.lab.test", "apikey": "a-key-of-the-environment"}
        url = f"{running.url(HTTP)}/v1"
        with openai.OpenAI(base_url=url, api_key="none", default_headers=headers, max_retries=0) as client:

            def ask(text: str) -> str:
                said = client.chat.completions.create(model="qwen", messages=[{"role": "user", "content": text}])
                return said.choices[0].message.content or ""

            with pytest.raises(openai.BadRequestError, match="prohibited content"):
                ask("my Password")
            assert ask("hello to all of you out there, and to the rest") == (
                "You said: hello to all of you out there, and to the rest"
            )
            sent = running.await_request(lambda record: record.backend == "qwen-router-service.models")
            assert b"Be brief." in sent.body

            def ask_on() -> None:
                end = time.monotonic() + DEADLINE
                while time.monotonic() < end:
                    ask("again")

            # The tokens of an answer are counted a moment after it.
            with pytest.raises(openai.RateLimitError):
                ask_on()
        answer = httpx2.get(f"{url}/models", headers={"host": "llm.lab.test"}, timeout=DEADLINE)
        assert answer.status_code == 401
