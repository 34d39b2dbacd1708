"""How APISIX's plugins word what they refuse, on the real Envoy: status, content type and body, byte by byte."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import httpx2
import pytest
from running import Running, run_manifests

PORT = 9080
TEXT, HTML = "text/plain; charset=utf-8", "text/html; charset=utf-8"
RULES = {
    "count": "{name: limit-count, config: {count: 1, time_window: 600, rejected_code: 429}}",
    "worded": "{name: limit-count, config: {count: 1, time_window: 600, rejected_msg: 'too/many'}}",
    "rate": "{name: limit-req, config: {rate: 0.01, burst: 0, key: remote_addr, rejected_msg: slower}}",
    "conn": "{name: limit-conn, config: {conn: 1, burst: 0, default_conn_delay: 0.1, key: remote_addr}}",
    "broken": "{name: api-breaker, config: {break_response_code: 503, unhealthy: {failures: 1}, "
    "break_response_headers: [{key: X-Open, value: 1}]}}",
    "opened": "{name: api-breaker, config: {break_response_code: 502, unhealthy: {failures: 1}, "
    "break_response_body: '{}', break_response_headers: [{key: Content-Type, value: application/json}]}}",
    "key": "{name: key-auth, config: {}}",
    "banned": "{name: ip-restriction, config: {blacklist: [127.0.0.0/8]}}",
    "nobody": "{name: consumer-restriction, config: {whitelist: [default_ann]}}",
    "small": "{name: client-control, config: {max_body_size: 3}}",
    "prompt": "{name: ai-prompt-guard, config: {deny_patterns: [secret]}}",
}
MANIFESTS = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: llm}
spec: {ports: [{port: 80}]}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: ann}
spec: {authParameter: {keyAuth: {value: {key: key-of-ann}}}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: ai}
spec:
  http:
    - name: ai
      match: {hosts: [ai.test], paths: ["/*"]}
      plugins: [{name: ai-proxy, config: {provider: openai, auth: {header: {Authorization: Bearer x}},
        timeout: 300, max_req_body_size: 200}}]
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: all}
spec:
  http:
""" + "".join(
    f"    - name: {name}\n      match: {{paths: ['/{name}']}}\n"
    f"      backends: [{{serviceName: {'llm' if name == 'prompt' else 'web'}, servicePort: 80}}]\n"
    f"      plugins: [{plugin}]\n"
    for name, plugin in RULES.items()
)
CHAT = '{"model":"m","messages":[{"role":"user","content":"CONTENT"}]}'


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with run_manifests(MANIFESTS, ports=(PORT,)) as running:
        yield running


@pytest.fixture
def client(gateway: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=gateway.url(PORT)) as found:
        yield found


def look(answer: httpx2.Response) -> tuple[int, str, str]:
    return answer.status_code, answer.headers.get("content-type", ""), answer.text


def page(title: str) -> str:
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        '<hr><center>openresty</center>\r\n<p><em>Powered by <a href="https://apisix.apache.org/">APISIX</a>.</em></p>'
        "</body>\r\n</html>\r\n"
    )


def test_a_limit_without_words_has_the_page_of_nginx(client: httpx2.Client) -> None:
    assert client.get("/count").status_code == 200
    assert look(client.get("/count")) == (429, HTML, page("429 Too Many Requests"))


def test_the_words_of_a_limit_are_json_that_is_called_text(client: httpx2.Client) -> None:
    for path, words in (("/worded", "too/many"), ("/rate", "slower")):
        assert client.get(path).status_code == 200
        assert look(client.get(path)) == (503, TEXT, f'{{"error_msg":"{words}"}}\n')


def test_too_many_at_a_time_are_refused_with_a_page(client: httpx2.Client) -> None:
    found: set[tuple[int, str, str]] = set()
    begin = monotonic()
    with ThreadPoolExecutor(1) as pool:
        while not found:
            assert monotonic() - begin < 10
            held = pool.submit(client.get, "/conn", headers={"x-stub-delay": "300ms"})
            while not held.done():
                answer = client.get("/conn")
                found |= {look(answer)} if answer.status_code != 200 else set()
            held.result()
    assert found == {(503, HTML, page("503 Service Temporarily Unavailable"))}


def test_an_open_breaker_answers_with_a_page_or_its_own_words(client: httpx2.Client) -> None:
    for path in ("/broken", "/opened"):
        assert client.get(path, headers={"x-stub-status": "500"}).status_code == 500
    plain = client.get("/broken")
    assert look(plain) == (503, HTML, page("503 Service Temporarily Unavailable"))
    assert "x-open" not in plain.headers
    assert look(client.get("/opened")) == (502, "application/json", "{}")


@pytest.mark.parametrize(
    ("path", "headers", "status", "message"),
    [
        ("/key", {}, 401, "Missing API key in request"),
        ("/key", {"apikey": "wrong"}, 401, "Invalid API key in request"),
        ("/banned", {}, 403, "Your IP address is not allowed"),
        ("/nobody", {}, 401, "The request is rejected, please check the consumer_name for this request"),
    ],
)
def test_who_may_not_call_is_told_so(
    client: httpx2.Client, path: str, headers: dict[str, str], status: int, message: str
) -> None:
    assert look(client.get(path, headers=headers)) == (status, TEXT, f'{{"message":"{message}"}}\n')


def test_a_body_that_is_too_large_has_a_page(client: httpx2.Client) -> None:
    assert look(client.post("/small", content=b"four")) == (413, HTML, page("413 Request Entity Too Large"))


def test_a_prompt_that_is_denied(client: httpx2.Client) -> None:
    answer = client.post(
        "/prompt", content=CHAT.replace("CONTENT", "a secret"), headers={"content-type": "application/json"}
    )
    assert look(answer) == (400, TEXT, '{"message":"Request contains prohibited content"}\n')


def ask(client: httpx2.Client, kind: str, text: str = CHAT, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    host = {"host": "ai.test", "content-type": kind}
    return client.post("/v1/chat/completions", content=text, headers={**host, **named})


def test_models_take_nothing_but_json(client: httpx2.Client) -> None:
    assert ask(client, "application/json; charset=utf-8").status_code == 200
    message = "unsupported content-type: text/plain, only application/json is supported"
    assert look(ask(client, "text/plain")) == (400, TEXT, message)


def test_models_take_no_more_than_that_and_no_longer(client: httpx2.Client) -> None:
    assert ask(client, "application/json", CHAT.replace("CONTENT", "a" * 300)).status_code == 413
    assert ask(client, "application/json", x_stub_delay="2s").status_code == 504


def test_what_is_no_api_of_models_is_told_so(client: httpx2.Client) -> None:
    answer = client.post("/other", content=b"{}", headers={"host": "ai.test", "content-type": "application/json"})
    assert look(answer) == (400, TEXT, "no matching AI protocol for the request")
