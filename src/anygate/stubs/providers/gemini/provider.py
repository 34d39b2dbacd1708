"""Gemini through AI Studio: its paths, its keys, its errors: https://ai.google.dev/api."""

import re
from collections.abc import Callable
from urllib.parse import unquote

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.fields import FieldFault
from anygate.stubs.providers.gemini import embeddings, errors, generate
from anygate.stubs.providers.outcome import Json, Outcome, build_json
from anygate.stubs.providers.provider import INVALID_KEY, Endpoint, Provider, Route
from anygate.stubs.providers.rejection import Rejection
from anygate.stubs.vendor import Vendor

_MODELS = ("gemini-2.5-flash", "gemini-2.5-pro", "gemini-3-pro-preview", "gemini-embedding-001")


class Gemini(Provider):
    """https://generativelanguage.googleapis.com."""

    vendor: Vendor = "gemini"

    def __init__(self, *, is_open: bool = False) -> None:
        super().__init__(is_open=is_open)
        self._routes: tuple[Route, ...] = (
            *self.list_methods(r"/v1(?:beta|alpha)?/models/"),
            ("GET", re.compile(r"/v1(?:beta|alpha)?/models"), lambda call, _: _list_models()),
            ("GET", re.compile(r"/v1(?:beta|alpha)?/models/([^/:]+)"), lambda call, match: _show_model(call, match[1])),
        )

    def list_methods(self, root: str) -> tuple[Route, ...]:
        """Return the methods of Google's own models under `root`."""
        cache = self.cache
        methods: dict[str, Callable[[Call, str], Outcome]] = {
            "generateContent": lambda call, model: generate.generate(call, model, cache),
            "streamGenerateContent": lambda call, model: generate.stream_generate(call, model, cache),
            "countTokens": generate.count,
            "embedContent": embeddings.embed,
            "batchEmbedContents": embeddings.embed_batch,
        }
        return tuple(
            ("POST", re.compile(f"{root}([^/:]+):{method}"), call_model(answer)) for method, answer in methods.items()
        )

    def routes(self) -> tuple[Route, ...]:
        """Return the methods."""
        return self._routes

    def check_credentials(self, call: Call) -> None:
        """Require an API key, in a header or the query."""
        key = call.headers.get("x-goog-api-key") or call.query.get("key", "")
        if not key and not call.headers.get("authorization"):
            message = (
                "Method doesn't allow unregistered callers (callers without established identity). Please use API Key "
                "or other form of API consumer identity to call this API."
            )
            raise errors.reject(message, 403)
        if key == INVALID_KEY:
            raise errors.reject("API key not valid. Please pass a valid API key.", 400, errors.INVALID_KEY_REASON)

    def reject_route(self, call: Call, methods: tuple[str, ...]) -> Rejection:
        """Return Google's 404."""
        return errors.reject("Method not found.", 404)

    def reject_field(self, fault: FieldFault, call: Call) -> Rejection:
        """Return the error of a field."""
        return errors.reject_field(fault, call)

    def reject_status(self, status: int, call: Call) -> Rejection:
        """Return the error that goes with `status`."""
        return errors.reject_status(status)

    def render_error(self, rejection: Rejection, call: Call | None) -> bytes:
        """Return the body of an error."""
        return errors.render_error(rejection, call)

    def list_headers(self, call: Call, rejection: Rejection | None) -> tuple[tuple[str, str], ...]:
        """Return the headers of every answer."""
        return (("server", "scaffolding on HTTPServer2"), ("vary", "Origin"), ("x-frame-options", "SAMEORIGIN"))


def call_model(answer: Callable[[Call, str], Outcome]) -> Endpoint:
    """Return an endpoint for a method whose path names the model first."""
    return lambda call, match: answer(call, unquote(match[1]))


def _list_models() -> Outcome:
    return build_json({"models": [_build_model(name) for name in _MODELS]})


def _show_model(call: Call, name: str) -> Outcome:
    generate.refuse_unknown_model(name, call)
    return build_json(_build_model(name))


def _build_model(name: str) -> Json:
    methods = ["embedContent"] if "embedding" in name else ["generateContent", "countTokens"]
    limits = {"inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536}
    return {"name": f"models/{name}", "version": "001", **limits, "supportedGenerationMethods": methods}
