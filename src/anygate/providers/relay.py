"""Passing one format through to a backend of the same format: bytes stay, only usage is read along."""

import re

import msgspec

from anygate.providers import endpoints
from anygate.providers.anthropic import errors as anthropic_errors
from anygate.providers.anthropic.shapes import EVENT, MESSAGE, UsageTally
from anygate.providers.anthropic.shapes import UsageShape as AnthropicUsage
from anygate.providers.bedrock import read_answer as bedrock
from anygate.providers.chat_backends import InvokeFraming
from anygate.providers.cohere import read_answer as cohere
from anygate.providers.conversion import Conversion, ModelOnly, StreamPipe
from anygate.providers.formats import BackendFormat, ClientFormat
from anygate.providers.framing import FramingFault, SseDecoder, encode_event
from anygate.providers.gemini import read_answer as gemini
from anygate.providers.hosted_claude import beta_headers, wrap_body
from anygate.providers.json_text import parse_request
from anygate.providers.openai_chat import errors as openai_errors
from anygate.providers.openai_chat.shapes import COMPLETION, read_usage
from anygate.providers.refusal import ErrorReply, Refused, bad_request
from anygate.providers.rewrite import rewrite_top_level
from anygate.providers.setting import Setting, Upstream
from anygate.providers.stream_ends import end_stream
from anygate.providers.usage import Usage

_MODEL = msgspec.json.Decoder(ModelOnly)
_BOUNDARY = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_FINISHED = re.compile(rb'"finish_reason"\s*:\s*"')
_LAST_EVENTS = (b"message_stop", b"response.completed", b"response.incomplete", b"response.failed", b"error")


class _ResponsesUsage(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens_details: dict[str, int | None] | None = None
    output_tokens_details: dict[str, int | None] | None = None


class _ResponseShape(msgspec.Struct, gc=False):
    model: str | None = None
    usage: _ResponsesUsage | None = None
    response: "_ResponseShape | None" = None


class _RerankTokens(msgspec.Struct, gc=False):
    tokens: cohere.TokensShape | None = None


class _RerankShape(msgspec.Struct, gc=False):
    meta: _RerankTokens | None = None


_RESPONSE = msgspec.json.Decoder(_ResponseShape)
_RERANK = msgspec.json.Decoder(_RerankShape)


def keeps_body_model(backend: BackendFormat, client: ClientFormat | None) -> bool:
    """Whether the model in the body stays the client's, because the path names the one to use (spec AZ2)."""
    return backend is BackendFormat.AZURE_OPENAI and client in (ClientFormat.CHAT, ClientFormat.COMPLETIONS)


def read_model(body: bytes) -> ModelOnly:
    """The model of a request, or a 400 that says what is wrong with it."""
    try:
        return _MODEL.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        value = parse_request(body)
        kind = "it is missing" if "model" not in value else "it is not a string"
        problem = kind if type(value.get("model")) is not str else "the field `stream` is not a boolean"
        raise bad_request("model", problem) from None


_SAYING_USAGE = (ClientFormat.CHAT, ClientFormat.COMPLETIONS)
"""Whose streams tell their usage only to those who ask for it."""


class UsageTap:
    """Reads usage and model out of passing answers; what cannot be read is none of its business."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._tally = UsageTally()

    def read_answer(self, body: bytes) -> None:
        """A whole answer."""
        try:
            self._read(body, streamed=False)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return

    def read_event(self, payload: bytes) -> None:
        """One stream event; only those that mention usage cost a decode."""
        if b'"usage"' not in payload:
            return
        try:
            self._read(payload, streamed=True)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return

    def _read(self, body: bytes, *, streamed: bool) -> None:
        client = self._setting.client
        if client is ClientFormat.MESSAGES:
            self._read_message(body, streamed)
        elif client in (ClientFormat.RESPONSES, ClientFormat.RESPONSES_INPUT_TOKENS):
            self._read_response(_RESPONSE.decode(body))
        elif client is ClientFormat.RERANK:
            meta = _RERANK.decode(body).meta
            if meta is not None and meta.tokens is not None:
                self._add(cohere.read_usage(cohere.UsageShape(tokens=meta.tokens)), None)
        else:
            shape = COMPLETION.decode(body)
            if shape.usage is not None:
                self._add(read_usage(shape.usage), shape.model)

    def _read_message(self, body: bytes, streamed: bool) -> None:
        if not streamed:
            message = MESSAGE.decode(body)
            self._add(self._tally.add(message.usage or AnthropicUsage()), message.model)
            return
        event = EVENT.decode(body)
        usage = event.message.usage if event.message else event.usage
        if usage is not None:
            self._add(self._tally.add(usage), event.message.model if event.message else None)

    def _read_response(self, shape: _ResponseShape) -> None:
        inner = shape.response or shape
        usage = inner.usage
        if usage is None:
            return
        cached, reasoning = usage.input_tokens_details or {}, usage.output_tokens_details or {}
        found = Usage(
            input=usage.input_tokens,
            output=usage.output_tokens,
            total=usage.total_tokens,
            cached=cached.get("cached_tokens"),
            cache_creation=cached.get("cache_write_tokens"),
            reasoning=reasoning.get("reasoning_tokens"),
        )
        self._add(found, inner.model)

    def _add(self, usage: Usage, model: str | None) -> None:
        self._setting.usage.replace_with(usage)
        if model:
            self._setting.model = model


class RelayPipe(StreamPipe):
    """Passes whole events on as they came, so that an upstream dying mid-event cannot leave half of one at the
    client.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._tap = UsageTap(setting)
        self._decoder = SseDecoder()
        self._held = bytearray()
        self._events = 0
        self._ended = False

    def feed(self, chunk: bytes) -> bytes:
        """Everything up to the last complete event."""
        try:
            self._watch(self._decoder.feed(chunk))
        except FramingFault as fault:
            return self.fail(ErrorReply(502, f"the provider's stream could not be read: {fault}", kind="api_error"))
        held = self._held
        scanned = max(0, len(held) - 3)
        held += chunk
        cut = 0
        for match in _BOUNDARY.finditer(held, scanned):
            cut = match.end()
        out = bytes(held[:cut])
        del held[:cut]
        return out

    def finish(self) -> bytes:
        """The rest, or the client's error event when the stream is cut short."""
        rest = bytes(self._held)
        self._held.clear()
        self._watch(self._decoder.finish())
        if self._ended:
            return rest
        return self.fail(ErrorReply(502, "the provider closed the stream before its end", kind="api_error"))

    def fail(self, error: ErrorReply) -> bytes:
        """An error event in the client's format."""
        if self._ended:
            return b""
        self._ended = True
        self._held.clear()
        return end_stream(self._setting.client, error, self._events)

    def _watch(self, events: list[tuple[str, bytes]]) -> None:
        for name, payload in events:
            self._events += 1
            self._tap.read_event(payload)
            if name:
                self._ended = self._ended or name.encode() in _LAST_EVENTS
            elif payload == b"[DONE]" or _FINISHED.search(payload):
                self._ended = True


class Relay(Conversion):
    """OpenAI and its look-alikes, Azure, Cohere rerank: the path changes, and where needed the model."""

    def convert_request(self, body: bytes) -> Upstream:
        """The client's bytes; Azure chat keeps the client's model in the body (spec AZ2)."""
        setting = self.setting
        wanted = read_model(body)
        model = setting.choose_model(wanted.model)
        if not model:
            raise bad_request("model", "the model is empty")
        kept = keeps_body_model(setting.backend.format, setting.client)
        renamed = model if setting.backend.model is not None and model != wanted.model and not kept else None
        asked = setting.counted and bool(wanted.stream) and setting.client in _SAYING_USAGE
        if renamed is not None or asked:
            body = rewrite_top_level(body, model=renamed, include_usage=asked)
        if setting.client is ClientFormat.RERANK:
            path = endpoints.cohere_path(setting.backend, "rerank")
        else:
            path = endpoints.openai_path(setting.backend, setting.client, model)
        return Upstream("POST", path, [("content-type", "application/json")], body, bool(wanted.stream))

    def convert_answer(self, body: bytes) -> bytes:
        """Untouched."""
        UsageTap(self.setting).read_answer(body)
        return body

    def open_stream(self) -> StreamPipe:
        """Untouched but watched."""
        return RelayPipe(self.setting)

    def read_error(self, status: int, body: bytes) -> ErrorReply | None:
        """The backend's error."""
        if self.setting.client is ClientFormat.RERANK:
            return cohere.read_error(status, body)
        return openai_errors.read_error(status, body)

    def relays_error(self, status: int, body: bytes) -> bool:
        """JSON errors pass untouched (spec OO1)."""
        return self.read_error(status, body) is not None


class AnthropicRelay(Conversion):
    """Anthropic messages to Claude anywhere (spec AA1-AA4): nested bytes stay, only top-level fields come and go."""

    def convert_request(self, body: bytes) -> Upstream:
        """The body with what the hosting wants."""
        setting = self.setting
        wanted = read_model(body)
        model = setting.choose_model(wanted.model)
        stream = bool(wanted.stream)
        headers = [("content-type", "application/json")]
        if setting.backend.format is BackendFormat.ANTHROPIC:
            if model != wanted.model:
                body = rewrite_top_level(body, model=model)
            version = setting.headers.get("anthropic-version") or setting.backend.version or "2023-06-01"
            headers += [("anthropic-version", version), *beta_headers(setting)]
        else:
            body = wrap_body(setting, body)
            headers += beta_headers(setting)
        return Upstream("POST", endpoints.anthropic_path(setting.backend, model, stream), headers, body, stream)

    def convert_answer(self, body: bytes) -> bytes:
        """Untouched."""
        UsageTap(self.setting).read_answer(body)
        return body

    def open_stream(self) -> StreamPipe:
        """Untouched, or unwrapped from AWS frames."""
        return (
            UnwrapPipe(self.setting)
            if self.setting.backend.format is BackendFormat.AWS_ANTHROPIC
            else RelayPipe(self.setting)
        )

    def read_error(self, status: int, body: bytes) -> ErrorReply | None:
        """Anthropic's, AWS's or Google's error."""
        kind = self.setting.answer_headers.get("x-amzn-errortype")
        if kind:
            return bedrock.read_error(status, body, kind)
        return anthropic_errors.read_error(status, body) or gemini.read_error(status, body)

    def relays_error(self, status: int, body: bytes) -> bool:
        """Anthropic's own errors pass untouched."""
        return body.lstrip().startswith(b"{") and b'"type"' in body and _is_anthropic_error(status, body)


def _is_anthropic_error(status: int, body: bytes) -> bool:
    error = anthropic_errors.read_error(status, body)
    return error is not None and bool(error.kind)


class UnwrapPipe(StreamPipe):
    """AWS frames to the SSE events inside, with their `event:` lines (spec AA2)."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._tap = UsageTap(setting)
        self._framing = InvokeFraming()
        self._ended = False

    def feed(self, chunk: bytes) -> bytes:
        """The events that the chunk completes."""
        if self._ended:
            return b""
        out = []
        try:
            for _, payload in self._framing.feed(chunk):
                name = _event_type(payload)
                self._tap.read_event(payload)
                out.append(encode_event(payload, name))
                self._ended = self._ended or name in ("message_stop", "error")
        except Refused as refused:
            out.append(self.fail(refused.reply))
        except FramingFault as fault:
            out.append(
                self.fail(ErrorReply(502, f"the provider's stream could not be read: {fault}", kind="api_error"))
            )
        return b"".join(out)

    def finish(self) -> bytes:
        """Nothing after `message_stop`, an error event before."""
        return self.fail(ErrorReply(502, "the provider closed the stream before its end", kind="api_error"))

    def fail(self, error: ErrorReply) -> bytes:
        """An error event."""
        if self._ended:
            return b""
        self._ended = True
        return end_stream(self._setting.client, error, 0)


class _TypeOnly(msgspec.Struct, gc=False):
    type: str = ""


_TYPE = msgspec.json.Decoder(_TypeOnly)


def _event_type(payload: bytes) -> str:
    try:
        return _TYPE.decode(payload).type
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Refused(502, "the provider's answer could not be read: an event is not JSON", kind="api_error") from None
