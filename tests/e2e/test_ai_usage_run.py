"""What `anygate run` writes down of AI requests: usage, log lines and metrics, whatever becomes of the requests."""

import json
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
from ai_clients import AI, MODELS, PAIRS, PATHS, PORT, Gateway, ai_gateway, request, used
from program import run_anygate
from running import DEADLINE, find_offset, run_manifests

from anygate.runner.companions import CompanionOptions
from anygate.store.row import UsageRow
from anygate.store.usage import UsageStore

INCLUDED = {"stream_options": {"include_usage": True}}


def rows(path: Path) -> list[UsageRow]:
    return list(UsageStore(path, read_only=True).rows())


def await_rows(path: Path, wanted: Callable[[list[UsageRow]], bool]) -> list[UsageRow]:
    """The rows as soon as they are as wanted."""
    deadline = time.monotonic() + DEADLINE
    while not wanted(found := rows(path)):
        assert time.monotonic() < deadline, found
        os.sched_yield()
    return found


def hang_up(ai: Gateway, form: str, model: str) -> None:
    """Read the beginning of a stream, then go away."""
    # More than fits between the provider and us while we do not read.
    fields = {"max_tokens": 60_000} if form == "messages" else {}
    content = json.dumps(request(form, model, "hello " * 20_000, stream=True, **fields)).encode()
    head = f"POST {PATHS[form]} HTTP/1.1\r\nhost: a\r\nx-stub-chunks: 10000\r\ncontent-length: {len(content)}\r\n\r\n"
    with socket.create_connection(ai.running.address(PORT), timeout=DEADLINE) as connection:
        connection.sendall(head.encode() + content)
        got = b""
        while len(got) < 2000:
            more = connection.recv(4096)
            assert more, got
            got += more


def summed(path: Path, by: str) -> dict[str, dict[str, Any]]:
    done = run_anygate("usage", "--db", path, "--by", by, "--format", "json")
    assert done.returncode == 0, done.stderr
    return {row[by]: row for row in json.loads(done.stdout)}


def test_every_request_is_a_row_with_its_tokens(tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    with ai_gateway(companions=CompanionOptions(usage=path)) as ai:
        tokens: Counter[str] = Counter()

        def ask(number: int) -> tuple[str, int]:
            form, model = PAIRS[number % len(PAIRS)]
            answer = ai.ask(form, model, f"word {number} " * (number % 9 + 1))
            assert answer.status_code == 200
            return model, used(form, answer.json())

        with ThreadPoolExecutor(16) as pool:
            for model, total in pool.map(ask, range(150)):
                tokens[model] += total
        for model in MODELS:
            answer = ai.ask("chat", model, stream=True, **INCLUDED)
            [usage] = [json.loads(one[6:])["usage"] for one in answer.text.splitlines() if '"usage":{' in one]
            tokens[model] += usage["total_tokens"]
        # Azure answers in the end, and only it is accounted for, with two tries.
        failed_over = ai.ask("chat", "gpt-4o", headers={"x-stub-status": "503", "x-stub-for": "openai"})
        tokens["gpt-4o"] += used("chat", failed_over.json())
        assert ai.ask("chat", "nova-pro", headers={"x-stub-status": "500"}).status_code == 500
        assert ai.ask("messages", "unheard-of").status_code == 404
        found = await_rows(path, lambda found: len(found) >= 158)
    assert len(found) == 158
    assert {(one.model, one.backend) for one in found if one.outcome == "ok"} == {
        *((model, f"{service}.default") for model, service in MODELS.items()),
        ("gpt-4o", "azure.default"),
    }
    assert {one.attempts for one in found if one.backend == "azure.default"} == {2}
    assert [(one.model, one.status) for one in found if one.outcome == "error"] == [("nova-pro", 500)]
    models = summed(path, "model")
    assert {model: models[model]["total"] for model in MODELS} == dict(tokens)
    assert {model: models[model]["costs"]["llm_total_token"] for model in MODELS} == dict(tokens)
    assert sum(one["requests"] for one in models.values()) == 158
    assert summed(path, "backend")["azure.default"]["requests"] == 1
    assert not any(one.estimated for one in found)


def test_clients_that_hang_up_are_accounted_for(tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    with ai_gateway(companions=CompanionOptions(usage=path)) as ai:
        for form, model in PAIRS:
            hang_up(ai, form, model)
        found = await_rows(path, lambda found: len(found) >= len(PAIRS))
    assert Counter((one.model, one.outcome) for one in found) == {(model, "hung_up"): 3 for model in MODELS}
    assert all(one.estimated and one.stream and one.total_tokens for one in found)


def test_the_last_requests_before_the_end_are_kept(tmp_path: Path) -> None:
    """Also those that were answered right before the run was told to end."""
    for number in range(2):
        path = tmp_path / f"{number}.db"
        with ai_gateway(companions=CompanionOptions(usage=path)) as ai:
            answers = [ai.ask(form, model).status_code for form, model in PAIRS[::4]]
        assert answers == [200] * 4
        assert len(rows(path)) == 4


def test_lines_and_metrics_agree_with_the_answers(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    port = PORT + find_offset((PORT,))
    with ai_gateway(access_log=str(log), companions=CompanionOptions(metrics_port=port)) as ai:
        totals = {(form, model): used(form, ai.ask(form, model).json()) for form, model in PAIRS}
        ai.ask("chat", "claude-sonnet-5", stream=True)
        ai.ask("chat", "gpt-4o", headers={"x-stub-status": "401"})
        deadline = time.monotonic() + DEADLINE
        while _counted(page := httpx2.get(f"http://127.0.0.1:{port}/metrics").text) < len(PAIRS) + 2:
            assert time.monotonic() < deadline, page
    lines = [json.loads(one) for one in log.read_text().splitlines()]
    assert len(lines) == len(PAIRS) + 2
    endpoints = {"chat": "chat", "responses": "responses", "messages": "messages"}
    for (form, model), line in zip(totals, lines, strict=False):
        assert (line["endpoint"], line["model"], line["status"]) == (endpoints[form], model, 200)
        assert line["total_tokens"] or line["input_tokens"] + line["output_tokens"] == totals[form, model]
        assert line["costs"]["llm_total_token"] == totals[form, model]
    assert lines[-1]["status"] == 401
    durations = [line for line in page.splitlines() if line.startswith("gen_ai_server_request_duration_seconds_count")]
    assert any('gen_ai_original_model="nova-pro"' in one for one in durations), durations
    assert any('error_type="' in one for one in durations), durations
    assert "gen_ai_server_time_to_first_token_seconds_count" in page
    assert "gen_ai_client_token_usage" in page
    adapted = [one for one in page.splitlines() if one.startswith("anygate_adapter_requests_total{")]
    assert any('client="openai.chat",backend="Anthropic",outcome="answered"' in one for one in adapted), adapted


def _counted(page: str) -> int:
    counts = [one for one in page.splitlines() if one.startswith("gen_ai_server_request_duration_seconds_count")]
    return round(sum(float(one.rsplit(" ", 1)[1]) for one in counts))


def test_traffic_does_not_need_the_services_and_recording_resumes(tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    with run_manifests(path=AI, ports=(PORT,), companions=CompanionOptions(usage=path)) as running:
        ai = Gateway(running, PORT)
        with ai.client:
            assert ai.ask("chat", "gpt-4o").status_code == 200
            await_rows(path, lambda found: len(found) == 1)
            [pid] = ai.pids("services")
            os.kill(pid, signal.SIGKILL)
            for number in range(100):
                assert ai.ask(*PAIRS[number % len(PAIRS)]).status_code == 200
            running.await_word("warning: the service")
            deadline = time.monotonic() + DEADLINE
            before = len(rows(path))
            while len(rows(path)) <= before + 5:
                assert ai.ask("messages", "nova-pro").status_code == 200
                assert time.monotonic() < deadline
