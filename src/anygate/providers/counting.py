"""Token counting for Anthropic clients at every backend that counts (spec TC1)."""

import re
from base64 import b64encode
from typing import Any

import msgspec

from anygate.providers import endpoints
from anygate.providers.anthropic import errors as anthropic_errors
from anygate.providers.anthropic.read_request import read_request
from anygate.providers.bedrock import read_answer as bedrock
from anygate.providers.bedrock import write_request as bedrock_request
from anygate.providers.conversion import Conversion, StreamPipe
from anygate.providers.formats import BackendFormat
from anygate.providers.gemini import read_answer as gemini
from anygate.providers.gemini import write_request as gemini_request
from anygate.providers.hosted_claude import beta_headers
from anygate.providers.json_text import parse_answer, parse_request, render
from anygate.providers.refusal import ErrorReply, bad_answer, not_expressible
from anygate.providers.relay import AnthropicRelay, read_model
from anygate.providers.rewrite import rewrite_top_level
from anygate.providers.setting import Upstream

_GEOGRAPHY = re.compile(r"^[a-z]+(-[a-z]+)*\.(?=anthropic\.)")
_JSON = [("content-type", "application/json")]


class _CountShape(msgspec.Struct, rename="camel"):
    input_tokens: int | None = None
    total_tokens: int | None = None


_COUNT = msgspec.json.Decoder(_CountShape)


class AnthropicCounting(AnthropicRelay):
    """Claude counts for itself, at Anthropic and on Vertex."""

    def convert_request(self, body: bytes) -> Upstream:
        """Vertex keeps the model in the body, without its version suffix."""
        setting = self.setting
        wanted = read_model(body)
        model = setting.choose_model(wanted.model)
        headers = list(_JSON)
        if setting.backend.format is BackendFormat.GCP_ANTHROPIC:
            model = model.removesuffix("@default").removesuffix("@latest")
            path = endpoints.vertex_count_path(setting.backend)
        else:
            path = f"/{setting.backend.prefix.strip('/') or 'v1'}/messages/count_tokens"
            headers.append(("anthropic-version", setting.headers.get("anthropic-version", "2023-06-01")))
        headers += beta_headers(setting)
        if model != wanted.model:
            body = rewrite_top_level(body, model=model)
        return Upstream("POST", path, headers, body, False)

    def convert_answer(self, body: bytes) -> bytes:
        """Untouched."""
        return body


class ConvertedCounting(Conversion):
    """Bedrock's CountTokens and Gemini's countTokens."""

    def convert_request(self, body: bytes) -> Upstream:
        """The request as the backend would get it, wrapped for counting."""
        setting = self.setting
        values = parse_request(body)
        if setting.backend.format is BackendFormat.AWS_ANTHROPIC:
            return self._count_invoke(values)
        values.setdefault("max_tokens", 1)
        values["stream"] = False
        request = read_request(values, setting.losses)
        model = setting.choose_model(request.model)
        if setting.backend.format is BackendFormat.AWS_BEDROCK:
            written = bedrock_request.write_request(request, model, setting.losses)
            kept = {name: written[name] for name in ("messages", "system", "toolConfig") if name in written}
            path = endpoints.bedrock_path(_GEOGRAPHY.sub("", model), "count-tokens")
            return Upstream("POST", path, list(_JSON), render({"input": {"converse": kept}}), False)
        return self._count_gemini(gemini_request.write_request(request, model, setting.losses), model)

    def _count_invoke(self, values: dict[str, Any]) -> Upstream:
        model = values.pop("model", None)
        if type(model) is not str or not model:
            raise not_expressible("model", "expected a model name")
        model = self.setting.choose_model(model)
        values.pop("stream", None)
        values.setdefault("max_tokens", 1)
        values["anthropic_version"] = self.setting.backend.version or "bedrock-2023-05-31"
        inner = b64encode(render(values)).decode()
        path = endpoints.bedrock_path(_GEOGRAPHY.sub("", model), "count-tokens")
        return Upstream("POST", path, list(_JSON), render({"input": {"invokeModel": {"body": inner}}}), False)

    def _count_gemini(self, written: dict[str, Any], model: str) -> Upstream:
        body: dict[str, Any]
        if self.setting.backend.format is BackendFormat.GEMINI:
            body = {"generateContentRequest": {"model": f"models/{model}", **written}}
        else:
            body = {name: written[name] for name in ("contents", "systemInstruction", "tools") if name in written}
        return Upstream(
            "POST", endpoints.gemini_path(self.setting.backend, model, "countTokens"), list(_JSON), render(body), False
        )

    def convert_answer(self, body: bytes) -> bytes:
        """`{input_tokens}`."""
        shape = parse_answer(_COUNT, body)
        count = shape.total_tokens if shape.input_tokens is None else shape.input_tokens
        if count is None:
            raise bad_answer("it has no count")
        return render({"input_tokens": count})

    def open_stream(self) -> StreamPipe:
        """Counting does not stream."""
        raise bad_answer("a count came as a stream")

    def read_error(self, status: int, body: bytes) -> ErrorReply | None:
        """AWS's or Google's error."""
        kind = self.setting.answer_headers.get("x-amzn-errortype", "")
        return (
            gemini.read_error(status, body)
            or bedrock.read_error(status, body, kind)
            or anthropic_errors.read_error(status, body)
        )
