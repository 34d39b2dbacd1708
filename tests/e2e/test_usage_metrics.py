"""Metrics of AI requests by OpenTelemetry's names, as Prometheus reads them."""

import socket
from collections.abc import Callable
from pathlib import Path

import httpx2
from prometheus_client.parser import text_string_to_metric_families
from usage_gateway import rule, usage_gateway

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
RULES = [rule("chat"), rule("messages")]


def scrape(path: Path) -> dict[str, list[tuple[dict[str, str], float]]]:
    with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path))) as client:
        answer = client.get("http://services/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


def value(found: dict[str, list[tuple[dict[str, str], float]]], name: str, **labels: str) -> float:
    fits: Callable[[dict[str, str]], bool] = lambda seen: labels.items() <= seen.items()  # noqa: E731
    return sum(number for seen, number in found.get(name, []) if fits(seen))


def test_histograms_follow_the_conventions(tmp_path: Path) -> None:
    page = tmp_path / "metrics.sock"
    with usage_gateway(tmp_path, RULES, "--metrics-socket", str(page)) as found:
        usage = found.post("/v1/chat/completions", CHAT).json()["usage"]
        found.post("/v1/messages", {**CHAT, "model": "claude-sonnet-5", "max_tokens": 9, "stream": True})
        found.post("/v1/chat/completions", CHAT, {"x-stub-status": "500"})
        found.post("/v1/nowhere", {**CHAT, "model": "made-up"})
        found.services.rows(4)
        seen = scrape(page)
    chat = {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "openai",
        "gen_ai_original_model": "gpt-4o",
        "gen_ai_request_model": "gpt-4o",
        "gen_ai_response_model": "gpt-4o",
        "gen_ai_backend": "default/openai",
    }
    name = "gen_ai_client_token_usage"
    assert value(seen, f"{name}_sum", **chat, gen_ai_token_type="input") == usage["prompt_tokens"]
    assert value(seen, f"{name}_count", **chat, gen_ai_token_type="output") == 1
    bounds = {labels["le"] for labels, _ in seen[f"{name}_bucket"]}
    assert {"1", "4", "67108864", "+Inf"} <= bounds | {bound.removesuffix(".0") for bound in bounds}
    duration = "gen_ai_server_request_duration_seconds"
    assert value(seen, f"{duration}_count", **chat, error_type="") == 1
    assert value(seen, f"{duration}_count", gen_ai_operation_name="chat", error_type="_OTHER") == 1
    assert value(seen, f"{duration}_count") == 4
    claude = {"gen_ai_provider_name": "anthropic", "gen_ai_request_model": "claude-override"}
    assert value(seen, "gen_ai_server_time_to_first_token_seconds_count", **claude) == 1
    assert value(seen, "gen_ai_server_time_per_output_token_seconds_count", **claude) == 1
    # What a client makes up is in no label.
    assert not any("made-up" in labels.values() for samples in seen.values() for labels, _ in samples)
    assert value(seen, "anygate_usage_rows_total") == 4
    assert value(seen, "anygate_usage_dropped_rows_total") == 0


def test_nothing_else_is_served(tmp_path: Path) -> None:
    page = tmp_path / "metrics.sock"
    with usage_gateway(tmp_path, RULES, "--metrics-socket", str(page)):
        for sent, status in (
            (b"GET /other HTTP/1.1\r\nhost: x\r\n\r\n", b" 404 "),
            (b"POST /metrics HTTP/1.1\r\nhost: x\r\n\r\n", b" 404 "),
            (b"\x00\x01\r\n\r\n", b" 400 "),
        ):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(page))
                connection.sendall(sent)
                assert status in connection.recv(200).splitlines()[0]
