"""AIServices behind HTTPRoutes, served by the real Envoy: formats, paths, credentials, splits, failover, telling."""

import base64
import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from typing import Any

import anthropic
import grpc
import httpx2
import openai
import pytest
from running import DEADLINE, Running, gateway, run_manifests

from anygate.envoy.api import message
from anygate.stubs import RequestRecord

SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: openai-api-key, namespace: nantian-demo}
stringData: {token: sk-provider}
"""
SEED = """
apiVersion: gateway.nantian.dev/v1alpha1
kind: AIService
metadata:
  name: openai-gpt4o
  namespace: nantian-demo
spec:
  provider: openai
  format: openai
  model: gpt-4o
  auth:
    type: bearer
    secret: openai-api-key
    key: token
    header: Authorization
  timeout: 60s
  retry:
    maxRetries: 2
    backoff: 500ms
"""
CHAT = "/v1/chat/completions"
SPANS = "opentelemetry.proto.collector.trace.v1."


def web() -> str:
    return gateway().replace("metadata: {name: web}", "metadata: {name: web, namespace: nantian-demo}")


def service(name: str, provider: str, model: str, more: str = "") -> str:
    """A service with the Secret's key, without pauses between tries."""
    return f"""
    apiVersion: gateway.nantian.dev/v1alpha1
    kind: AIService
    metadata: {{name: {name}, namespace: nantian-demo}}
    spec: {{provider: {provider}, model: {model}, auth: {{secret: openai-api-key}}{", " + more if more else ""}}}
    """


def route(*rules: str) -> str:
    return f"""
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {{name: ai-route, namespace: nantian-demo}}
    spec: {{parentRefs: [{{name: web}}], rules: [{", ".join(rules)}]}}
    """


def rule(*backends: str, path: str = "/", filters: str = "") -> str:
    return f"{{matches: [{{path: {{value: {path}}}}}], filters: [{filters}], backendRefs: [{', '.join(backends)}]}}"


def to(name: str, weight: int = 1) -> str:
    return f"{{group: gateway.nantian.dev, kind: AIService, name: {name}, weight: {weight}}}"


REROOT = "{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}"
ECHO = """
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: nantian-demo}
spec: {ports: [{port: 80}]}
"""


@contextmanager
def serving(*texts: str, **options: Any) -> Iterator[Running]:
    with run_manifests(web(), SECRET, *texts, **options) as running:
        yield running


def ask(running: Running, path: str = CHAT, **headers: str) -> httpx2.Response:
    """A request by a client with a key of its own."""
    body = {"model": "whatever", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    sent = {"authorization": "Bearer sk-client", "x-api-key": "sk-client", **headers}
    return httpx2.post(running.url() + path, json=body, headers=sent, timeout=DEADLINE)


def seen_by(running: Running, name: str) -> RequestRecord:
    return running.await_request(lambda one: one.backend.startswith(name))


@pytest.fixture(scope="module")
def seed() -> Iterator[Running]:
    with serving(SEED, route(rule(to("openai-gpt4o")))) as running:
        yield running


def test_the_seeds_manifest_answers_openais_client(seed: Running) -> None:
    with openai.OpenAI(api_key="sk-client", base_url=seed.url() + "/v1", max_retries=0) as client:
        answer = client.chat.completions.create(model="gpt-3", messages=[{"role": "user", "content": "hi"}])
        streamed = client.chat.completions.create(
            model="gpt-3", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        text = "".join(one.choices[0].delta.content or "" for one in streamed if one.choices)
        models = client.models.list().data
    assert (answer.model, answer.choices[0].message.content, text) == ("gpt-4o", "You said: hi", "You said: hi")
    assert models
    record = seen_by(seed, "openai-gpt4o")
    headers = dict(record.headers)
    assert headers["authorization"] == "Bearer sk-provider"
    assert "sk-client" not in str(record)


def test_anthropics_client_is_answered_in_its_own_format(seed: Running) -> None:
    with anthropic.Anthropic(api_key="sk-client", base_url=seed.url(), max_retries=0) as client:
        said = client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
        with client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as stream:
            text = stream.get_final_text()
    assert (said.type, said.content[0].text, text) == ("message", "You said: hi", "You said: hi")  # type: ignore[union-attr]


def test_mistakes_of_clients_are_told_in_their_format(seed: Running) -> None:
    for path, kind in ((CHAT, "error"), ("/v1/messages", "type")):
        answer = httpx2.post(seed.url() + path, content="{no json")
        assert answer.status_code == 400
        assert kind in answer.json()


def test_a_request_without_a_model_gets_the_services(seed: Running) -> None:
    answer = httpx2.post(seed.url() + CHAT, json={"messages": [{"role": "user", "content": "hi"}]})
    assert (answer.status_code, answer.json()["model"]) == (200, "gpt-4o")


@pytest.mark.parametrize(
    ("path", "filters", "asked"),
    [
        ("/", "", CHAT),
        ("/", "", "/chat/completions"),
        ("/v1", "", CHAT),
        ("/llm", REROOT, "/llm" + CHAT),
        ("/llm", REROOT.replace("Match: /}", "Match: /v1}"), "/llm/chat/completions"),
    ],
)
def test_a_route_may_have_any_prefix(path: str, filters: str, asked: str) -> None:
    leading = route(rule(to("claude"), path=path, filters=filters))
    with serving(service("claude", "anthropic", "claude-sonnet-4-5"), leading) as found:
        answer = ask(found, asked)
        record = seen_by(found, "claude")
    assert (answer.status_code, answer.json()["model"]) == (200, "claude-sonnet-4-5")
    assert (record.path, dict(record.headers)["x-api-key"]) == ("/v1/messages", "sk-provider")


def test_without_a_credential_the_clients_own_passes_and_never_another_ones() -> None:
    mine = SEED.replace("openai-gpt4o", "mine").replace(
        "  auth:\n    type: bearer\n    secret: openai-api-key\n    key: token\n    header: Authorization\n", ""
    )
    keyed = service("keyed", "openai", "gpt-4o")
    with serving(mine.replace("maxRetries: 2", "maxRetries: 0"), keyed, route(rule(to("mine"), to("keyed")))) as found:
        for _ in range(12):
            answer = ask(found, **{"x-stub-status": "503", "x-stub-for": "keyed"})
            assert answer.status_code == 200
        got = Counter(
            (one.backend.partition(".")[0], dict(one.headers)["authorization"]) for one in drain(found.requests)
        )
    assert got["mine", "Bearer sk-client"] == 12
    assert set(got) == {("mine", "Bearer sk-client"), ("keyed", "Bearer sk-provider")}


def drain(queue: Queue[RequestRecord]) -> Iterator[RequestRecord]:
    """What has come so far."""
    try:
        while True:
            yield queue.get_nowait()
    except Empty:
        return


@pytest.mark.parametrize(
    ("auth", "data", "header", "value"),
    [
        ("type: basic", "{username: me, password: secret}", "authorization", "Basic bWU6c2VjcmV0"),
        ("type: Basic, key: pair", "{pair: 'me:secret', other: one}", "authorization", "Basic bWU6c2VjcmV0"),
        ("type: api-key", "{apiKey: abc, other: one}", "x-api-key", "abc"),
        ("type: ApiKey, header: X-Key", "{one: abc}", "x-key", "abc"),
        ("type: custom, header: X-Mine, key: two", "{one: abc, two: def}", "x-mine", "def"),
        ("{}", "{one: abc}", "authorization", "Bearer abc"),
    ],
)
def test_a_credential_goes_where_it_is_wanted(auth: str, data: str, header: str, value: str) -> None:
    secret = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: own, namespace: nantian-demo}}\nstringData: {data}"
    given = "secret: own" + ("" if auth == "{}" else f", {auth}")
    made = service("gpt", "openai", "gpt-4o").replace("secret: openai-api-key", given)
    with serving(secret, made, route(rule(to("gpt")))) as found:
        assert ask(found).status_code == 200
        headers = dict(seen_by(found, "gpt").headers)
    assert headers[header] == value
    assert "sk-client" not in str(headers)


def test_requests_to_amazon_are_signed() -> None:
    keys = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: own, namespace: nantian-demo}\n"
        "stringData: {accessKeyId: AKIAEXAMPLE, secretAccessKey: wJalrXUtnFEMI, region: eu-west-1}"
    )
    made = service("nova", "aws-bedrock", "amazon.nova-pro-v1:0").replace("secret: openai-api-key", "secret: own")
    made = made.replace("spec: {", "spec: {endpoint: 'https://bedrock-runtime.eu-west-1.amazonaws.com', ")
    with serving(keys, made, route(rule(to("nova")))) as found:
        answer = ask(found)
        record = seen_by(found, "nova")
    assert (answer.status_code, answer.json()["choices"][0]["message"]["content"]) == (200, "You said: hi")
    assert record.path == "/model/amazon.nova-pro-v1:0/converse"
    signature = dict(record.headers)["authorization"]
    assert signature.startswith("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/")
    assert "/eu-west-1/bedrock/aws4_request" in signature


def test_a_key_in_the_query_is_in_no_log() -> None:
    made = service("gpt", "openai", "gpt-4o").replace("openai-api-key}", "openai-api-key, type: query, parameter: k}")
    with serving(made, route(rule(to("gpt")))) as found:
        assert ask(found).status_code == 200
        record = seen_by(found, "gpt")
        other = httpx2.get(found.url() + "/v1/models")
    assert record.path == CHAT + "?k=sk-provider"
    assert other.status_code == 501
    assert "sk-provider" not in "".join(found.told.queue)


def test_a_service_is_tried_again_then_its_other_models_then_the_other_services() -> None:
    first = service(
        "first",
        "openai",
        "gpt-4o",
        "retry: {maxRetries: 1, backoff: 1ms}, fallback: {chains: [{fallbacks: [{model: small}]}]}",
    )
    second = service("second", "anthropic", "claude-sonnet-4-5")
    with serving(first, second, route(rule(to("first", 1_000_000), to("second", 1)))) as found:
        answer = ask(found, **{"x-stub-status": "503", "x-stub-for": "first"})
        records = [found.requests.get(timeout=DEADLINE) for _ in range(4)]
    assert (answer.status_code, answer.json()["model"]) == (200, "claude-sonnet-4-5")
    assert [json.loads(one.body)["model"] for one in records] == ["gpt-4o", "gpt-4o", "small", "claude-sonnet-4-5"]
    assert [one.backend.partition(".")[0] for one in records] == ["first", "first", "first", "second"]


def test_services_and_other_backends_share_requests_by_weight() -> None:
    with (
        serving(
            service("gpt", "openai", "gpt-4o"),
            service("claude", "anthropic", "claude-sonnet-4-5"),
            ECHO,
            route(rule("{name: echo, port: 80, weight: 1}", to("gpt", 2), to("claude", 1))),
        ) as found,
        httpx2.Client() as client,
    ):
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        got: Counter[str] = Counter()
        for _ in range(400):
            answer = client.post(found.url() + CHAT, json=body, headers={"authorization": "Bearer sk-client"}).json()
            got[answer.get("model") or answer["service"]] += 1
            if "service" in answer:
                # A backend that is no AIService gets the request as it is.
                assert (answer["path"], answer["headers"]["authorization"]) == (CHAT, ["Bearer sk-client"])
    assert set(got) == {"gpt-4o", "claude-sonnet-4-5", "echo"}
    assert 150 < got["gpt-4o"] < 250
    assert 60 < got["echo"] < 140


def test_variants_share_requests_of_one_service_by_weight() -> None:
    variants = (
        "abTesting: {experimentId: e, variants: [{name: a, model: gpt-4o, weight: 3}, {name: b, model: gpt-4o-mini}]}"
    )
    with serving(service("gpt", "openai", "gpt-4o", variants), route(rule(to("gpt")))) as found:
        got = Counter(ask(found).json()["model"] for _ in range(200))
        assert httpx2.get(found.url() + "/v1/models").status_code == 200
    assert set(got) == {"gpt-4o", "gpt-4o-mini"}
    assert 115 < got["gpt-4o"] < 180


def test_a_copy_is_made_for_the_service_that_it_is_for() -> None:
    mirror = f"{{type: RequestMirror, requestMirror: {{backendRef: {to('claude').replace(', weight: 1', '')}}}}}"
    with serving(
        service("gpt", "openai", "gpt-4o"),
        service("claude", "anthropic", "claude-sonnet-4-5"),
        ECHO,
        route(
            rule(to("gpt"), path="/m", filters=f"{REROOT}, {mirror}"),
            rule("{name: echo, port: 80}", path="/s", filters=f"{REROOT}, {mirror}"),
        ),
    ) as found:
        for prefix in ("/m", "/s"):
            assert ask(found, prefix + CHAT).status_code == 200
            copy = seen_by(found, "claude")
            assert (copy.path, json.loads(copy.body)["model"]) == ("/v1/messages", "claude-sonnet-4-5")
            assert dict(copy.headers)["x-api-key"] == "sk-provider"
            assert "sk-client" not in str(copy)


def test_a_limit_holds_for_whole_answers_and_for_the_beginning_of_streams() -> None:
    with serving(service("gpt", "openai", "gpt-4o", "timeout: 400ms"), route(rule(to("gpt")))) as found:
        assert ask(found, **{"x-stub-delay": "5s"}).status_code == 504
        assert ask(found).status_code == 200


def test_a_service_of_kubernetes_may_be_the_endpoint() -> None:
    named = ECHO.replace("name: echo,", "name: llm, annotations: {gateway.nantian.dev/ai-service: gpt},")
    with serving(service("gpt", "vllm", "qwen"), named, route(rule("{name: llm, port: 80}"))) as found:
        answer = ask(found, "/v1/messages")
        assert seen_by(found, "llm").path == CHAT
    assert (answer.status_code, answer.json()["type"]) == (200, "message")


def test_a_guard_refuses_prompts_in_the_clients_format_also_for_who_stands_in() -> None:
    guarded = service(
        "guarded", "openai", "gpt-4o", "promptGuard: {keywords: [Forbidden], customPatterns: ['b.d word']}"
    )
    plain = service("plain", "openai", "gpt-4o-mini")
    with serving(guarded, plain, route(rule(to("plain"), to("guarded")))) as found:
        for text in ("it is FORBIDDEN here", "a bad word"):
            message_ = {"role": "user", "content": text}
            answer = httpx2.post(found.url() + CHAT, json={"model": "m", "messages": [message_]})
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "prompt_refused")
            answer = httpx2.post(
                found.url() + "/v1/messages", json={"model": "m", "messages": [message_], "max_tokens": 9}
            )
            assert (answer.status_code, answer.json()["type"]) == (400, "error")
        assert ask(found).status_code == 200


class Receiver:
    """Langfuse and an OTLP collector: every event and every span as it comes."""

    def __init__(self) -> None:
        self.events: Queue[tuple[str, dict[str, Any]]] = Queue()
        self.spans: Queue[tuple[str, Any]] = Queue()
        self.failures = 0
        outer = self

        class Take(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                outer.failures -= 1
                self.send_response(503 if outer.failures >= 0 else 207)
                self.end_headers()
                if outer.failures < 0 and self.path == "/api/public/ingestion":
                    self.wfile.write(b'{"successes": [], "errors": []}')
                    for event in json.loads(raw)["batch"]:
                        outer.events.put((self.headers["authorization"], event))
                elif outer.failures < 0:
                    outer._take(raw)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Take)
        self.grpc = grpc.server(futures.ThreadPoolExecutor(2))
        export = grpc.unary_unary_rpc_method_handler(self._take)
        self.grpc.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(f"{SPANS}TraceService", {"Export": export}),)
        )
        self.grpc_port = self.grpc.add_insecure_port("127.0.0.1:0")
        self.http_port = self.http.server_address[1]

    def _take(self, raw: bytes, _context: object = None) -> bytes:
        for told in message(f"{SPANS}ExportTraceServiceRequest").FromString(raw).resource_spans:
            name = next(one.value.string_value for one in told.resource.attributes if one.key == "service.name")
            for span in told.scope_spans[0].spans:
                self.spans.put((name, span))
        return b""


@contextmanager
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    thread = threading.Thread(target=found.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    found.grpc.start()
    try:
        yield found
    finally:
        found.grpc.stop(None).wait()
        found.http.shutdown()
        thread.join()
        found.http.server_close()


def observed(langfuse: int, otel: str, key: str) -> str:
    return (
        f"observability: {{langfuse: {{host: 'http://127.0.0.1:{langfuse}', publicKey: pk, secretKey: {key}}}, "
        f"otel: {{endpoint: '{otel}', serviceName: my-chat}}}}, cost: {{pricing: {{}}}}"
    )


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_langfuse_and_a_collector_are_told_of_each_request(scheme: str) -> None:
    with receiver() as told:
        otel = f"http://127.0.0.1:{told.grpc_port}"
        if scheme == "http":
            otel = f"http://127.0.0.1:{told.http_port}/v1/traces"
        seen = observed(told.http_port, otel, "{secret: openai-api-key}")
        with serving(
            service("gpt", "openai", "gpt-4o", seen),
            service("quiet", "openai", "gpt-4o"),
            route(rule(to("gpt"), path="/told", filters=REROOT), rule(to("quiet"))),
        ) as found:
            ask(found)
            usage = ask(found, "/told" + CHAT).json()["usage"]
            authorization, trace = told.events.get(timeout=DEADLINE)
            _, generation = told.events.get(timeout=DEADLINE)
            name, span = told.spans.get(timeout=DEADLINE)
    assert authorization == "Basic " + base64.b64encode(b"pk:sk-provider").decode()
    assert (trace["type"], generation["type"]) == ("trace-create", "generation-create")
    body = generation["body"]
    assert (body["traceId"], body["model"]) == (trace["body"]["id"], "gpt-4o")
    cost = (usage["prompt_tokens"] * 2.5 + usage["completion_tokens"] * 10) / 1e6
    assert body["usage"]["total"] == usage["total_tokens"]
    assert body["usage"]["totalCost"] == pytest.approx(cost, abs=1e-6)
    assert "hi" not in (body.get("input"), body.get("output"))
    seen_attributes = attributes(span)
    assert (name, span.name, seen_attributes["ai.model"]) == ("my-chat", "ai.inference", "gpt-4o")
    assert seen_attributes["gen_ai.usage.input_tokens"] == usage["prompt_tokens"]
    assert seen_attributes["ai.completion_tokens"] == usage["completion_tokens"]
    # Nobody is told of a service that names nobody.
    assert told.events.empty()
    assert told.spans.empty()


def test_who_does_not_listen_at_first_is_told_again() -> None:
    with receiver() as told:
        told.failures = 2
        seen = observed(told.http_port, f"http://127.0.0.1:{told.grpc_port}", "{secret: openai-api-key}")
        with serving(service("gpt", "openai", "gpt-4o", seen), route(rule(to("gpt")))) as found:
            assert ask(found).status_code == 200
            _, event = told.events.get(timeout=DEADLINE)
    assert event["type"] == "trace-create"


def test_a_change_of_who_is_told_holds_at_once() -> None:
    with receiver() as first, receiver() as second:

        def made(told: Receiver) -> str:
            return service(
                "gpt",
                "openai",
                "gpt-4o",
                observed(told.http_port, f"http://127.0.0.1:{told.grpc_port}", "{secret: openai-api-key}"),
            )

        with serving(made(first), route(rule(to("gpt")))) as found:
            assert ask(found).status_code == 200
            first.events.get(timeout=DEADLINE)
            found.write(found.path.read_text().replace(str(first.http_port), str(second.http_port)))
            found.await_word("reloaded")
            assert ask(found).status_code == 200
            second.events.get(timeout=DEADLINE)
