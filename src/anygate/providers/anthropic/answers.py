"""Anthropic messages: read from a backend, written for a client."""

from typing import Any

from anygate.providers.anthropic.shapes import MESSAGE, BlockShape, UsageTally, write_usage
from anygate.providers.chat import Answer, Choice, Reasoning, RefusalText, StopReason, Text, ToolCall
from anygate.providers.chat.reader import CITATIONS, HOSTED_TOOL
from anygate.providers.json_text import parse_answer, parse_value, render, render_text
from anygate.providers.losses import Losses
from anygate.providers.refusal import bad_answer
from anygate.providers.usage import Usage

_STOPS: dict[str, StopReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "pause_turn": "pause",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_REASONS = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "pause": "pause_turn",
}


def read_stop(word: str | None) -> StopReason:
    """Anthropic's stop reason; a word of the future is a plain stop."""
    return _STOPS.get(word or "end_turn", "stop")


def stop_detail(word: str | None) -> str | None:
    """A stop reason of the future as it is."""
    return None if word is None or word in _STOPS else word


def write_stop(reason: StopReason) -> str:
    """The stop reason an Anthropic client knows."""
    return _REASONS[reason]


def read_answer(body: bytes, created: int, losses: Losses) -> Answer:
    """A whole message."""
    shape = parse_answer(MESSAGE, body)
    if shape.content is None:
        raise bad_answer("it has no content")
    parts = [part for block in shape.content if (part := _read_block(block, losses)) is not None]
    word = shape.stop_reason
    choice = Choice(
        parts=parts,
        stop=read_stop(word),
        stop_sequence=shape.stop_sequence,
        stop_detail=stop_detail(word),
    )
    return Answer(
        answer_id=shape.id or "",
        model=shape.model or "",
        created=created,
        choices=[choice],
        usage=UsageTally().add(shape.usage) if shape.usage else Usage(),
    )


def _read_block(block: BlockShape, losses: Losses) -> Text | Reasoning | RefusalText | ToolCall | None:
    if block.type == "text":
        if block.citations:
            losses.add("answer.content.citations", CITATIONS)
        return Text(block.text or "")
    if block.type == "tool_use":
        return ToolCall(block.id or "", block.name or "", render_text(block.input if block.input is not None else {}))
    if block.type == "thinking":
        return Reasoning(block.thinking or "", block.signature)
    if block.type == "redacted_thinking":
        return Reasoning("", redacted=block.data or "")
    report_block(block.type, losses)
    return None


def report_block(kind: str, losses: Losses) -> None:
    """A block that only Anthropic's own clients understand."""
    losses.add(f"answer.content.{kind[:40] or 'type'}", HOSTED_TOOL)


def write_answer(answer: Answer) -> bytes:
    """A message object from the first choice."""
    choice = answer.choices[0]
    return render(
        {
            "id": answer.answer_id,
            "type": "message",
            "role": "assistant",
            "model": answer.model,
            "content": [_write_part(part) for part in choice.parts],
            "stop_reason": _REASONS[choice.stop],
            "stop_sequence": choice.stop_sequence,
            "usage": write_usage(answer.usage),
        }
    )


def _write_part(part: Text | Reasoning | RefusalText | ToolCall) -> dict[str, Any]:
    if isinstance(part, ToolCall):
        return {"type": "tool_use", "id": part.call_id, "name": part.name, "input": read_input(part.arguments)}
    if isinstance(part, Reasoning):
        if part.redacted is not None:
            return {"type": "redacted_thinking", "data": part.redacted}
        return {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}
    return {"type": "text", "text": part.text}


def read_input(arguments: str) -> dict[str, Any]:
    """Arguments as an object; what a model wrote wrongly becomes an empty one (spec AO6)."""
    try:
        value = parse_value(arguments)
    except ValueError:
        return {}
    return value if type(value) is dict else {}
