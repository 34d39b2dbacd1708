"""What Converse and ConverseStream answer: only what is read is named, everything may be missing."""

from typing import Any

import msgspec

from anygate.providers.chat import StopReason
from anygate.providers.usage import Usage


class UsageShape(msgspec.Struct, gc=False):
    """TokenUsage."""

    inputTokens: int | None = None  # noqa: N815
    outputTokens: int | None = None  # noqa: N815
    totalTokens: int | None = None  # noqa: N815
    cacheReadInputTokens: int | None = None  # noqa: N815
    cacheWriteInputTokens: int | None = None  # noqa: N815


class ReasoningText(msgspec.Struct, gc=False):
    """ReasoningTextBlock."""

    text: str = ""
    signature: str | None = None


class ReasoningShape(msgspec.Struct, gc=False):
    """ReasoningContentBlock and its delta, which holds the text directly."""

    reasoningText: ReasoningText | None = None  # noqa: N815
    redactedContent: str | None = None  # noqa: N815
    text: str | None = None
    signature: str | None = None


class ToolUseShape(msgspec.Struct, gc=False):
    """ToolUseBlock, its start and its delta, whose input is a piece of JSON text."""

    toolUseId: str = ""  # noqa: N815
    name: str = ""
    input: Any = None


class BlockShape(msgspec.Struct, gc=False):
    """ContentBlock, ContentBlockStart and ContentBlockDelta."""

    text: str | None = None
    toolUse: ToolUseShape | None = None  # noqa: N815
    reasoningContent: ReasoningShape | None = None  # noqa: N815
    citationsContent: Any = None  # noqa: N815
    citation: Any = None


class MessageShape(msgspec.Struct, gc=False):
    """Message."""

    content: list[BlockShape] = []


class OutputShape(msgspec.Struct, gc=False):
    """ConverseOutput."""

    message: MessageShape | None = None


class ConverseShape(msgspec.Struct, gc=False):
    """ConverseResponse."""

    output: OutputShape | None = None
    stopReason: str | None = None  # noqa: N815
    usage: UsageShape | None = None


class EventShape(msgspec.Struct, gc=False):
    """The payload of any ConverseStream event."""

    contentBlockIndex: int = 0  # noqa: N815
    start: BlockShape | None = None
    delta: BlockShape | None = None
    stopReason: str | None = None  # noqa: N815
    usage: UsageShape | None = None
    message: str | None = None


CONVERSE: "msgspec.json.Decoder[ConverseShape]" = msgspec.json.Decoder(ConverseShape)
EVENT: "msgspec.json.Decoder[EventShape]" = msgspec.json.Decoder(EventShape)

STOPS: dict[str, StopReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "content_filtered": "content_filter",
}


def read_stop(word: str | None) -> StopReason:
    """Spec OB13: the rest, such as guardrail_intervened, is a plain stop."""
    return STOPS.get(word or "end_turn", "stop")


def stop_detail(word: str | None) -> str | None:
    """Bedrock's own word where no other format has one."""
    return None if word is None or word in STOPS else word


def read_usage(shape: UsageShape) -> Usage:
    """Bedrock counts input, cache reads and cache writes apart (spec C9, OB14)."""
    read, written = shape.cacheReadInputTokens, shape.cacheWriteInputTokens
    total = None if shape.inputTokens is None else shape.inputTokens + (read or 0) + (written or 0)
    return Usage(input=total, output=shape.outputTokens, cached=read, cache_creation=written)
