"""`anygate run` without a path: the providers whose keys are in the environment, on port 1975."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from filter_gateway import Answer, Upstream
from program import DEADLINE, Program, program, run_anygate
from running import find_offset

PORT = 1975
NOBODY = "127.0.0.1:1"
KEYS = {
    "OPENAI_API_KEY": "sk-secret-1",
    "ANTHROPIC_API_KEY": "sk-secret-2",
    "GEMINI_API_KEY": "sk-secret-3",
    "AWS_ACCESS_KEY_ID": "AKIA",
    "AWS_SECRET_ACCESS_KEY": "sk-secret-4",
    "AWS_REGION": "eu-west-1",
}
ANSWER = {"id": "1", "object": "chat.completion", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that the developer's own shell has are none of these tests' business."""
    for name in os.environ:
        if name.startswith(("OPENAI_", "ANTHROPIC_", "AZURE_", "AWS_", "GEMINI_", "GOOGLE_", "OLLAMA_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OLLAMA_HOST", NOBODY)


@contextmanager
def served(*options: str, **environment: str) -> Iterator[tuple[Program, str]]:
    offset = find_offset([PORT])
    with program("run", *options, f"--port-offset={offset}", **environment) as started:
        started.out.await_line("ready")
        yield started, f"http://127.0.0.1:{PORT + offset}"


def chat(url: str, model: str) -> httpx2.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    return httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=DEADLINE)


def test_every_provider_of_the_environment_is_served_with_stubs() -> None:
    with served("--stub=all", **KEYS) as (running, url):
        answers = {
            model: chat(url, model)
            for model in ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "eu.anthropic.claude-x", "amazon.nova-pro")
        }
        assert {model: (one.status_code, one.headers["x-stub-backend"]) for model, one in answers.items()} == {
            "gpt-4o": (200, "openai.default"),
            "claude-sonnet-4-5": (200, "anthropic.default"),
            "gemini-2.5-flash": (200, "gemini.default"),
            "eu.anthropic.claude-x": (200, "bedrock.default"),
            "amazon.nova-pro": (200, "bedrock.default"),
        }
        lost = chat(url, "unknown-model")
        assert (lost.status_code, "error" in lost.json()) == (404, True)
        running.process.terminate()
        assert running.await_exit() == 0
        said = running.out.rest() + running.err.rest() + "".join(running.out.seen)
    assert "from the environment: OpenAI, Anthropic, Google Gemini, Amazon Bedrock in eu-west-1" in said
    assert "secret" not in said
    assert "error" not in said


def test_a_server_of_ones_own_gets_the_key_and_the_path() -> None:
    def answer(request: dict[str, Any]) -> Answer:
        assert request["path"] == "/api/v1/chat/completions"
        return 200, {"content-type": "application/json"}, json.dumps(ANSWER).encode()

    with Upstream("own", answer) as own:
        base = f"http://127.0.0.1:{own.port}/api/v1"
        with served(OPENAI_API_KEY="sk-secret-1", OPENAI_BASE_URL=base, OPENAI_ORG_ID="org-1") as (_, url):
            assert chat(url, "Qwen/Qwen3-8B").status_code == 200
        headers = own.seen[-1]["headers"]
        assert headers["authorization"] == "Bearer sk-secret-1"
        assert headers["openai-organization"] == "org-1"
        assert not [name for name in headers if name.startswith(("x-ai-eg-", "x-anygate-"))]


def test_a_local_ollama_is_found_with_its_models() -> None:
    def answer(request: dict[str, Any]) -> Answer:
        tags = {"models": [{"name": "llama3.2:latest"}]}
        found = tags if request["path"] == "/api/tags" else {**ANSWER, "model": json.loads(request["body"])["model"]}
        return 200, {"content-type": "application/json"}, json.dumps(found).encode()

    with Upstream("ollama", answer) as ollama, served(OLLAMA_HOST=f"127.0.0.1:{ollama.port}") as (running, url):
        assert chat(url, "llama3.2").json()["model"] == "llama3.2"
        assert chat(url, "other").json()["model"] == "other"
        assert ollama.seen[-1]["path"] == "/v1/chat/completions"
        assert "authorization" not in ollama.seen[-1]["headers"]
        listed = httpx2.get(f"{url}/v1/models", timeout=DEADLINE).json()
        assert sorted(one["id"] for one in listed["data"]) == ["llama3.2", "llama3.2:latest"]
        running.err.await_line("from the environment: Ollama with 1 model")


def test_nothing_in_the_environment_is_a_usage_error() -> None:
    done = run_anygate("run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: name a file or folder to run, or - for standard input\nhint: ")
    assert "  OPENAI_API_KEY " in done.stderr


def test_what_is_shown_is_a_start_for_files() -> None:
    done = run_anygate("run", "--show-config", **KEYS)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert "secret-" not in done.stdout
    checked = run_anygate("check", "-", stdin=done.stdout)
    assert (checked.returncode, checked.stdout) == (0, "")
    refused = run_anygate("run", "--show-config", "examples")
    assert refused.returncode == 2
