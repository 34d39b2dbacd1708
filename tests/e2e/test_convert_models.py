"""Rules for models and what they are converted to, each on its own Envoy: the same requests, the same answers."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
import yaml
from running import DEADLINE, Running, run_manifests

from anygate.cli.app import main

EXAMPLES = Path(__file__).parents[2] / "examples"
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
KEY = "put-your-key-here"


class Pair(NamedTuple):
    """The source and what it was converted to, both served."""

    source: Running
    converted: Running

    def ask(self, port: int, path: str, model: str = "any", **headers: str) -> list[tuple[object, ...]]:
        """What both answer to a request: by whom, and with which model."""
        body = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        answers = [httpx2.post(one.url(port) + path, json=body, headers=headers, timeout=DEADLINE) for one in self]
        return [_show(answer) for answer in answers]


def _show(answer: httpx2.Response) -> tuple[object, ...]:
    backend = answer.headers.get("x-stub-backend", "").partition(".")[0].removesuffix("-443")
    said = answer.json() if answer.status_code == 200 else {}
    return answer.status_code, backend, said.get("model"), said.get("usage")


def convert(example: str, folder: Path, *options: str) -> None:
    """Convert an example, and make the Secrets that its report asks people for."""
    report = folder / "report.md"
    made = folder / "made"
    arguments = ["convert", str(EXAMPLES / example), "--to", "gateway-api", "-o", str(made), "--report", str(report)]
    assert main([*arguments, *options]) == 0
    secrets = [*_own_secrets(EXAMPLES / example), *_asked_secrets(report.read_text())]
    (made / "secrets.yaml").write_text(yaml.safe_dump_all(secrets))


def _own_secrets(path: Path) -> Iterator[dict[str, Any]]:
    for one in sorted(path.rglob("*.yaml")) if path.is_dir() else [path]:
        yield from (found for found in yaml.safe_load_all(one.read_text()) if found and found["kind"] == "Secret")


def _asked_secrets(report: str) -> Iterator[dict[str, Any]]:
    for line in report.splitlines():
        if line.startswith("- Secret/") and "--from-literal=" in line:
            _, namespace, name = line.removeprefix("- ").partition(":")[0].split("/")
            key = line.partition("--from-literal=")[2].partition("=")[0]
            value = f"Bearer {KEY}" if key == "credential" else KEY
            metadata = {"name": name, "namespace": namespace}
            yield {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {key: value}}


def serve(example: str, folder: Path, ports: Sequence[int], *options: str) -> Iterator[Pair]:
    convert(example, folder, *options)
    source = folder / "source"
    if (EXAMPLES / example).is_dir():
        shutil.copytree(EXAMPLES / example, source)
    else:
        source.mkdir()
        shutil.copy(EXAMPLES / example, source)
    with run_manifests(path=source, ports=ports) as one, run_manifests(path=folder / "made", ports=ports) as other:
        yield Pair(one, other)


@pytest.fixture(scope="module")
def failover(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    yield from serve("ai-failover.yaml", tmp_path_factory.mktemp("failover"), (1975,))


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    yield from serve("nantian-ai.yaml", tmp_path_factory.mktemp("services"), (1976,), "--allow-lossy")


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    yield from serve("nantian", tmp_path_factory.mktemp("limited"), (8080,), "--allow-lossy")


@pytest.mark.parametrize("path", [CHAT, "/v1/responses", "/v1/messages", "/v1/embeddings", "/v1/nothing"])
@pytest.mark.parametrize("model", ["gpt-4o", "gpt-9"])
def test_the_same_provider_answers(failover: Pair, path: str, model: str) -> None:
    before, after = failover.ask(1975, path, model)
    assert before == after
    assert (before[1] == "openai") == (model == "gpt-4o" and path != "/v1/nothing")


@pytest.mark.parametrize(
    ("status", "failing", "left"),
    [("503", "openai", "azure"), ("429", "openai,azure", "gemini"), ("400", "openai", "openai")],
)
def test_the_same_one_stands_in(failover: Pair, status: str, failing: str, left: str) -> None:
    headers = {"x-stub-status": status, "x-stub-for": failing}
    before, after = failover.ask(1975, CHAT, "gpt-4o", **headers)
    assert before == after
    assert before[1] == left


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_services_model_answers(services: Pair, path: str) -> None:
    before, after = services.ask(1976, path)
    assert before == after
    assert before[:3] == (200, "openai-gpt4o", "gpt-4o")


def test_a_services_key_is_put_on_and_the_clients_is_not(services: Pair) -> None:
    services.ask(1976, CHAT, authorization="Bearer sk-client")
    record = services.converted.await_request(lambda one: "sk-client" in str(one) or one.path == CHAT)
    assert dict(record.headers)["authorization"] == f"Bearer {KEY}"
    assert "sk-client" not in str(record)


def test_a_service_of_another_api_stands_in(services: Pair) -> None:
    failing = {"x-stub-status": "503", "x-stub-for": "openai-gpt4o,openai-gpt4o-443"}
    before, after = services.ask(1976, CHAT, **failing)
    assert before == after
    assert before[:2] == (200, "claude")


def test_what_is_no_ai_request_is_passed_on_with_the_key(services: Pair) -> None:
    answer = httpx2.get(services.converted.url(1976) + "/v1/files", headers={"authorization": "Bearer sk-client"})
    record = services.converted.await_request(lambda one: one.path == "/v1/files")
    assert dict(record.headers)["authorization"] == f"Bearer {KEY}"
    assert answer.headers["x-stub-backend"].startswith("openai-gpt4o")


def test_tokens_are_limited_afterwards(limited: Pair) -> None:
    before, after = limited.ask(8080, CHAT)
    assert before == after
    body = {
        "model": "any",
        "messages": [{"role": "user", "content": "a b c d e f g h i j k l m n o p q r s t u v w x"}],
    }
    url = limited.converted.url(8080) + CHAT
    statuses = [httpx2.post(url, json=body, timeout=DEADLINE).status_code for _ in range(40)]
    assert statuses[0] == 200
    assert 429 in statuses
