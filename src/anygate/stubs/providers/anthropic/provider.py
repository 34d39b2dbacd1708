"""Anthropic as a whole: its paths, its headers, its errors."""

import re

from anygate.stubs.providers.anthropic import errors
from anygate.stubs.providers.anthropic.fields import COUNT, MESSAGES
from anygate.stubs.providers.anthropic.messages import answer_messages, refuse_unknown_model, stream_message
from anygate.stubs.providers.anthropic.prompt import read_prompt
from anygate.stubs.providers.anthropic.versions import VERSIONS, check_version
from anygate.stubs.providers.call import Call
from anygate.stubs.providers.fields import FieldFault, read_fields
from anygate.stubs.providers.outcome import Json, Outcome, build_json
from anygate.stubs.providers.provider import INVALID_KEY, Provider, Route
from anygate.stubs.providers.rejection import Rejection
from anygate.stubs.vendor import Vendor

_MODELS = ("claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5")


class Anthropic(Provider):
    """https://docs.claude.com/en/api/overview."""

    vendor: Vendor = "anthropic"

    def __init__(self, *, is_open: bool = False, prefix: str = "v1") -> None:
        super().__init__(is_open=is_open)
        root = f"/{re.escape(prefix.strip('/'))}"
        self._routes: tuple[Route, ...] = (
            ("POST", re.compile(f"{root}/messages"), lambda call, _: self._answer(call)),
            ("POST", re.compile(f"{root}/messages/count_tokens"), lambda call, _: _count(call)),
            ("GET", re.compile(f"{root}/models"), lambda call, _: _list_models(call)),
            ("GET", re.compile(f"{root}/models/([^/]+)"), lambda call, match: _show_model(call, match[1])),
        )

    def routes(self) -> tuple[Route, ...]:
        """Return the paths under the prefix."""
        return self._routes

    def check_credentials(self, call: Call) -> None:
        """Require an API key or an OAuth token."""
        kind, _, token = call.headers.get("authorization", "").partition(" ")
        # Where both are sent the API key counts.
        key = call.headers.get("x-api-key", "").strip() or (token.strip() if kind.lower() == "bearer" else "")
        if not key:
            raise errors.reject("x-api-key header is required", 401)
        if key == INVALID_KEY:
            raise errors.reject("invalid x-api-key", 401)

    def reject_route(self, call: Call, methods: tuple[str, ...]) -> Rejection:
        """Return 405 where another method would do, 404 elsewhere."""
        if methods:
            return errors.reject("Method Not Allowed", 405)
        return errors.reject("Not found", 404)

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
        """Return the headers of every answer, and what is left of the rate limit."""
        left = "0" if rejection is not None and rejection.status == 429 else "999"
        return (
            ("request-id", call.name("req_")),
            ("anthropic-organization-id", "00000000-0000-4000-8000-000000000000"),
            ("anthropic-ratelimit-requests-limit", "1000"),
            ("anthropic-ratelimit-requests-remaining", left),
        )

    def _answer(self, call: Call) -> Outcome:
        version = _require_version(call)
        request = read_fields(call.body, MESSAGES)
        check_version(request, version)
        message = answer_messages(call, request, request.model, self.cache)
        return stream_message(message, call.orders.chunks) if request.stream else build_json(message)


def _require_version(call: Call) -> str:
    version = call.headers.get("anthropic-version")
    if version is None:
        raise errors.reject("anthropic-version: header is required")
    if version not in VERSIONS:
        raise errors.reject(f'anthropic-version: "{version}" is not a valid version')
    return version


def _count(call: Call) -> Outcome:
    version = _require_version(call)
    request = read_fields(call.body, COUNT)
    check_version(request, version)
    refuse_unknown_model(request.model)
    return build_json({"input_tokens": read_prompt(request, request.model).tokens})


def _list_models(call: Call) -> Outcome:
    _require_version(call)
    listed = [_build_model(name) for name in _MODELS]
    return build_json({"data": listed, "has_more": False, "first_id": _MODELS[0], "last_id": _MODELS[-1]})


def _show_model(call: Call, name: str) -> Outcome:
    _require_version(call)
    refuse_unknown_model(name)
    return build_json(_build_model(name))


def _build_model(name: str) -> Json:
    shown = name.replace("-", " ").title()
    return {"type": "model", "id": name, "display_name": shown, "created_at": "2025-11-24T00:00:00Z"}
