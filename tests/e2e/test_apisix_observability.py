"""What is told about requests: metrics at APISIX's exporter, and spans to a collector, by the real services."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from running import DEADLINE, Running, join, run_manifests
from test_usage_traces import Collector, collector

from anygate.cli.app import main

PORT, EXPORTER = 9080, 9091
PATH = "/apisix/prometheus/metrics"
TRACE, PARENT = "ab" * 16, "cd" * 8
SAMPLED, UNSAMPLED = (f"00-{TRACE}-{PARENT}-{flag}" for flag in ("01", "00"))
SERVICE = """
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
"""
COUNTED = """
apiVersion: apisix.apache.org/v2
kind: ApisixGlobalRule
metadata: {name: all}
spec: {plugins: [{name: prometheus, enable: true}]}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: ann}
spec: {authParameter: {keyAuth: {value: {key: anns-key}}}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: shop}
spec:
  http:
  - name: items
    match: {hosts: ["*.example.com"], paths: ["/items/*"]}
    backends: [{serviceName: web, servicePort: 80}]
    plugins: [{name: key-auth, enable: true}]
  - name: named
    match: {paths: ["/named"]}
    backends: [{serviceName: web, servicePort: 80}]
    plugins: [{name: prometheus, enable: true, config: {prefer_name: true}}]
  - name: moved
    match: {paths: ["/moved"]}
    backends: [{serviceName: web, servicePort: 80}]
    plugins: [{name: redirect, enable: true, config: {uri: /elsewhere}}]
  - name: chat
    match: {paths: ["/v1/chat/completions"]}
    plugins:
    - name: ai-proxy
      enable: true
      config: {provider: openai, auth: {header: {Authorization: Bearer x}}, options: {model: gpt-4o}}
"""
Samples = list[tuple[dict[str, str], float]]


class Exporter:
    """The page of metrics, asked for until it says what is expected of it."""

    def __init__(self, running: Running) -> None:
        self.url = f"http://127.0.0.1:{EXPORTER + running.offset}{PATH}"

    def read(self) -> dict[str, Samples]:
        found: dict[str, Samples] = {}
        for family in text_string_to_metric_families(httpx2.get(self.url).raise_for_status().text):
            for sample in family.samples:
                name = sample.name.removesuffix("_total") if family.type == "counter" else sample.name
                found.setdefault(name, []).append((sample.labels, sample.value))
        return found

    def find(self, name: str, **labels: str) -> tuple[dict[str, str], float]:
        """The series with those labels, once it is there."""
        pause = threading.Event()
        end = monotonic() + DEADLINE
        while True:
            found = self.read().get(name, [])
            for one, value in found:
                if labels.items() <= one.items():
                    return one, value
            assert monotonic() < end, found
            pause.wait(0.05)  # entries of the access log come in when they come


@pytest.fixture(scope="module")
def counted() -> Iterator[Running]:
    with run_manifests(COUNTED + SERVICE, ports=(PORT, EXPORTER)) as running:
        yield running


def test_requests_are_counted_under_the_names_of_their_rules(counted: Running) -> None:
    exporter = Exporter(counted)
    assert counted.await_word("note: metrics") == f"note: metrics are at {exporter.url}"
    with httpx2.Client(base_url=counted.url(PORT)) as client:
        headers = {"host": "a.example.com", "apikey": "anns-key"}
        assert [client.get(f"/items/{number}", headers=headers).status_code for number in range(3)] == [200] * 3
        refused = client.get("/items/1", headers={"host": "a.example.com"})
    labels, _ = exporter.find("apisix_http_status", code="401")
    assert refused.status_code == 401
    assert (labels["consumer"], labels["node"], labels["response_source"]) == ("", "", "apisix")
    labels, count = exporter.find("apisix_http_status", code="200", matched_uri="/items/*")
    assert count == 3
    assert (labels["matched_host"], labels["consumer"]) == ("*.example.com", "default_ann")
    assert (labels["route"], labels["service"]) == ("6e2be77c", "5e291721")
    assert labels["response_source"] == "upstream"
    for kind in ("request", "upstream", "apisix"):
        assert exporter.find("apisix_http_latency_count", type=kind, consumer="default_ann")[1] == 3
    sent = exporter.find("apisix_bandwidth", type="ingress", consumer="default_ann")[1]
    # Of three requests on one connection each counts as often as it was sent.
    assert 3 * 100 < sent < 3 * 300


def test_whatever_answers_a_request_it_is_counted(counted: Running) -> None:
    exporter = Exporter(counted)
    with httpx2.Client(base_url=counted.url(PORT)) as client:
        assert [client.get(path).status_code for path in ("/moved", "/named", "/nowhere")] == [302, 200, 404]
    assert exporter.find("apisix_http_status", code="302")[0]["matched_uri"] == "/moved"
    labels, _ = exporter.find("apisix_http_status", matched_uri="/named")
    assert (labels["route"], labels["service"]) == ("default_shop_named", "default_shop_1")
    assert exporter.find("apisix_http_status", code="404")[0]["route"] == ""


def test_requests_for_models_have_their_tokens_counted(counted: Running) -> None:
    exporter = Exporter(counted)
    body = {"model": "gpt-3", "messages": [{"role": "user", "content": "hello"}]}
    with httpx2.Client(base_url=counted.url(PORT)) as client:
        usage = client.post("/v1/chat/completions", json=body).raise_for_status().json()["usage"]
        client.post("/v1/chat/completions", json={**body, "stream": True}).raise_for_status()
    labels, tokens = exporter.find("apisix_llm_prompt_tokens", request_type="ai_chat")
    assert tokens == usage["prompt_tokens"]
    assert exporter.find("apisix_llm_completion_tokens", request_type="ai_chat")[1] == usage["completion_tokens"]
    assert (labels["node"], labels["llm_model"]) == ("ai-proxy-openai", "gpt-4o")
    assert exporter.find("apisix_llm_latency_count", type="total", request_type="ai_chat")[1] == 1
    assert exporter.find("apisix_llm_latency_count", type="ttft")[0]["request_type"] == "ai_stream"
    assert exporter.find("apisix_http_status", request_type="ai_stream")[1] == 1


def test_connections_are_told_and_other_pages_are_not_there(counted: Running) -> None:
    exporter = Exporter(counted)
    with httpx2.Client(base_url=counted.url(PORT)) as client:
        client.get("/named")
        assert exporter.find("apisix_nginx_http_current_connections", state="active")[1] >= 1
        assert exporter.find("apisix_http_requests_total")[1] >= 1
    assert exporter.find("apisix_node_info")[0]["hostname"]
    assert httpx2.get(exporter.url + "/x").status_code == 404


def test_a_port_that_is_taken_is_said_and_the_gateway_runs() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        # With any offset it is another port, so the settings have what is left after it.
        settings = """
---
apiVersion: anygate.dev/v1alpha1
kind: ApisixSettings
metadata: {name: mine}
spec: {prometheus: {port: %d}}
"""
        with run_manifests(COUNTED + SERVICE, ports=(PORT,)) as running:
            port = taken.getsockname()[1] - running.offset
            running.await_word("note: metrics")
            running.write(COUNTED + SERVICE + settings % port)
            word = running.await_word("warning: metrics")
            assert str(taken.getsockname()[1]) in word
            assert httpx2.get(f"{running.url(PORT)}/named").status_code == 200
            running.write(COUNTED + SERVICE + settings.replace("port: %d", "path: /numbers"))
            assert running.await_word("note: metrics").endswith(f":{EXPORTER + running.offset}/numbers")


def traced(rules: dict[str, str], address: str, more: str = "") -> str:
    entries = "".join(
        f"""
  - name: '{name}'
    match: {{paths: ["/{name}/*"]}}
    backends: [{{serviceName: web, servicePort: 80}}]
    plugins: [{config}]"""
        for name, config in rules.items()
    )
    return f"""
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {{name: shop}}
spec:
  http:{entries}
{SERVICE}
---
apiVersion: anygate.dev/v1alpha1
kind: ApisixSettings
metadata: {{name: mine}}
spec:
  opentelemetry:
    collector: {{address: "{address}", requestHeaders: {{x-collector-key: very-secret}}}}
    resource: {{service.name: shop, team: a}}
{more}"""


def plugin(sampler: str, more: str = "") -> str:
    return f"{{name: opentelemetry, enable: true, config: {{sampler: {sampler}{more}}}}}"


MORE = ", additional_attributes: [http_x_user, route_id], additional_header_prefix_attributes: [x-tag]"
RULES = {
    "on": plugin("{name: always_on}", MORE),
    "off": plugin("{name: always_off}"),
    "ratio": plugin("{name: trace_id_ratio, options: {fraction: 0.5}}"),
    "parent": plugin("{name: parent_base, options: {root: {name: always_on}}}"),
    "quiet": plugin("{name: parent_base}"),
    "plain": "{name: cors, enable: true}",
}


@contextmanager
def tracing(**options: Any) -> Iterator[tuple[Running, Collector, httpx2.Client]]:
    with (
        collector() as received,
        run_manifests(traced(RULES, received.url.removeprefix("http://")), ports=(PORT,), **options) as running,
        httpx2.Client(base_url=running.url(PORT)) as client,
    ):
        yield running, received, client


def told(answer: httpx2.Response) -> str:
    """What the backend has got as its trace context."""
    return (answer.raise_for_status().json()["headers"].get("traceparent") or [""])[0]


def test_spans_are_those_of_rules_that_want_them() -> None:
    with tracing() as (running, received, client):
        assert running.await_word("note: spans") == f"note: spans go to {received.url}/v1/traces"
        headers = {"x-user": "ann", "x-tag": "blue", "user-agent": "me"}
        context = told(client.get("/on/1?x=1", headers=headers))
        span, seen = received.next()
        path, sent, raw = received.requests[0]
    assert context == f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01"
    assert (span.name, span.kind, span.parent_span_id) == ("GET /on/*", 2, b"")
    assert seen["net.host.name"] == f"127.0.0.1:{PORT + running.offset}"
    assert {name: seen[name] for name in ("http.method", "http.scheme", "http.target", "http.user_agent")} == {
        "http.method": "GET",
        "http.scheme": "http",
        "http.target": "/on/1?x=1",
        "http.user_agent": "me",
    }
    assert (seen["http.route"], seen["http.status_code"], seen["http.response.status_code"]) == ("/on/*", 200, 200)
    assert (seen["apisix.route_name"], seen["apisix.service_name"]) == ("default_shop_on", "default_shop_0")
    assert seen["apisix.route_id"] == seen["route_id"] == "91cdb00"
    assert (seen["http_x_user"], seen["x-tag"]) == ("ann", "blue")
    assert (path, sent["x-collector-key"]) == ("/v1/traces", "very-secret")
    assert b"shop" in raw
    assert b"team" in raw


ASKED = [
    ("on", "", "01"),
    ("on", UNSAMPLED, "01"),
    ("on", SAMPLED, "01"),
    ("parent", "", "01"),
    ("parent", SAMPLED, "01"),
    ("parent", UNSAMPLED, "00"),
    ("quiet", "", "00"),
    ("quiet", SAMPLED, "01"),
    ("quiet", UNSAMPLED, "00"),
]
"""The rule that is asked, the context that comes with the request, and whether it has a span."""


def test_each_sampler_decides_as_its_name_says() -> None:
    with tracing() as (_, received, client):
        contexts = [
            told(client.get(f"/{rule}/{number}", headers={"traceparent": given} if given else {}))
            for number, (rule, given, _) in enumerate(ASKED)
        ]
        passed = [
            (told(client.get(f"/{rule}/x", headers={"traceparent": given} if given else {})), given)
            for rule in ("off", "plain")
            for given in ("", SAMPLED, UNSAMPLED)
        ]
        client.get("/on/end")
        spans = {}
        while "/on/end" not in spans:
            span, seen = received.next()
            spans[seen["http.target"]] = span
    assert [context[-2:] for context in contexts] == [flag for _, _, flag in ASKED]
    assert [context[3:35] == TRACE for context in contexts] == [bool(given) for _, given, _ in ASKED]
    made = {f"/{rule}/{number}" for number, (rule, _, flag) in enumerate(ASKED) if flag == "01"}
    assert set(spans) == {*made, "/on/end"}
    assert spans["/on/2"].parent_span_id.hex() == PARENT
    # What is not traced passes as it came.
    assert [context for context, _ in passed] == [given for _, given in passed]


def test_a_ratio_is_a_share_of_the_requests() -> None:
    with tracing() as (_, _, client):
        answers = [client.get("/ratio/x") for _ in range(200)]
        flags = [told(answer)[-2:] for answer in answers]
        assert all("x-anygate-draw" not in answer.json()["headers"] for answer in answers)
        other = client.get("/plain/x")
    # A deviation of five sigma happens once in two million runs.
    assert 65 < flags.count("01") < 135
    assert "x-anygate-draw" not in other.json()["headers"]


def test_an_envoy_by_itself_tells_nobody_and_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = Path(tmp_path, "in.yaml")
    found.write_text(join(COUNTED.replace("name: shop", "name: other"), traced({"on": RULES["on"]}, "collector:4318")))
    assert main(["convert", "--to", "envoy", str(found)]) == 0
    said = capsys.readouterr()
    assert "nobody serves metrics of these requests" in said.err
    assert "these requests have no spans" in said.err
    assert "TRACE_ID" not in said.out
    assert "very-secret" not in said.out + said.err
