"""Requests in each client format, without an SDK in between, and what every answer to them has to look like."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
from running import DEADLINE, Running, run_manifests

AI = Path(__file__).parents[2] / "examples" / "ai"
PORT = 1975
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/anthropic/v1/messages"}
MODELS = {
    "gpt-4o": "openai",
    "claude-sonnet-5": "anthropic",
    "nova-pro": "bedrock",
    "gemini-2.5-flash": "vertex",
    "command-a-03-2025": "cohere",
}
NATIVE = {("chat", "gpt-4o"), ("responses", "gpt-4o"), ("messages", "claude-sonnet-5")}
PAIRS = [(form, model) for form in PATHS for model in MODELS]
# One that no Python touches and one that is translated, for each format.
BOTH_WAYS = [(form, model) for form in PATHS for model in ("gpt-4o", "claude-sonnet-5")]
ERRORS = {"messages": "anthropic", "count_tokens": "anthropic", "rerank": "cohere"}


def request(form: str, model: Any, text: str = "hello", **fields: Any) -> dict[str, Any]:
    """A request in a client's format."""
    if form == "responses":
        return {"model": model, "input": text, **fields}
    made = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
    return {"max_tokens": 64, **made} if form == "messages" else made


def told(form: str, answer: Mapping[str, Any]) -> str:
    """The text of an answer."""
    if form == "chat":
        return str(answer["choices"][0]["message"]["content"])
    blocks = answer["content"] if form == "messages" else answer["output"][-1]["content"]
    return "".join(block["text"] for block in blocks if block["type"] in ("text", "output_text"))


def used(form: str, answer: Mapping[str, Any]) -> int:
    """The tokens that an answer says it used in all."""
    usage = answer["usage"]
    return int(usage.get("total_tokens") or usage["input_tokens"] + usage["output_tokens"])


class Stream(NamedTuple):
    """What came of a stream: its text, whether it ended as its format says, and the error event if there was one."""

    text: str
    is_whole: bool
    error: Mapping[str, Any] | None


def read_stream(form: str, text: str) -> Stream:
    """Read a stream strictly: every event is complete, known to the format, and nothing follows its end."""
    assert not text or text.endswith("\n\n"), text[-200:]
    found: list[str] = []
    error: Mapping[str, Any] | None = None
    ended = False
    for event in text.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in event.splitlines() if not line.startswith(":"))
        if not fields:
            continue
        assert not ended, f"{event!r} after the end"
        if fields["data"] == "[DONE]":
            assert form == "chat"
            ended = True
            continue
        said = json.loads(fields["data"])
        if form == "chat":
            found += [one["delta"].get("content") or "" for one in said.get("choices", ())]
        else:
            assert fields["event"] == said["type"]
            found += _delta(form, said)
        if said.get("type") == "error" or "error" in said or said.get("type") == "response.failed":
            error = said
        ended = said.get("type") in ("message_stop", "response.completed", "response.failed")
    return Stream("".join(found), ended and error is None, error)


def _delta(form: str, said: Mapping[str, Any]) -> list[str]:
    if form == "responses":
        return [said["delta"]] if said["type"] == "response.output_text.delta" else []
    return [said["delta"].get("text", "")] if said["type"] == "content_block_delta" else []


def check_error(form: str, answer: httpx2.Response) -> str:
    """An error in the client's own format; its message."""
    assert answer.headers["content-type"].partition(";")[0] == "application/json", (answer.status_code, answer.text)
    return check_error_body(form, answer.json())


def check_error_body(form: str, body: Any) -> str:
    """Likewise, of a body that is read already."""
    wanted = ERRORS.get(form, "openai")
    if wanted == "cohere":
        assert isinstance(body["message"], str)
        return str(body["message"])
    error = body["error"]
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["type"], str)
    if wanted == "anthropic":
        assert body["type"] == "error"
    else:
        assert {"param", "code"} <= error.keys()
    return str(error["message"])


class Gateway:
    """The examples for AI, or other manifests, served with stubs; a client beside them."""

    def __init__(self, running: Running, port: int) -> None:
        self.running = running
        self.url = running.url(port)
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=50)
        self.client = httpx2.Client(base_url=self.url, timeout=DEADLINE, limits=limits)

    def ask(self, form: str, model: Any, text: str = "hello", headers: Any = None, **fields: Any) -> httpx2.Response:
        """Ask and read the whole answer."""
        return self.client.post(PATHS[form], json=request(form, model, text, **fields), headers=headers)

    def send(self, form: str, content: bytes, **headers: str) -> httpx2.Response:
        """Post bytes as they are. Names of headers have underscores for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(PATHS[form], content=content, headers={"content-type": "application/json", **named})

    @property
    def folder(self) -> Path:
        """The run's own folder."""
        assert self.running.session.folder is not None
        return self.running.session.folder.path

    def processes(self) -> dict[int, str]:
        """The processes of the run by their ids: envoy, adapter, services or mcp."""
        folder = str(self.folder)
        found = {}
        for path in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
            for pid in map(int, path.read_text().split()):
                words = _command(pid)
                if any(folder in word for word in words):
                    found[pid] = _kind(words)
        return found

    def pids(self, kind: str) -> list[int]:
        """The ids of the processes of a kind."""
        return [pid for pid, found in self.processes().items() if found == kind]


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


def _kind(words: list[str]) -> str:
    modules = {"anygate.adapter": "adapter", "anygate.services": "services", "anygate.adapter.mcp": "mcp"}
    return next((modules[word] for word in words if word in modules), "envoy")


@contextmanager
def ai_gateway(*texts: str, port: int = PORT, path: Path | None = None, **options: Any) -> Iterator[Gateway]:
    """Serve manifests, the examples by default, and end with the same processes and no complaint from any."""
    chosen = None if texts else path or AI
    with run_manifests(*texts, path=chosen, ports=(port,), **options) as running:
        found = Gateway(running, port)
        before = found.processes()
        with found.client:
            yield found
            assert found.processes() == before
        words = [running.told.get() for _ in range(running.told.qsize())]
        assert [one for one in words if one.startswith(("warning", "envoy"))] == []
