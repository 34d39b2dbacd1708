"""Azure OpenAI: deployments in the path, an API version in the query, a key of its own."""

import re
from collections.abc import Callable

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.openai import audio, errors, models
from anygate.stubs.providers.openai.chat import answer_chat
from anygate.stubs.providers.openai.completions import answer_completion
from anygate.stubs.providers.openai.embeddings import answer_embedding
from anygate.stubs.providers.openai.images import answer_edit, answer_image
from anygate.stubs.providers.openai.provider import OpenAI
from anygate.stubs.providers.openai.responses import answer_response, count_input
from anygate.stubs.providers.outcome import Outcome, encode
from anygate.stubs.providers.provider import INVALID_KEY, Endpoint, Route
from anygate.stubs.providers.rejection import Rejection
from anygate.stubs.vendor import Vendor

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?|preview|latest|v1")
_DEPLOYED: dict[str, Callable[[Call, str], Outcome]] = {
    "completions": answer_completion,
    "embeddings": answer_embedding,
    "images/generations": answer_image,
    "images/edits": answer_edit,
    "audio/speech": lambda call, deployment: audio.answer_speech(call),
    "audio/transcriptions": audio.answer_transcription,
    "audio/translations": audio.answer_translation,
}


class AzureOpenAI(OpenAI):
    """https://learn.microsoft.com/azure/ai-foundry/openai/reference; OpenAI's own paths under `/openai/v1`."""

    vendor: Vendor = "azure-openai"

    def __init__(self, *, is_open: bool = False, prefix: str = "openai") -> None:
        root = prefix.strip("/")
        super().__init__(is_open=is_open, prefix=f"{root}/v1")
        cache = self.cache

        def at(path: str) -> re.Pattern[str]:
            return re.compile(f"/{re.escape(root)}/{path}")

        deployed = [
            ("POST", at(f"deployments/([^/]+)/{path}"), _require_version(_deploy(answer)))
            for path, answer in _DEPLOYED.items()
        ]
        self._routes = (
            *self._routes,
            *deployed,
            (
                "POST",
                at("deployments/([^/]+)/chat/completions"),
                _require_version(lambda call, match: answer_chat(call, cache, _find_deployment(match))),
            ),
            ("POST", at("responses"), _require_version(lambda call, _: answer_response(call, cache))),
            ("POST", at("responses/input_tokens"), _require_version(lambda call, _: count_input(call))),
            ("GET", at("models"), _require_version(lambda call, _: models.list_models())),
        )

    def routes(self) -> tuple[Route, ...]:
        """Return the paths under `/openai`."""
        return self._routes

    def check_credentials(self, call: Call) -> None:
        """Require an API key or an Entra token."""
        kind, _, token = call.headers.get("authorization", "").partition(" ")
        key = call.headers.get("api-key") or (token if kind.lower() == "bearer" else "")
        if not key.strip() or key.strip() == INVALID_KEY:
            message = (
                "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key "
                "for an active subscription and use a correct regional API endpoint for your resource."
            )
            raise Rejection(401, "", message, None, "401")

    def reject_route(self, call: Call, methods: tuple[str, ...]) -> Rejection:
        """Return the gateway's 404."""
        return Rejection(404, "", "Resource not found", None, "404")

    def render_error(self, rejection: Rejection, call: Call | None) -> bytes:
        """Return OpenAI's error, or the shorter one of the service in front of it."""
        if rejection.kind:
            return errors.render_error(rejection, call)
        return encode({"error": {"code": rejection.code, "message": rejection.message}})

    def list_headers(self, call: Call, rejection: Rejection | None) -> tuple[tuple[str, str], ...]:
        """Return the headers of every answer."""
        return (
            ("apim-request-id", call.name("", 32)),
            ("x-ms-region", "Stub"),
            ("x-ratelimit-remaining-requests", "0" if rejection is not None and rejection.status == 429 else "999"),
        )


def _deploy(answer: Callable[[Call, str], Outcome]) -> Endpoint:
    return lambda call, match: answer(call, _find_deployment(match))


def _require_version(endpoint: Endpoint) -> Endpoint:
    def answer(call: Call, match: re.Match[str]) -> Outcome:
        # The service answers a missing or unknown version as if the path did not exist.
        if not _VERSION.fullmatch(call.query.get("api-version", "")):
            raise Rejection(404, "", "Resource not found", None, "404")
        return endpoint(call, match)

    return answer


def _find_deployment(match: re.Match[str]) -> str:
    name = match[1]
    if name.startswith("no-such-"):
        message = (
            "The API deployment for this resource does not exist. If you created the deployment within the last 5 "
            "minutes, please wait a moment and try again."
        )
        raise Rejection(404, "", message, None, "DeploymentNotFound")
    return name
