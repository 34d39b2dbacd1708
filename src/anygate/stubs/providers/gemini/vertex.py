"""Vertex AI: projects and locations in the path, OAuth tokens, Claude next to Gemini.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude
"""

import re

from anygate.stubs.providers.anthropic import errors as anthropic_errors
from anygate.stubs.providers.anthropic.fields import VERTEX, VERTEX_COUNT
from anygate.stubs.providers.anthropic.messages import answer_messages, stream_message
from anygate.stubs.providers.anthropic.prompt import read_prompt
from anygate.stubs.providers.anthropic.versions import check_version
from anygate.stubs.providers.call import Call
from anygate.stubs.providers.fields import FieldFault, read_fields
from anygate.stubs.providers.gemini import embeddings, errors
from anygate.stubs.providers.gemini.generate import refuse_unknown_model
from anygate.stubs.providers.gemini.provider import Gemini, call_model
from anygate.stubs.providers.outcome import Outcome, build_json
from anygate.stubs.providers.provider import INVALID_KEY
from anygate.stubs.providers.rejection import Rejection
from anygate.stubs.vendor import Vendor

_VERSION = r"/v1(?:beta1)?/projects/[^/]+/locations/[^/]+/publishers/"
_COUNTING_MODEL = "count-tokens"


class VertexAI(Gemini):
    """https://{location}-aiplatform.googleapis.com."""

    vendor: Vendor = "vertex-ai"

    def __init__(self, *, is_open: bool = False) -> None:
        super().__init__(is_open=is_open)
        google = f"{_VERSION}google/models/"
        claude = f"{_VERSION}anthropic/models/"
        self._routes = (
            *self.list_methods(google),
            ("POST", re.compile(f"{google}([^/:]+):predict"), call_model(embeddings.predict)),
            ("POST", re.compile(f"{claude}([^/:]+):rawPredict"), call_model(self._ask_claude)),
            ("POST", re.compile(f"{claude}([^/:]+):streamRawPredict"), call_model(self._stream_claude)),
        )

    def check_credentials(self, call: Call) -> None:
        """Require an OAuth token, or the API key of express mode."""
        kind, _, token = call.headers.get("authorization", "").partition(" ")
        key = call.headers.get("x-goog-api-key") or (token.strip() if kind.lower() == "bearer" else "")
        if not key or key == INVALID_KEY:
            what = (
                "is missing required authentication credential" if not key else "had invalid authentication credentials"
            )
            message = (
                f"Request {what}. Expected OAuth 2 access token, login cookie or other valid authentication "
                "credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
            )
            raise errors.reject(message, 401, "CREDENTIALS_MISSING" if not key else "ACCESS_TOKEN_TYPE_UNSUPPORTED")

    def reject_field(self, fault: FieldFault, call: Call) -> Rejection:
        """Return the error of a field: Claude reports its own."""
        if "/publishers/anthropic/" in call.path:
            return anthropic_errors.reject_field(fault, call)
        return errors.reject_field(fault, call)

    def render_error(self, rejection: Rejection, call: Call | None) -> bytes:
        """Return the body of an error, in the words of who found it."""
        if rejection.kind.endswith("_error"):
            return anthropic_errors.render_error(rejection, call)
        return errors.render_error(rejection, call)

    def _ask_claude(self, call: Call, model: str) -> Outcome:
        if model == _COUNTING_MODEL:
            counted = read_fields(call.body, VERTEX_COUNT)
            return build_json({"input_tokens": read_prompt(counted, counted.model).tokens})
        refuse_unknown_model(model, call)
        request = read_fields(call.body, VERTEX)
        check_version(request, request.anthropic_version)
        message = answer_messages(call, request, model, self.cache)
        return stream_message(message, call.orders.chunks) if request.stream else build_json(message)

    def _stream_claude(self, call: Call, model: str) -> Outcome:
        refuse_unknown_model(model, call)
        request = read_fields(call.body, VERTEX)
        check_version(request, request.anthropic_version)
        return stream_message(answer_messages(call, request, model, self.cache), call.orders.chunks)
