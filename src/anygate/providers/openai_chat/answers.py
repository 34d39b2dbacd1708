"""OpenAI chat answers: read from a backend, written for a client."""

from typing import Any

from anygate.providers.chat import Answer, Choice, Reasoning, RefusalText, StopReason, Text, ToolCall
from anygate.providers.chat.reader import CITATIONS
from anygate.providers.json_text import parse_answer, render, render_text
from anygate.providers.losses import Losses
from anygate.providers.openai_chat.shapes import COMPLETION, FunctionShape, MessageShape, read_usage, write_usage
from anygate.providers.refusal import bad_answer
from anygate.providers.usage import Usage

_STOPS: dict[str, StopReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_FINISH = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "pause": "stop",
}


def read_stop(word: str | None) -> StopReason:
    """OpenAI's finish reason; compatible servers' own words mean a plain stop."""
    return _STOPS.get(word or "stop", "stop")


def write_stop(reason: StopReason) -> str:
    """The finish reason an OpenAI client knows."""
    return _FINISH[reason]


def read_answer(body: bytes, created: int, losses: Losses) -> Answer:
    """A whole chat completion."""
    shape = parse_answer(COMPLETION, body)
    if not shape.choices:
        raise bad_answer("it has no choices")
    choices = []
    for at, choice in enumerate(shape.choices):
        message = choice.message or MessageShape()
        report_message(message, losses)
        parts = _read_parts(message)
        stop = read_stop(choice.finish_reason)
        if stop == "stop" and any(isinstance(part, ToolCall) for part in parts):
            stop = "tool_calls"  # several compatible servers say stop after a call
        index = at if choice.index is None else choice.index
        choices.append(Choice(index=index, parts=parts, stop=stop, logprobs=choice.logprobs))
    return Answer(
        answer_id=shape.id or "",
        model=shape.model or "",
        created=created if shape.created is None else int(shape.created),
        choices=choices,
        usage=read_usage(shape.usage) if shape.usage else Usage(),
        service_tier=shape.service_tier,
    )


def report_message(message: MessageShape, losses: Losses) -> None:
    """What no other format has a place for; the same for a delta."""
    if message.annotations:
        losses.add("answer.message.annotations", CITATIONS)
    if message.audio:
        losses.add("answer.message.audio", "the client's format has no spoken answers")


def read_arguments(function: FunctionShape) -> str:
    """Arguments as JSON text."""
    arguments = function.arguments
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else render_text(arguments)


def _read_parts(message: MessageShape) -> list[Text | Reasoning | RefusalText | ToolCall]:
    """Thoughts first, then text, then calls (spec AO6)."""
    parts: list[Text | Reasoning | RefusalText | ToolCall] = []
    thought = message.reasoning_content or message.reasoning
    for block in message.thinking_blocks or []:
        parts.append(Reasoning(block.thinking or "", block.signature, block.data))
    if thought and not parts:
        parts.append(Reasoning(thought))
    if message.content:
        parts.append(Text(message.content))
    if message.refusal:
        parts.append(RefusalText(message.refusal))
    for at, call in enumerate(message.tool_calls or []):
        function = call.function or FunctionShape()
        parts.append(ToolCall(call.id or f"call_{at}", function.name or "", read_arguments(function) or "{}"))
    return parts


def write_answer(answer: Answer) -> bytes:
    """A chat completion object; every text block counts, not just the first."""
    body: dict[str, Any] = {
        "id": answer.answer_id,
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "choices": [_write_choice(choice) for choice in answer.choices],
    }
    if answer.usage.known:
        body["usage"] = write_usage(answer.usage)
    if answer.service_tier:
        body["service_tier"] = answer.service_tier
    body.update(answer.extra)
    return render(body)


def _write_choice(choice: Choice) -> dict[str, Any]:
    written: dict[str, Any] = {
        "index": choice.index,
        "message": _write_message(choice.parts),
        "logprobs": choice.logprobs,
        "finish_reason": _FINISH[choice.stop],
    }
    if choice.stop_detail:
        written["native_finish_reason"] = choice.stop_detail
    return written


def _write_message(parts: list[Text | Reasoning | RefusalText | ToolCall]) -> dict[str, Any]:
    texts = [part.text for part in parts if isinstance(part, Text)]
    refusals = [part.text for part in parts if isinstance(part, RefusalText)]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(texts) if texts else None,
        "refusal": "".join(refusals) if refusals else None,
    }
    thoughts = [part for part in parts if isinstance(part, Reasoning)]
    if thoughts:
        text = "".join(thought.text for thought in thoughts)
        if text:
            message["reasoning_content"] = text
        blocks = [write_thinking_block(thought) for thought in thoughts if thought.signature or thought.redacted]
        if blocks:
            message["thinking_blocks"] = blocks
    calls = [
        {"id": part.call_id, "type": "function", "function": {"name": part.name, "arguments": part.arguments}}
        for part in parts
        if isinstance(part, ToolCall)
    ]
    if calls:
        message["tool_calls"] = calls
    return message


def write_thinking_block(thought: Reasoning) -> dict[str, str]:
    """The extension (spec OB12) by which the client can hand a signed thought back."""
    if thought.redacted is not None:
        return {"type": "redacted_thinking", "data": thought.redacted}
    return {"type": "thinking", "thinking": thought.text, "signature": thought.signature or ""}
