"""Cohere v2 chat answers, streams and errors to canonical ones."""

from typing import Any

import msgspec

from anygate.providers.chat import Answer, Choice, Reasoning, RefusalText, StopReason, StreamWriter, Text, ToolCall
from anygate.providers.chat.reader import CITATIONS, StreamReader, truncated
from anygate.providers.json_text import parse_answer, parse_value
from anygate.providers.losses import Losses
from anygate.providers.refusal import ErrorReply, bad_answer, shorten
from anygate.providers.usage import Usage


class TokensShape(msgspec.Struct, gc=False):
    """UsageTokens; Cohere writes counts as floats."""

    input_tokens: float | None = None
    output_tokens: float | None = None


class UsageShape(msgspec.Struct, gc=False):
    """Usage: `tokens` are the model's, `billed_units` leave out what Cohere adds itself."""

    tokens: TokensShape | None = None
    billed_units: TokensShape | None = None
    cached_tokens: float | None = None


class FunctionShape(msgspec.Struct, gc=False):
    """A called function."""

    name: str | None = None
    arguments: str | None = None


class CallShape(msgspec.Struct, gc=False):
    """A tool call."""

    id: str | None = None
    function: FunctionShape | None = None


class ContentShape(msgspec.Struct, gc=False):
    """A content item or the delta of one."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None


class MessageShape(msgspec.Struct, gc=False):
    """An answer's message, or a delta, in which lists are single objects."""

    content: list[ContentShape] | ContentShape | str | None = None
    tool_calls: list[CallShape] | CallShape | None = None
    tool_plan: str | None = None
    citations: Any = None


class DeltaShape(msgspec.Struct, gc=False):
    """The delta of a stream event."""

    message: MessageShape | None = None
    finish_reason: str | None = None
    usage: UsageShape | None = None
    error: str | None = None


class EventShape(msgspec.Struct, gc=False):
    """A stream event."""

    type: str = ""
    id: str | None = None
    index: int | None = None
    delta: DeltaShape | None = None


class ChatShape(msgspec.Struct, gc=False):
    """V2ChatResponse."""

    id: str | None = None
    finish_reason: str | None = None
    message: MessageShape | None = None
    usage: UsageShape | None = None
    logprobs: Any = None


CHAT: "msgspec.json.Decoder[ChatShape]" = msgspec.json.Decoder(ChatShape)
EVENT: "msgspec.json.Decoder[EventShape]" = msgspec.json.Decoder(EventShape)
_STOPS: dict[str, StopReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop_sequence",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}
_FAILED = {"ERROR": 500, "TIMEOUT": 504}


def read_usage(shape: UsageShape) -> Usage:
    """The model's tokens, or the billed ones where only those are sent."""
    tokens = shape.tokens or shape.billed_units or TokensShape()
    return Usage(
        input=_count(tokens.input_tokens), output=_count(tokens.output_tokens), cached=_count(shape.cached_tokens)
    )


def _count(value: float | None) -> int | None:
    return None if value is None else int(value)


def read_answer(body: bytes, created: int, losses: Losses) -> Answer:
    """A whole answer; Cohere does not repeat the model."""
    shape = parse_answer(CHAT, body)
    if shape.message is None:
        raise bad_answer("it has no message")
    if shape.message.citations:
        losses.add("answer.message.citations", CITATIONS)
    word = shape.finish_reason or "COMPLETE"
    choice = Choice(
        parts=_read_parts(shape.message),
        stop=_STOPS.get(word, "stop"),
        stop_detail=None if word in _STOPS else word,
        logprobs=_read_logprobs(shape.logprobs),
    )
    usage = read_usage(shape.usage) if shape.usage else Usage()
    return Answer(answer_id=shape.id or "", model="", created=created, choices=[choice], usage=usage)


def _read_parts(message: MessageShape) -> list[Text | Reasoning | RefusalText | ToolCall]:
    parts: list[Text | Reasoning | RefusalText | ToolCall] = []
    if message.tool_plan:
        parts.append(Reasoning(message.tool_plan))
    content = message.content
    if isinstance(content, str):
        content = ContentShape(text=content)
    for item in content if isinstance(content, list) else [content]:
        if item is not None and item.thinking:
            parts.append(Reasoning(item.thinking))
        elif item is not None and item.text:
            parts.append(Text(item.text))
    calls = message.tool_calls
    for at, call in enumerate(calls if isinstance(calls, list) else [calls]):
        if call is not None:
            function = call.function or FunctionShape()
            parts.append(ToolCall(call.id or f"call_{at}", function.name or "", function.arguments or "{}"))
    return parts


def _read_logprobs(items: Any) -> dict[str, Any] | None:
    """LogprobItem: the text of a chunk and one number per token; OpenAI's list wants a text per token."""
    if type(items) is not list:
        return None
    content = []
    for item in items:
        scores = item.get("logprobs") if type(item) is dict else None
        if type(scores) is list and len(scores) == 1:
            token = str(item.get("text", ""))
            content.append({"token": token, "logprob": scores[0], "bytes": list(token.encode()), "top_logprobs": []})
    return {"content": content, "refusal": None} if content else None


class CohereStreamReader(StreamReader):
    """Events in; the plan that precedes calls reads as a thought."""

    plain_mark = b'"content-delta"'

    def __init__(self, writer: StreamWriter, losses: Losses, created: int, model: str) -> None:
        super().__init__(writer, losses)
        self.model = model
        self._created = created
        self._slot = -1
        self._slots: dict[int, int] = {}
        self._stopped = False

    def feed(self, name: str, payload: bytes) -> None:
        """One SSE event."""
        if payload == b"[DONE]":
            return
        event = parse_answer(EVENT, payload)
        kind = event.type
        delta = event.delta or DeltaShape()
        if kind == "message-start":
            self.writer.start(event.id or "", self.model, self._created)
        elif kind == "message-end":
            self._read_end(delta)
        elif delta.message is not None:
            self._read_message(event.index or 0, kind, delta.message)

    def read_plain(self, payload: bytes) -> str | None:
        """A content delta."""
        try:
            event = EVENT.decode(payload)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        message = event.delta.message if event.delta is not None else None
        if event.type != "content-delta" or message is None or not isinstance(message.content, ContentShape):
            return None
        content = message.content
        plain = MessageShape(content=ContentShape(type=content.type, text=content.text))
        return content.text if content.text and message == plain else None

    def finish(self) -> None:
        """Cohere closes after `message-end`."""
        if self._stopped:
            self.writer.finish()
        else:
            self.writer.fail(truncated())

    def _read_message(self, index: int, kind: str, message: MessageShape) -> None:
        writer = self.writer
        if message.citations:
            self.losses.add("answer.message.citations", CITATIONS)
        if message.tool_plan:
            writer.reasoning(0, message.tool_plan)
        content = message.content
        if isinstance(content, ContentShape):
            if content.thinking:
                writer.reasoning(0, content.thinking)
            if content.text:
                writer.text(0, content.text)
        call = message.tool_calls
        if not isinstance(call, CallShape):
            return
        function = call.function or FunctionShape()
        if kind == "tool-call-start":
            self._slot += 1
            self._slots[index] = self._slot
            writer.tool_start(0, self._slot, call.id or f"call_{self._slot}", function.name or "")
        if function.arguments and index in self._slots:
            writer.tool_arguments(0, self._slots[index], function.arguments)

    def _read_end(self, delta: DeltaShape) -> None:
        if delta.usage is not None:
            self.writer.usage.replace_with(read_usage(delta.usage))
        word = delta.finish_reason or "COMPLETE"
        if word in _FAILED or delta.error:
            self.writer.fail(
                ErrorReply(_FAILED.get(word, 500), shorten(delta.error or "the provider failed"), kind=word)
            )
            return
        self._stopped = True
        self.writer.stop(0, _STOPS.get(word, "stop"), detail=None if word in _STOPS else word)


def read_error(status: int, body: bytes) -> ErrorReply | None:
    """`{message}`."""
    try:
        value = parse_value(body)
    except ValueError:
        return None
    message = value.get("message") if type(value) is dict else None
    return ErrorReply(status, shorten(message)) if type(message) is str else None


def write_error(error: ErrorReply) -> bytes:
    """The error body for a Cohere client."""
    return msgspec.json.encode({"message": error.message})
