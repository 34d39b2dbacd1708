"""APISIX's AI plugins on the real Envoy, asked by OpenAI's own client: what it is told, and what the providers see."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from running import DEADLINE, Running, run_manifests, served_by

from anygate.cli.app import main

PORT = 9080
HEAD = """
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: ai}
spec:
  http:
"""
KEY = "auth: {header: {Authorization: Bearer sk-of-the-gateway}}"
OPENAI = f"{{name: ai-proxy, config: {{provider: openai, {KEY}, options: {{model: gpt-4o-mini, temperature: 0.5}}}}}}"
GUARD = "{name: ai-prompt-guard, config: {deny_patterns: ['(?i)password', '\\b\\d{16}\\b']}}"
ROUTES = {
    "plain": [OPENAI],
    "guarded": [OPENAI, GUARD],
    "translated": [
        "{name: ai-proxy, config: {provider: bedrock, provider_conf: {region: us-east-1}, options: {model: nova},"
        " auth: {aws: {access_key_id: AKIAEXAMPLE, secret_access_key: hidden}}}}",
        GUARD,
    ],
    "allowed": [
        OPENAI,
        "{name: ai-prompt-guard, config: {allow_patterns: [weather], match_all_roles: true,"
        " match_all_conversation_history: true}}",
    ],
    "decorated": [
        OPENAI,
        """{name: ai-prompt-decorator, config: {prepend: [{role: system, content: 'be "brief"'}],
            append: [{role: user, content: thanks}]}}""",
    ],
    "filled": [
        OPENAI,
        """{name: ai-prompt-template, config: {templates: [{name: tell, template: {model: gpt-4o,
            messages: [{role: user, content: "Tell {{who.name}} about {{what}}"}]}}]}}""",
    ],
    "limited": [
        OPENAI,
        "{name: ai-rate-limiting, config: {limit: 10, time_window: 600, rejected_code: 429, rejected_msg: enough}}",
    ],
    "streamed": [
        OPENAI,
        "{name: ai-rate-limiting, config: {limit: 5, time_window: 600, limit_strategy: completion_tokens}}",
    ],
    "several": [
        f"""{{name: ai-proxy-multi, config: {{fallback_strategy: [http_5xx, http_429], instances: [
            {{name: one, provider: openai, priority: 1, weight: 1, {KEY}, options: {{model: gpt-4o}}}},
            {{name: two, provider: deepseek, weight: 1,
              auth: {{header: {{Authorization: Bearer sk-of-two}}}}, options: {{model: deepseek-chat}}}}]}}}}"""
    ],
    "shared": [
        f"""{{name: ai-proxy-multi, config: {{instances: [
            {{name: one, provider: openai, weight: 3, {KEY}}},
            {{name: two, provider: deepseek, weight: 1, {KEY}}}]}}}}"""
    ],
    "hashed": [
        f"""{{name: ai-proxy-multi, config: {{balancer: {{algorithm: chash, hash_on: header, key: x-user}}, instances: [
            {{name: one, provider: openai, weight: 1, {KEY}}},
            {{name: two, provider: deepseek, weight: 1, {KEY}}}]}}}}"""
    ],
}
PLAIN = """
    - name: own
      match: {hosts: [own.example], paths: ["/v1/*"]}
      backends: [{serviceName: model, servicePort: 80}]
      plugins:
        - {name: ai-rate-limiting, config: {limit: 10, time_window: 600, rejected_code: 429}}
        - {name: ai-prompt-guard, config: {deny_patterns: [password]}}
    - name: claude
      match: {hosts: [claude.example], paths: ["/v1/*"]}
      upstreams: [{name: claude}]
      plugins: [{name: ai-rate-limiting, config: {limit: 1000, time_window: 600, rejected_code: 429}}]
---
apiVersion: apisix.apache.org/v2
kind: ApisixUpstream
metadata: {name: claude}
spec: {scheme: https, passHost: node, externalNodes: [{type: Domain, name: api.anthropic.com, port: 443}]}
---
apiVersion: v1
kind: Service
metadata: {name: model}
spec: {ports: [{port: 80}]}
"""


def render() -> str:
    return (
        HEAD
        + "".join(
            f"    - name: {name}\n      match: {{hosts: [{name}.example], paths: ['/v1/*', '/ask']}}\n      plugins:\n"
            + "".join(f"        - {plugin}\n" for plugin in plugins)
            for name, plugins in ROUTES.items()
        )
        + PLAIN.removeprefix("\n")
    )


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with run_manifests(render(), ports=(PORT,)) as running:
        yield running


class Client:
    """One host of the gateway, asked as an application asks it."""

    def __init__(self, gateway: Running, host: str) -> None:
        self.gateway = gateway
        self.headers = {"host": f"{host}.example"}
        while not gateway.requests.empty():
            gateway.requests.get()

    @property
    def sdk(self) -> openai.OpenAI:
        url = f"{self.gateway.url(PORT)}/v1"
        return openai.OpenAI(api_key="sk-client", base_url=url, max_retries=0, default_headers=self.headers)

    def chat(self, *texts: str, **fields: Any) -> Any:
        messages = [{"role": "user", "content": text} for text in texts or ("hello",)]
        return self.sdk.chat.completions.create(model="asked", messages=messages, **fields)  # type: ignore[arg-type]

    def post(self, body: Any, path: str = "/v1/chat/completions", **headers: str) -> httpx2.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {**self.headers, "content-type": "application/json", **headers}
        return httpx2.post(f"{self.gateway.url(PORT)}{path}", content=content, headers=sent, timeout=DEADLINE)

    def seen(self) -> tuple[dict[str, Any], dict[str, str]]:
        """The body and the headers that the provider got."""
        record = self.gateway.requests.get(timeout=DEADLINE)
        return json.loads(record.body), dict(record.headers)


def said(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def test_a_provider_gets_its_own_model_options_and_key(gateway: Running) -> None:
    client = Client(gateway, "plain")
    assert client.chat("hi").choices[0].message.content == "You said: hi"
    body, headers = client.seen()
    assert (body["model"], body["temperature"]) == ("gpt-4o-mini", 0.5)
    assert headers["authorization"] == "Bearer sk-of-the-gateway"


@pytest.mark.parametrize("path", ["/ask", "/v1/chat/completions"])
def test_a_request_need_not_name_a_model(gateway: Running, path: str) -> None:
    client = Client(gateway, "plain")
    assert client.post(said("hi"), path).json()["model"] == "gpt-4o-mini"


def test_nor_where_it_is_translated(gateway: Running) -> None:
    answer = Client(gateway, "translated").post(said("hi"))
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"] == "You said: hi"


def test_what_is_no_ai_request_is_refused(gateway: Running) -> None:
    answer = Client(gateway, "plain").post({}, "/v1/other")
    assert (answer.status_code, answer.text) == (400, "no matching AI protocol for the request")


@pytest.mark.parametrize("host", ["guarded", "translated", "own"])
@pytest.mark.parametrize(
    "body",
    [
        said("my PASSWORD, a password"),
        said("a pass\u0077ord"),
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "the password"}]}]},
        {"messages": [{"role": "user", "content": "password"}, {"role": "assistant", "content": "yes"}]},
        {"messages": [{"content": "password"}]},
        b'{"mess\\u0061ges":[{"r\\u006fle":"us\\u0065r","content":"p\\u0061ssword"}]}',
        b'{"messages":[{"role":"system","role":"user","content":"password"}]}',
    ],
)
def test_a_denied_prompt_never_reaches_a_provider(gateway: Running, host: str, body: Any) -> None:
    client = Client(gateway, host)
    answer = client.post(body)
    assert (answer.status_code, answer.json()) == (400, {"message": "Request contains prohibited content"})
    assert gateway.requests.empty()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"messages":[{"role":"user","content":"a"}],"messages":[{"role":"user","content":"b"}]}',
        b'{"messages":[{"role":"user","content":"a"}]} x',
        b'{"messages":[{"role":"user","content":' + b"[" * 40 + b"]" * 40 + b"}]}",
    ],
)
def test_a_prompt_that_cannot_be_read_is_refused(gateway: Running, body: bytes) -> None:
    for host in ("own", "guarded"):
        client = Client(gateway, host)
        assert client.post(body).status_code == 400
        assert gateway.requests.empty()


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":[{"role":"user","content":"\\u0000 \xff password"}]}',
        b'{"messages":[{"role":"user","content":"\\ud800 password"}]}',
    ],
)
def test_what_is_no_text_hides_nothing_beside_it(gateway: Running, body: bytes) -> None:
    client = Client(gateway, "own")
    assert client.post(body).json() == {"message": "Request contains prohibited content"}
    assert gateway.requests.empty()


def test_other_prompts_than_those_of_chats_are_read_too(gateway: Running) -> None:
    client = Client(gateway, "own")
    for body in ({"prompt": "password"}, {"input": ["a", "password"]}, {"input": [{"content": "password"}]}):
        assert client.post(body).status_code == 400
    assert client.post({"prompt": "a", "model": "m"}, "/v1/completions").status_code == 200


def test_only_what_is_allowed_passes_with_all_that_was_said(gateway: Running) -> None:
    client = Client(gateway, "allowed")
    with pytest.raises(openai.BadRequestError, match="doesn't match allow patterns"):
        client.chat("sports")
    assert client.chat("the weather", "and then?").choices


def test_messages_are_put_around_those_of_the_client(gateway: Running) -> None:
    client = Client(gateway, "decorated")
    client.chat("hi", n=1)
    body, _ = client.seen()
    assert body["messages"] == [
        {"role": "system", "content": 'be "brief"'},
        {"role": "user", "content": "hi"},
        {"role": "user", "content": "thanks"},
    ]
    assert body["n"] == 1


def test_what_the_system_says_stands_beside_anthropics_messages(gateway: Running) -> None:
    client = Client(gateway, "decorated")
    answer = client.post({**said("hi"), "model": "m", "max_tokens": 9, "system": "own"}, "/v1/messages")
    assert answer.status_code == 200, answer.text
    body, _ = client.seen()
    told = [str(one["content"]) for one in body["messages"]]
    assert 'be "brief"' in told[0]
    assert "own" in "".join(told)


def test_a_template_is_filled_in(gateway: Running) -> None:
    client = Client(gateway, "filled")
    answer = client.post({"template_name": "tell", "who": {"name": 'Ann "A" \n'}, "what": 1})
    assert answer.status_code == 200, answer.text
    body, _ = client.seen()
    assert body["messages"] == [{"role": "user", "content": 'Tell Ann "A" \n about 1'}]
    assert body["model"] == "gpt-4o-mini"
    assert "template: other not configured." in client.post({"template_name": "other"}).text
    assert "template name is missing in request." in client.post({"model": "m"}).text


def test_tokens_are_limited(gateway: Running) -> None:
    client = Client(gateway, "limited")
    told = client.sdk.chat.completions.with_raw_response.create(
        model="m", messages=[{"role": "user", "content": "one two three"}]
    )
    assert told.headers["x-ai-ratelimit-limit-ai-proxy-openai"] == "10"
    assert told.headers["x-ai-ratelimit-remaining-ai-proxy-openai"] == "10"
    seen = Counter(client.post(said("one two three")).status_code for _ in range(8))
    assert seen[429] >= 6
    refused = client.post(said("one"))
    assert (refused.status_code, refused.json()) == (429, {"error_msg": "enough"})


def test_the_tokens_of_a_stream_count(gateway: Running) -> None:
    client = Client(gateway, "streamed")
    text = "".join(one.choices[0].delta.content or "" for one in client.chat("one two", stream=True) if one.choices)
    assert text == "You said: one two"
    assert client.seen()[0]["stream_options"] == {"include_usage": True}
    assert Counter(client.post(said("one two")).status_code for _ in range(5))[503] >= 3


def test_tokens_of_an_own_model_are_limited_too(gateway: Running) -> None:
    client = Client(gateway, "own")
    stream = client.chat("one two", stream=True)
    assert [one for one in stream if one.choices]
    assert client.seen()[0]["stream_options"] == {"include_usage": True}
    assert Counter(client.post({"model": "m", **said("one two")}).status_code for _ in range(6))[429] >= 3


def test_tokens_of_anthropics_own_answers_count_too(gateway: Running) -> None:
    client = Client(gateway, "claude")
    body = {"model": "claude-sonnet-5", "max_tokens": 50, **said("one two three four")}
    first, second = (client.post(body, "/v1/messages", **{"anthropic-version": "2023-06-01"}) for _ in range(2))
    usage = first.json()["usage"]
    left = [int(one.headers["x-ai-ratelimit-remaining"]) for one in (first, second)]
    assert left == [1000, 1000 - usage["input_tokens"] - usage["output_tokens"]]


@pytest.mark.parametrize("status", ["503", "429"])
def test_another_instance_is_asked_with_its_own_model_and_key(gateway: Running, status: str) -> None:
    client = Client(gateway, "several")
    assert served_by(client.post(said("hi"))) == "api.openai.com"
    client = Client(gateway, "several")
    answer = client.post(said("hi"), **{"x-stub-status": status, "x-stub-for": "api.openai.com"})
    assert (answer.status_code, served_by(answer)) == (200, "api.deepseek.com")
    assert client.seen()[0]["model"] == "gpt-4o"
    body, headers = client.seen()
    assert (body["model"], headers["authorization"]) == ("deepseek-chat", "Bearer sk-of-two")
    answer = client.post(said("hi"), **{"x-stub-status": "400", "x-stub-for": "api.openai.com"})
    assert answer.status_code == 400


def test_weights_share_requests_out(gateway: Running) -> None:
    client = Client(gateway, "shared")
    seen = Counter(served_by(client.post({"model": "m", **said("hi")})) for _ in range(120))
    assert set(seen) == {"api.openai.com", "api.deepseek.com"}
    assert 65 <= seen["api.openai.com"] <= 112


def test_a_hash_keeps_a_user_with_one_instance(gateway: Running) -> None:
    client = Client(gateway, "hashed")
    chosen = {}
    for user in map(str, range(20)):
        seen = {served_by(client.post({"model": "m", **said("hi")}, **{"x-user": user})) for _ in range(5)}
        assert len(seen) == 1
        chosen[user] = seen.pop()
    assert set(chosen.values()) == {"api.openai.com", "api.deepseek.com"}


STACK = """
domain: lab.example.org
apisix:
  tls_secret: null
  ai_gateways:
    - {name: llm, subdomain: llm, api_key: {secret: llm-client-key}}
components:
  - name: qwen
    type: vllm
    namespace: ai
    models: [{name: qwen-7b}]
links:
  - {link: ai_gateway-vllm, to: qwen, weight: 80, deny_patterns: "(?i)password", ai_rate_limit: &limit
      {limit: 600, time_window: 3600}}
  - {link: ai_gateway-model, to: qwen/qwen-7b, weight: 20, deny_patterns: "(?i)password", ai_rate_limit: *limit}
  - link: ai_gateway-external_ai
    to: openai
    subdomain: openai
    ai_endpoint: api.openai.com
    ai_provider_api_key: {secret: openai-cred}
"""
SECRETS = """
apiVersion: v1
kind: Secret
metadata: {name: llm-client-key, namespace: ingress-apisix}
stringData: {key: key-of-the-client}
---
apiVersion: v1
kind: Secret
metadata: {name: openai-cred, namespace: ingress-apisix}
stringData: {headers.set.Authorization: Bearer sk-of-the-provider}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("stack")
    written = Path(folder, "stack.yaml")
    written.write_text(STACK)
    assert main(["links", str(written), "-o", str(folder / "out" / "route")]) == 0
    (folder / "out" / "secrets.yaml").write_text(SECRETS)
    with run_manifests(path=folder / "out", ports=(PORT,)) as running:
        yield running


def test_a_stack_with_an_ai_gateway_works_from_its_links(stack: Running) -> None:
    url = f"{stack.url(PORT)}/v1"

    def client(host: str, key: str) -> openai.OpenAI:
        headers = {"host": f"{host}.lab.example.org", "apikey": key}
        return openai.OpenAI(api_key="unused", base_url=url, max_retries=0, default_headers=headers)

    def ask(who: openai.OpenAI, text: str = "hello") -> Any:
        return who.chat.completions.with_raw_response.create(model="q", messages=[{"role": "user", "content": text}])

    with pytest.raises(openai.AuthenticationError, match="Invalid API key in request"):
        ask(client("llm", "other"))
    known = client("llm", "key-of-the-client")
    with pytest.raises(openai.BadRequestError, match="Request contains prohibited content"):
        ask(known, "the Password")
    seen = Counter(ask(known).headers["x-stub-backend"] for _ in range(50))
    assert seen == {"qwen-router-service.ai": 40, "qwen-7b.ai": 10}
    record = stack.requests.get(timeout=DEADLINE)
    assert "apikey" not in dict(record.headers)
    ask(known, "many words " * 300)
    with pytest.raises(openai.RateLimitError):
        ask(known)
    while not stack.requests.empty():
        stack.requests.get()
    assert ask(client("openai", "key-of-the-client")).headers["x-stub-backend"].startswith("api.openai.com")
    assert dict(stack.requests.get(timeout=DEADLINE).headers)["authorization"] == "Bearer sk-of-the-provider"


def test_a_guard_holds_on_connections_from_before_it() -> None:
    route = (
        HEAD
        + "    - name: own\n      match: {paths: ['/*']}\n      backends: [{serviceName: model, servicePort: 80}]\n"
    )
    service = PLAIN[PLAIN.rindex("---") :]
    body = {"model": "m", **said("password")}
    with run_manifests(route + service, ports=(PORT,)) as running, httpx2.Client(timeout=DEADLINE) as client:
        assert client.post(running.url(PORT), json=body).status_code == 200
        running.write(route + f"      plugins: [{GUARD}]\n" + service)
        running.await_word("reloaded")
        # The connection's own filters cannot know the words for it.
        assert client.post(running.url(PORT), json=body).status_code in (400, 403)
