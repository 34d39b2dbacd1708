"""The canonical answer."""

from typing import Any, Literal

import msgspec

from anygate.providers.chat.parts import Reasoning, RefusalText, Text, ToolCall
from anygate.providers.usage import Usage

StopReason = Literal["stop", "stop_sequence", "length", "tool_calls", "content_filter", "pause"]


class Choice(msgspec.Struct, kw_only=True):
    """One candidate. `stop_detail` is the provider's own word where it has no counterpart."""

    parts: list[Text | Reasoning | RefusalText | ToolCall]
    stop: StopReason
    index: int = 0
    stop_sequence: str | None = None
    stop_detail: str | None = None
    logprobs: Any = None


class Answer(msgspec.Struct, kw_only=True):
    """A whole answer; `extra` are vendor extensions that an OpenAI client sees as additional top-level fields."""

    answer_id: str
    model: str
    created: int
    choices: list[Choice]
    usage: Usage
    service_tier: str | None = None
    extra: dict[str, Any] = {}
