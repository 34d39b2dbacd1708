"""What Anthropic answers ("Messages", "Streaming Messages"): only what is read is named, everything may be missing."""

from typing import Any

import msgspec

from anygate.providers.usage import Usage


class OutputDetails(msgspec.Struct, gc=False):
    """`output_tokens_details`."""

    thinking_tokens: int | None = None


class UsageShape(msgspec.Struct, gc=False):
    """Usage of a message, of `message_start` and of `message_delta`."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None


class BlockShape(msgspec.Struct, gc=False):
    """A content block or the delta of one."""

    type: str = ""
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: Any = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    citations: Any = None
    citation: Any = None


class MessageShape(msgspec.Struct, gc=False):
    """A message."""

    id: str | None = None
    model: str | None = None
    content: list[BlockShape] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: UsageShape | None = None


class ErrorShape(msgspec.Struct, gc=False):
    """The inner error object."""

    type: str = ""
    message: str = ""


class EventShape(msgspec.Struct, gc=False):
    """Any stream event."""

    type: str = ""
    index: int = 0
    message: MessageShape | None = None
    content_block: BlockShape | None = None
    delta: BlockShape | None = None
    usage: UsageShape | None = None
    error: ErrorShape | None = None


MESSAGE: "msgspec.json.Decoder[MessageShape]" = msgspec.json.Decoder(MessageShape)
EVENT: "msgspec.json.Decoder[EventShape]" = msgspec.json.Decoder(EventShape)


class UsageTally:
    """Adds up what Anthropic counts disjointly; a later event overrides the counts it names (spec AA4, C9)."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen = UsageShape()

    def add(self, shape: UsageShape) -> Usage:
        """The usage known so far."""
        seen = self._seen
        if shape.input_tokens is not None:
            seen.input_tokens = shape.input_tokens
        if shape.output_tokens is not None:
            seen.output_tokens = shape.output_tokens
        if shape.cache_read_input_tokens is not None:
            seen.cache_read_input_tokens = shape.cache_read_input_tokens
        if shape.cache_creation_input_tokens is not None:
            seen.cache_creation_input_tokens = shape.cache_creation_input_tokens
        details = shape.output_tokens_details
        read, written = seen.cache_read_input_tokens, seen.cache_creation_input_tokens
        return Usage(
            input=None if seen.input_tokens is None else seen.input_tokens + (read or 0) + (written or 0),
            output=seen.output_tokens,
            cached=read,
            cache_creation=written,
            reasoning=details.thinking_tokens if details else None,
        )


def write_usage(usage: Usage) -> dict[str, Any]:
    """Anthropic's disjoint counts: `input_tokens` excludes what was read from and written to the cache (spec AO6)."""
    cached, created = usage.cached or 0, usage.cache_creation or 0
    written: dict[str, Any] = {
        "input_tokens": max(0, (usage.input or 0) - cached - created),
        "cache_creation_input_tokens": created,
        "cache_read_input_tokens": cached,
        "output_tokens": usage.output or 0,
    }
    if usage.reasoning is not None:
        written["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return written
