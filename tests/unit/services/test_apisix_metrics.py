"""Entries of the access log become APISIX's metrics, and no client can make more of them than there is room for."""

import asyncio
import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from anygate.envoy.api import build, struct
from anygate.services.access_log.entry import read_message
from anygate.services.apisix_metrics import ApisixMetrics
from anygate.services.series import OTHER, Counter, Histogram, KnownNames

FACTS = {"route": "6e2be77c", "service": "5e291721", "hosts": ["*.example.com", "*.b.example.com"]}


def entry(tags: dict[str, str] | None = None, *, model: str = "", **fields: Any) -> bytes:
    found = {
        "meter": json.dumps(FACTS),
        "path": "/items/*",
        "host": "a.b.example.com",
        "node": "10.0.0.7",
        **(tags or {}),
    }
    common: dict[str, Any] = {
        "custom_tags": found,
        "duration": {"nanos": 30_000_000},
        "upstream_request_attempt_count": 1,
        "time_to_first_upstream_tx_byte": {"nanos": 1_000_000},
        "time_to_last_upstream_rx_byte": {"nanos": 21_000_000},
        "downstream_wire_bytes_received": 100,
        "downstream_wire_bytes_sent": 2000,
        **fields.pop("common", {}),
    }
    if model:
        common["metadata"] = {"filter_metadata": {"anygate.ai": struct({"model": model})}}
    response = {"response_code": {"value": 200}, "response_code_details": "via_upstream", **fields}
    made = {"common_properties": common, "response": response}
    message = build("envoy.service.accesslog.v3.StreamAccessLogsMessage", http_logs={"log_entry": [made]})
    return bytes(message.SerializeToString())


def collect(*entries: bytes) -> dict[str, list[tuple[dict[str, str], float]]]:
    metrics = ApisixMetrics()
    for raw in entries:
        for one in read_message(raw):
            metrics.add(one)
    page = asyncio.run(metrics.render()).decode()
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            # The parser gives counters the ending that OpenMetrics wants.
            name = sample.name.removesuffix("_total") if family.type == "counter" else sample.name
            found.setdefault(name, []).append((sample.labels, sample.value))
    return found


def test_a_request_is_told_with_the_names_of_its_rule() -> None:
    found = collect(entry({"caller": "default_ann"}), entry({"caller": "default_ann"}))
    ((labels, count),) = found["apisix_http_status"]
    assert count == 2
    assert labels == {
        "code": "200",
        "route": "6e2be77c",
        "matched_uri": "/items/*",
        "matched_host": "*.b.example.com",
        "service": "5e291721",
        "consumer": "default_ann",
        "node": "10.0.0.7",
        "request_type": "traditional_http",
        "request_llm_model": "",
        "llm_model": "",
        "response_source": "upstream",
    }


@pytest.mark.parametrize(
    ("told", "node"),
    [
        ("10.0.0.7:8080", "10.0.0.7"),
        ("[2001:db8::7]:80", "2001:db8::7"),
        ("/run/adapter/one.sock", "one.sock"),
        ("-", ""),
    ],
)
def test_a_node_is_an_address_without_its_port(told: str, node: str) -> None:
    ((labels, _),) = collect(entry({"node": told}))["apisix_http_status"]
    assert labels["node"] == node


def test_times_are_parts_of_the_whole() -> None:
    found = collect(entry())
    assert {one["type"]: value for one, value in found["apisix_http_latency_sum"]} == {
        "request": 30,
        "upstream": 20,
        "apisix": 10,
    }
    bounds = [one["le"] for one, _ in found["apisix_http_latency_bucket"] if one["type"] == "request"]
    assert " ".join(bounds) == "1 2 5 10 20 50 100 200 500 1000 2000 5000 10000 30000 60000 +Inf"
    assert {one["type"]: value for one, value in found["apisix_bandwidth"]} == {"ingress": 100, "egress": 2000}


@pytest.mark.parametrize(("tries", "source"), [(0, "apisix"), (1, "nginx")])
def test_an_answer_without_a_backend_says_who_gave_it(tries: int, source: str) -> None:
    common = {"upstream_request_attempt_count": tries, "time_to_last_upstream_rx_byte": None}
    found = collect(entry({"node": "-"}, response_code_details="by_ourselves", common=common))
    ((labels, _),) = found["apisix_http_status"]
    assert (labels["response_source"], labels["node"]) == (source, "")
    assert {one["type"] for one, _ in found["apisix_http_latency_count"]} == {"request", "apisix"}


def test_requests_of_rules_without_the_plugin_are_not_counted() -> None:
    assert "apisix_http_status" not in collect(entry({"meter": ""}))


def test_models_that_clients_name_do_not_make_more_than_a_thousand() -> None:
    names = KnownNames()
    assert [names.find(f"model-{number}") for number in range(1000)][-1] == "model-999"
    assert (names.find("one-more"), names.find("model-7"), names.find("")) == (OTHER, "model-7", "")


def test_labels_beyond_all_bounds_are_counted_and_not_kept() -> None:
    counter, histogram = Counter("c", "C.", ("name",)), Histogram("h", "H.", ("name",), (1.0,))
    for number in range(10_001):
        counter.add((str(number),))
        histogram.observe((str(number),), 1)
    counter.add(("7",))
    assert (counter.dropped, histogram.dropped) == (1, 1)
    assert len(counter.collect().samples) == 10_000
    (seven,) = (sample.value for sample in counter.collect().samples if sample.labels == {"name": "7"})
    assert seven == 2


def test_a_label_may_hold_any_text() -> None:
    ((labels, _),) = collect(entry({"path": 'a"b\\c\nd'}))["apisix_http_status"]
    assert labels["matched_uri"] == 'a"b\\c\nd'


def test_a_refused_request_for_a_model_names_no_model() -> None:
    refused = entry(model="whatever a client says", response_code_details="by_ourselves")
    ((labels, _),) = collect(refused)["apisix_http_status"]
    assert (labels["request_type"], labels["request_llm_model"]) == ("ai_chat", "")


def test_tokens_and_times_of_models_are_told_by_provider() -> None:
    backend = json.dumps({"provider": "default/ai-proxy-openai", "format": "OpenAI", "model": "gpt-4o"})
    usage = build("envoy.data.ai.v3.TokenUsage", input_tokens={"value": 8}, output_tokens={"value": 10})
    rule = json.dumps({"endpoint": "chat", "route": "default/ai"})
    typed = {"envoy.ai.token_usage": {"type_url": "type.googleapis.com/envoy.data.ai.v3.TokenUsage"}}
    typed["envoy.ai.token_usage"]["value"] = usage.SerializeToString()
    metadata = {
        "filter_metadata": {"anygate.ai": struct({"model": "gpt-4"})},
        "typed_filter_metadata": typed,
    }
    raw = entry({"backend": backend, "rule": rule}, common={"metadata": metadata})
    found = collect(raw)
    ((labels, tokens),) = found["apisix_llm_prompt_tokens"]
    assert tokens == 8
    assert found["apisix_llm_completion_tokens"][0][1] == 10
    assert (labels["node"], labels["request_llm_model"], labels["llm_model"]) == ("ai-proxy-openai", "gpt-4", "gpt-4o")
    assert [(one["type"], value) for one, value in found["apisix_llm_latency_sum"]] == [("total", 30)]
