"""Ollama as a whole: its own paths and OpenAI's: https://docs.ollama.com/api and https://docs.ollama.com/openai."""

import re
from collections.abc import Callable
from dataclasses import replace

import msgspec

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.fields import FieldFault
from anygate.stubs.providers.ollama.chat import answer_chat, list_tags
from anygate.stubs.providers.openai import models
from anygate.stubs.providers.openai.chat import answer_chat as answer_openai_chat
from anygate.stubs.providers.openai.chat_fields import ChatRequest
from anygate.stubs.providers.openai.completions import CompletionRequest, answer_completion
from anygate.stubs.providers.openai.embeddings import EmbeddingRequest, answer_embedding
from anygate.stubs.providers.openai.errors import reject_field, render_error
from anygate.stubs.providers.outcome import Outcome, build_json, encode
from anygate.stubs.providers.provider import Endpoint, Provider, Route
from anygate.stubs.providers.rejection import Rejection
from anygate.stubs.vendor import Vendor


class Ollama(Provider):
    """A server that asks for no credentials."""

    vendor: Vendor = "ollama"

    def __init__(self, *, is_open: bool = False) -> None:
        super().__init__(is_open=is_open)
        cache = self.cache
        self._routes: tuple[Route, ...] = (
            ("POST", re.compile("/api/chat"), lambda call, _: answer_chat(call)),
            ("GET", re.compile("/api/tags"), lambda call, _: list_tags()),
            ("GET", re.compile("/api/version"), lambda call, _: build_json({"version": "0.12.0"})),
            ("POST", re.compile("/v1/chat/completions"), _loosen(ChatRequest, lambda c: answer_openai_chat(c, cache))),
            ("POST", re.compile("/v1/completions"), _loosen(CompletionRequest, answer_completion)),
            ("POST", re.compile("/v1/embeddings"), _loosen(EmbeddingRequest, answer_embedding)),
            ("GET", re.compile("/v1/models"), lambda call, _: models.list_models()),
            ("GET", re.compile("/v1/models/(.+)"), lambda call, match: models.show_model(match[1])),
        )

    def routes(self) -> tuple[Route, ...]:
        """Return both kinds of paths."""
        return self._routes

    def check_credentials(self, call: Call) -> None:
        """Take everybody."""

    def reject_route(self, call: Call, methods: tuple[str, ...]) -> Rejection:
        """Return the router's 404 or 405."""
        return Rejection(405, "", "method not allowed") if methods else Rejection(404, "", "404 page not found")

    def reject_field(self, fault: FieldFault, call: Call) -> Rejection:
        """Return the error of a field."""
        if call.path.startswith("/v1/"):
            return reject_field(fault, call)
        if fault.kind == "malformed":
            return Rejection(400, "", fault.got)
        message = (
            f"json: cannot unmarshal {fault.got} into Go struct field ChatRequest.{fault.path} of type {fault.expected}"
        )
        return Rejection(400, "", message)

    def reject_status(self, status: int, call: Call) -> Rejection:
        """Return the error that goes with `status`."""
        return Rejection(status, "", "server busy, please try again" if status == 503 else f"ordered status {status}")

    def render_error(self, rejection: Rejection, call: Call | None) -> bytes:
        """Return the body of an error."""
        if call is not None and call.path.startswith("/v1/"):
            kind = rejection.kind or ("not_found_error" if rejection.status == 404 else "api_error")
            return render_error(replace(rejection, kind=kind), call)
        return encode({"error": rejection.message})


def _loosen(kind: type[msgspec.Struct], answer: Callable[[Call], Outcome]) -> Endpoint:
    """Drop the fields that OpenAI would refuse before its rules are applied."""
    known = set(kind.__struct_fields__)

    def endpoint(call: Call, match: re.Match[str]) -> Outcome:
        try:
            document = msgspec.json.decode(call.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return answer(call)
        if isinstance(document, dict):
            call = replace(call, body=encode({key: value for key, value in document.items() if key in known}))
        return answer(call)

    return endpoint
