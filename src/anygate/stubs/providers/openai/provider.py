"""OpenAI as a whole: its paths, its credentials, its errors."""

import re

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.fields import FieldFault
from anygate.stubs.providers.openai import audio, errors, models
from anygate.stubs.providers.openai.chat import answer_chat
from anygate.stubs.providers.openai.completions import answer_completion
from anygate.stubs.providers.openai.embeddings import answer_embedding
from anygate.stubs.providers.openai.images import answer_edit, answer_image
from anygate.stubs.providers.openai.responses import answer_response, count_input
from anygate.stubs.providers.provider import INVALID_KEY, Provider, Route
from anygate.stubs.providers.rejection import Rejection
from anygate.stubs.vendor import Vendor

_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
    "(i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're accessing the "
    "API from your browser and are prompted for a username and password. You can obtain an API key from "
    "https://platform.openai.com/account/api-keys."
)


class OpenAI(Provider):
    """https://platform.openai.com/docs/api-reference."""

    vendor: Vendor = "openai"

    def __init__(self, *, is_open: bool = False, prefix: str = "v1") -> None:
        super().__init__(is_open=is_open)
        root = "/" + re.escape(prefix.strip("/"))
        cache = self.cache

        def at(path: str) -> re.Pattern[str]:
            return re.compile(f"{root}/{path}".replace("//", "/"))

        self._routes: tuple[Route, ...] = (
            ("POST", at("chat/completions"), lambda call, _: answer_chat(call, cache)),
            ("POST", at("completions"), lambda call, _: answer_completion(call)),
            ("POST", at("embeddings"), lambda call, _: answer_embedding(call)),
            ("POST", at("responses"), lambda call, _: answer_response(call, cache)),
            ("POST", at("responses/input_tokens"), lambda call, _: count_input(call)),
            ("POST", at("images/generations"), lambda call, _: answer_image(call)),
            ("POST", at("images/edits"), lambda call, _: answer_edit(call)),
            ("POST", at("audio/speech"), lambda call, _: audio.answer_speech(call)),
            ("POST", at("audio/transcriptions"), lambda call, _: audio.answer_transcription(call)),
            ("POST", at("audio/translations"), lambda call, _: audio.answer_translation(call)),
            ("GET", at("models"), lambda call, _: models.list_models()),
            ("GET", at("models/(.+)"), lambda call, match: models.show_model(match[1])),
        )

    def routes(self) -> tuple[Route, ...]:
        """Return the paths under the prefix."""
        return self._routes

    def check_credentials(self, call: Call) -> None:
        """Require a bearer token."""
        kind, _, key = call.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not key.strip():
            raise errors.reject(_NO_KEY, status=401)
        if key.strip() == INVALID_KEY:
            message = (
                f"Incorrect API key provided: {key.strip()}. You can find your API key at "
                "https://platform.openai.com/account/api-keys."
            )
            raise errors.reject(message, None, "invalid_api_key", 401)

    def reject_route(self, call: Call, methods: tuple[str, ...]) -> Rejection:
        """Return 405 where another method would do, 404 elsewhere."""
        if methods:
            message = (
                f"Not allowed to {call.method} on {call.path}. (HINT: Perhaps you meant to use a different HTTP "
                "method?)"
            )
            return errors.reject(message, None, "method_not_supported", 405)
        return errors.reject(f"Invalid URL ({call.method} {call.path})", None, None, 404)

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
        left = "0" if rejection is not None and rejection.status == 429 else "9999"
        return (
            ("x-request-id", call.name("req_")),
            ("openai-version", "2020-10-01"),
            ("openai-processing-ms", "1"),
            ("x-ratelimit-limit-requests", "10000"),
            ("x-ratelimit-remaining-requests", left),
            ("x-ratelimit-reset-requests", "1s"),
        )
