"""A wire case is a folder: a client's request, what the provider answered, and everything the conversion made of both.

`request.json` and `answer.{json,sse,bin,html}` are inputs, `case.json` says what differs from a plain 200; the other
files are outputs. `ANYGATE_UPDATE=1 pytest tests/wire` rewrites the outputs.
"""

import itertools
import json
from pathlib import Path
from typing import Any

from anygate.providers import Backend, BackendFormat, ClientFormat, Exchange, Refusal

HERE = Path(__file__).parent
CLIENTS = {
    "chat": ClientFormat.CHAT,
    "responses": ClientFormat.RESPONSES,
    "messages": ClientFormat.MESSAGES,
    "count": ClientFormat.COUNT_TOKENS,
    "embeddings": ClientFormat.EMBEDDINGS,
    "rerank": ClientFormat.RERANK,
}
BACKENDS = {
    "openai": Backend(format=BackendFormat.OPENAI, model="gpt-5.2"),
    "azure": Backend(format=BackendFormat.AZURE_OPENAI, version="2025-04-01-preview", model="my-deployment"),
    "anthropic": Backend(format=BackendFormat.ANTHROPIC, model="claude-opus-4-6"),
    "aws-anthropic": Backend(format=BackendFormat.AWS_ANTHROPIC, model="us.anthropic.claude-opus-4-6-v1:0"),
    "gcp-anthropic": Backend(
        format=BackendFormat.GCP_ANTHROPIC, model="claude-opus-4-6", project="acme", region="europe-west1"
    ),
    "bedrock": Backend(format=BackendFormat.AWS_BEDROCK, model="us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    "gemini": Backend(format=BackendFormat.GEMINI, model="gemini-3-pro-preview"),
    "vertex": Backend(
        format=BackendFormat.GCP_VERTEX_AI, model="gemini-2.5-flash", project="acme", region="us-central1"
    ),
    "cohere": Backend(format=BackendFormat.COHERE, model="command-a-reasoning-08-2025"),
}
EMBEDDING_MODELS = {
    "bedrock": "amazon.titan-embed-text-v2:0",
    "gemini": "gemini-embedding-001",
    "vertex": "text-embedding-005",
    "cohere": "embed-v4.0",
    "openai": "text-embedding-3-small",
    "azure": "embed-deployment",
}
CONTENT_TYPES = {
    ".json": "application/json",
    ".sse": "text/event-stream",
    ".bin": "application/vnd.amazon.eventstream",
    ".html": "text/html; charset=utf-8",
}


def find_cases() -> list[Path]:
    return sorted(path.parent for path in HERE.glob("*_to_*/*/request.json"))


def open_exchange(folder: Path) -> Exchange:
    client_name, _, backend_name = folder.parent.name.partition("_to_")
    client, backend = CLIENTS[client_name], BACKENDS[backend_name]
    values = {name: getattr(backend, name) for name in backend.__struct_fields__}
    if client is ClientFormat.EMBEDDINGS:
        values["model"] = EMBEDDING_MODELS[backend_name]
    values.update(read_settings(folder).get("backend", {}))
    counter = itertools.count(1)
    headers = read_settings(folder).get("request_headers", {})
    return Exchange(
        client, Backend(**values), headers=headers, clock=lambda: 1_767_225_600.0, new_id=lambda: f"{next(counter):04d}"
    )


def read_settings(folder: Path) -> dict[str, Any]:
    path = folder / "case.json"
    return json.loads(path.read_text()) if path.exists() else {}


def find_answer(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob("answer.*"))), None)


def run_case(folder: Path, chunk_size: int = 0) -> dict[str, bytes]:
    """Every output file's bytes; `chunk_size` cuts the provider's answer into pieces, 0 leaves it whole."""
    exchange = open_exchange(folder)
    settings = read_settings(folder)
    outputs: dict[str, bytes] = {}
    upstream = exchange.convert_request((folder / "request.json").read_bytes())
    if isinstance(upstream, Refusal):
        outputs["client.json"] = _pretty({"status": upstream.status, "body": json.loads(upstream.body)})
        return outputs | _render_losses(exchange)
    sent = {"method": upstream.method, "path": upstream.path, "headers": dict(upstream.headers)}
    outputs["upstream.json"] = _pretty({**sent, "stream": upstream.stream, "body": json.loads(upstream.body)})
    answer = find_answer(folder)
    if answer is None:
        return outputs | _render_losses(exchange)
    headers = {"content-type": CONTENT_TYPES[answer.suffix], **settings.get("headers", {})}
    exchange.start_response(settings.get("status", 200), list(headers.items()))
    body = answer.read_bytes()
    size = chunk_size or max(1, len(body))
    pieces = [exchange.feed(body[at : at + size]) for at in range(0, len(body), size)]
    pieces.append(exchange.fail(settings["fail"]) if "fail" in settings else exchange.finish())
    written = b"".join(pieces)
    if exchange.buffered:
        outputs["client.json"] = _pretty({"status": exchange.status, "body": json.loads(written)})
    else:
        outputs["client.sse"] = written
    usage = exchange.usage
    known = {name: getattr(usage, name) for name in usage.__struct_fields__ if getattr(usage, name) is not None}
    outputs["usage.json"] = _pretty({"model": exchange.response_model, **known})
    return outputs | _render_losses(exchange)


def _render_losses(exchange: Exchange) -> dict[str, bytes]:
    lines = [f"{loss.path}: {loss.sentence}\n" for loss in exchange.losses]
    return {"losses.txt": "".join(lines).encode()} if lines else {}


def _pretty(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"
