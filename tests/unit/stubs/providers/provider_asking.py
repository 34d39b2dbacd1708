"""Asks a provider without a connection."""

import json
from dataclasses import dataclass
from typing import Any

from anygate.stubs import Vendor
from anygate.stubs.body_meter import BodyMeter
from anygate.stubs.echo import Answer, Backend, EchoRequest
from anygate.stubs.providers.answering import ProviderAnswerer
from anygate.stubs.providers.registry import make_provider

BACKEND = Backend("llm", "ai")
SIGNED = (
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/bedrock/aws4_request, "
    f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
)
CREDENTIALS: dict[Vendor, dict[str, str]] = {
    "openai": {"authorization": "Bearer k"},
    "azure-openai": {"api-key": "k"},
    "anthropic": {"x-api-key": "k", "anthropic-version": "2023-06-01"},
    "aws-bedrock": {"authorization": SIGNED, "x-amz-date": "20260101T000000Z"},
    "gemini": {"x-goog-api-key": "k"},
    "vertex-ai": {"authorization": "Bearer k"},
    "cohere": {"authorization": "Bearer k"},
    "ollama": {},
}
VERTEX = "/v1/projects/p/locations/l/publishers"
CHAT_PATHS: dict[Vendor, str] = {
    "openai": "/v1/chat/completions",
    "azure-openai": "/openai/deployments/gpt/chat/completions?api-version=2024-10-21",
    "anthropic": "/v1/messages",
    "aws-bedrock": "/model/anthropic.claude-v9/converse",
    "gemini": "/v1beta/models/gemini-2.5-flash:generateContent",
    "vertex-ai": f"{VERTEX}/google/models/gemini-2.5-flash:generateContent",
    "cohere": "/v2/chat",
    "ollama": "/api/chat",
}


@dataclass
class Asked:
    """An answer, joined."""

    status: int
    headers: dict[str, str]
    body: bytes
    parts: list[bytes]
    is_cut: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Talks to one vendor; the provider behind it keeps its memory."""

    def __init__(self, vendor: Vendor, **options: Any) -> None:
        self.vendor: Vendor = vendor
        self._answerer = ProviderAnswerer(make_provider(vendor, **options))

    def ask(
        self, path: str | None, body: Any = b"", *, method: str = "POST", bare: bool = False, **headers: str
    ) -> Asked:
        """Send `body` with credentials unless `bare`; underscores in header names stand for dashes."""
        sent = {} if bare else dict(CREDENTIALS[self.vendor])
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        meter = BodyMeter(self._answerer.keeps)
        meter.feed(raw)
        target = CHAT_PATHS[self.vendor] if path is None else path
        request = EchoRequest(method, target, "stub", "HTTP/1.1", tuple(sent.items()))
        answer: Answer = self._answerer.answer(BACKEND, request, meter.read())
        parts = list(answer.pieces())
        return Asked(answer.status, dict(answer.headers), b"".join(parts), parts, answer.is_cut)
