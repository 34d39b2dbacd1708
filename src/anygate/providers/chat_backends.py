"""The chat side of every backend format: where to send, what to send, how to read what comes back."""

from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import msgspec

from anygate.providers import endpoints
from anygate.providers.anthropic import answers as anthropic_answers
from anygate.providers.anthropic import errors as anthropic_errors
from anygate.providers.anthropic import write_request as anthropic_request
from anygate.providers.anthropic.read_stream import MessageStreamReader
from anygate.providers.bedrock import read_answer as bedrock
from anygate.providers.bedrock import write_request as bedrock_request
from anygate.providers.chat import Answer, ChatRequest, OutputFormat, StreamWriter
from anygate.providers.chat.reader import StreamReader
from anygate.providers.cohere import read_answer as cohere
from anygate.providers.cohere import write_request as cohere_request
from anygate.providers.formats import BackendFormat, ClientFormat
from anygate.providers.framing import Frame, FrameDecoder, SseDecoder
from anygate.providers.gemini import read_answer as gemini
from anygate.providers.gemini import write_request as gemini_request
from anygate.providers.json_text import parse_answer
from anygate.providers.openai_chat import answers as openai_answers
from anygate.providers.openai_chat import errors as openai_errors
from anygate.providers.openai_chat import write_request as openai_request
from anygate.providers.openai_chat.read_stream import ChatStreamReader
from anygate.providers.refusal import ErrorReply, Refused
from anygate.providers.setting import Setting

Events = Iterator[tuple[str, bytes]]
ANTHROPIC_VERSION = {
    BackendFormat.AWS_ANTHROPIC: "bedrock-2023-05-31",
    BackendFormat.GCP_ANTHROPIC: "vertex-2023-10-16",
    BackendFormat.ANTHROPIC: "2023-06-01",
}


class ChatBackend(ABC):
    """One request's view of a backend that chats."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    @abstractmethod
    def write_request(self, request: ChatRequest, model: str) -> tuple[str, dict[str, Any]]:
        """Path and body."""

    @abstractmethod
    def read_answer(self, body: bytes) -> Answer:
        """A whole answer."""

    @abstractmethod
    def open_reader(self, writer: StreamWriter) -> StreamReader:
        """The reader of a stream."""

    @abstractmethod
    def read_error(self, status: int, body: bytes) -> ErrorReply | None:
        """The backend's own error."""

    def extra_headers(self) -> list[tuple[str, str]]:
        """Headers that the format demands."""
        return []

    @property
    def is_sse(self) -> bool:
        """Whether streams are server-sent events."""
        return type(self.open_framing()) is SseFraming

    def open_framing(self) -> "Framing":
        """How events are cut out of the stream."""
        return SseFraming()


class Framing(ABC):
    """Stream bytes to events."""

    @abstractmethod
    def feed(self, chunk: bytes) -> Events:
        """The events that the chunk completes."""

    @abstractmethod
    def finish(self) -> Events:
        """Events that the end of the stream completes."""


class SseFraming(Framing):
    """Server-sent events."""

    def __init__(self) -> None:
        self._decoder = SseDecoder()

    def feed(self, chunk: bytes) -> Events:
        """The decoder's events."""
        return iter(self._decoder.feed(chunk))

    def finish(self) -> Events:
        """The unterminated last event."""
        return iter(self._decoder.finish())


class ConverseFraming(Framing):
    """AWS event-stream frames named by their event or exception type."""

    def __init__(self) -> None:
        self._decoder = FrameDecoder()

    def feed(self, chunk: bytes) -> Events:
        """Frames as events."""
        for frame in self._decoder.feed(chunk):
            yield _name_frame(frame), frame.payload

    def finish(self) -> Events:
        """Frames end themselves."""
        return iter(())


class _BytesShape(msgspec.Struct):
    bytes: str = ""


_BYTES = msgspec.json.Decoder(_BytesShape)


class InvokeFraming(ConverseFraming):
    """Frames of InvokeModelWithResponseStream, each with one event of the model's own stream as base64 (spec OA16)."""

    def feed(self, chunk: bytes) -> Events:
        """The events inside."""
        for name, payload in super().feed(chunk):
            if name in bedrock.EXCEPTIONS:
                error = bedrock.read_exception(name, payload)
                raise Refused(error.status, error.message, kind=error.kind)
            if name == "chunk":
                try:
                    yield "", b64decode(parse_answer(_BYTES, payload).bytes, validate=True)
                except ValueError:
                    raise Refused(
                        502, "the provider's answer could not be read: broken base64", kind="api_error"
                    ) from None


def _name_frame(frame: Frame) -> str:
    headers = frame.headers
    if headers.get(":message-type") == "exception":
        name = headers.get(":exception-type", "internalServerException")
        return name if name in bedrock.EXCEPTIONS else "internalServerException"
    if headers.get(":message-type") == "error":
        return "internalServerException"
    return headers.get(":event-type", "")


class OpenAIBackend(ChatBackend):
    """OpenAI, Azure OpenAI and compatible servers."""

    def write_request(self, request: ChatRequest, model: str) -> tuple[str, dict[str, Any]]:
        """Chat completions."""
        backend = self.setting.backend
        body = openai_request.write_request(
            request, model, self.setting.losses, legacy_max_tokens=backend.legacy_max_tokens
        )
        return endpoints.openai_path(backend, ClientFormat.CHAT, model), body

    def read_answer(self, body: bytes) -> Answer:
        """A chat completion."""
        return openai_answers.read_answer(body, self.setting.now, self.setting.losses)

    def open_reader(self, writer: StreamWriter) -> StreamReader:
        """Chunks."""
        return ChatStreamReader(writer, self.setting.losses, self.setting.now)

    def read_error(self, status: int, body: bytes) -> ErrorReply | None:
        """OpenAI's error object."""
        return openai_errors.read_error(status, body)


class AnthropicBackend(ChatBackend):
    """Claude at Anthropic, on Bedrock InvokeModel or on Vertex rawPredict."""

    def write_request(self, request: ChatRequest, model: str) -> tuple[str, dict[str, Any]]:
        """A messages request with what the hosting wants in the body (spec OA1, OA2)."""
        backend = self.setting.backend
        kind = backend.format
        hosting = {BackendFormat.AWS_ANTHROPIC: "aws", BackendFormat.GCP_ANTHROPIC: "gcp"}.get(kind, "native")
        body = anthropic_request.write_request(request, model, self.setting.losses, hosting, backend.version)
        if hosting == "native":
            body = {"model": model, **body}
        else:
            body = {"anthropic_version": backend.version or ANTHROPIC_VERSION[kind], **body}
        if request.stream and hosting != "aws":
            body["stream"] = True
        return endpoints.anthropic_path(backend, model, request.stream), body

    def extra_headers(self) -> list[tuple[str, str]]:
        """Anthropic's own API wants its version in a header."""
        backend = self.setting.backend
        if backend.format is not BackendFormat.ANTHROPIC:
            return []
        return [("anthropic-version", backend.version or ANTHROPIC_VERSION[BackendFormat.ANTHROPIC])]

    def read_answer(self, body: bytes) -> Answer:
        """A message."""
        return anthropic_answers.read_answer(body, self.setting.now, self.setting.losses)

    def open_reader(self, writer: StreamWriter) -> StreamReader:
        """Message events."""
        return MessageStreamReader(writer, self.setting.losses, self.setting.now)

    def open_framing(self) -> Framing:
        """Frames on AWS, SSE elsewhere."""
        return InvokeFraming() if self.setting.backend.format is BackendFormat.AWS_ANTHROPIC else SseFraming()

    def read_error(self, status: int, body: bytes) -> ErrorReply | None:
        """Anthropic's error object, or AWS's (spec OA17)."""
        kind = self.setting.answer_headers.get("x-amzn-errortype")
        if kind:
            return bedrock.read_error(status, body, kind)
        error = anthropic_errors.read_error(status, body)
        if error is None and self.setting.backend.format is BackendFormat.GCP_ANTHROPIC:
            return gemini.read_error(status, body)
        return error


class ConverseBackend(ChatBackend):
    """Amazon Bedrock Converse."""

    def write_request(self, request: ChatRequest, model: str) -> tuple[str, dict[str, Any]]:
        """Converse or ConverseStream."""
        body = bedrock_request.write_request(request, model, self.setting.losses)
        return endpoints.bedrock_path(model, "converse-stream" if request.stream else "converse"), body

    def read_answer(self, body: bytes) -> Answer:
        """A Converse response; its id is the request's (spec OB11)."""
        return bedrock.read_answer(body, self.setting.now, self.setting.losses)

    def open_reader(self, writer: StreamWriter) -> StreamReader:
        """Converse events."""
        setting = self.setting
        answer_id = setting.request_id or setting.new_id("")
        return bedrock.ConverseStreamReader(writer, setting.losses, setting.now, answer_id, setting.model)

    def open_framing(self) -> Framing:
        """Frames."""
        return ConverseFraming()

    def read_error(self, status: int, body: bytes) -> ErrorReply | None:
        """AWS's error."""
        return bedrock.read_error(status, body, self.setting.answer_headers.get("x-amzn-errortype", ""))


class GeminiBackend(ChatBackend):
    """Gemini on Vertex AI and in AI Studio."""

    _bare: OutputFormat | None = None

    def write_request(self, request: ChatRequest, model: str) -> tuple[str, dict[str, Any]]:
        """generateContent or its stream."""
        shape = request.output_format
        self._bare = shape if shape is not None and shape.kind in ("choice", "pattern") else None
        body = gemini_request.write_request(request, model, self.setting.losses)
        action = "streamGenerateContent" if request.stream else "generateContent"
        return endpoints.gemini_path(self.setting.backend, model, action), body

    def read_answer(self, body: bytes) -> Answer:
        """A GenerateContentResponse."""
        setting = self.setting
        return gemini.read_answer(body, setting.now, setting.new_id, setting.losses, self._bare)

    def open_reader(self, writer: StreamWriter) -> StreamReader:
        """Response chunks."""
        setting = self.setting
        return gemini.GeminiStreamReader(writer, setting.losses, setting.now, setting.new_id, self._bare)

    def read_error(self, status: int, body: bytes) -> ErrorReply | None:
        """Google's error object."""
        return gemini.read_error(status, body)


class CohereBackend(ChatBackend):
    """Cohere v2."""

    def write_request(self, request: ChatRequest, model: str) -> tuple[str, dict[str, Any]]:
        """Chat v2."""
        body = cohere_request.write_request(request, model, self.setting.losses)
        return endpoints.cohere_path(self.setting.backend, "chat"), body

    def read_answer(self, body: bytes) -> Answer:
        """A v2 chat response."""
        return cohere.read_answer(body, self.setting.now, self.setting.losses)

    def open_reader(self, writer: StreamWriter) -> StreamReader:
        """v2 events."""
        return cohere.CohereStreamReader(writer, self.setting.losses, self.setting.now, self.setting.model)

    def read_error(self, status: int, body: bytes) -> ErrorReply | None:
        """Cohere's message."""
        return cohere.read_error(status, body)


CHAT_BACKENDS: dict[BackendFormat, type[ChatBackend]] = {
    BackendFormat.OPENAI: OpenAIBackend,
    BackendFormat.AZURE_OPENAI: OpenAIBackend,
    BackendFormat.AWS_OPENAI: OpenAIBackend,
    BackendFormat.ANTHROPIC: AnthropicBackend,
    BackendFormat.AWS_ANTHROPIC: AnthropicBackend,
    BackendFormat.GCP_ANTHROPIC: AnthropicBackend,
    BackendFormat.AWS_BEDROCK: ConverseBackend,
    BackendFormat.GCP_VERTEX_AI: GeminiBackend,
    BackendFormat.GEMINI: GeminiBackend,
    BackendFormat.COHERE: CohereBackend,
}
