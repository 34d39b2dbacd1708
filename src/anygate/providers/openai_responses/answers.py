"""Canonical answers to response objects ("The response object")."""

import re
from typing import Any

from anygate.providers.chat import Answer, Reasoning, RefusalText, StopReason, Text, ToolCall
from anygate.providers.json_text import render
from anygate.providers.openai_responses.thoughts import write_thought
from anygate.providers.usage import Usage

_DEFAULTS: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "temperature": None,
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "reasoning": {"effort": None, "summary": None},
    "text": {"format": {"type": "text"}},
    "metadata": {},
    "truncation": "disabled",
    "store": False,
}
_NOT_IN_ID = re.compile(r"[^a-zA-Z0-9_-]")
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class ResponseFrame:
    """What stays the same in every snapshot of one response: its ids and what the request said."""

    def __init__(self, answer_id: str, model: str, created: int, echo: dict[str, Any]) -> None:
        plain = answer_id.removeprefix("resp_").removeprefix("chatcmpl-").removeprefix("msg_")
        self.suffix = _NOT_IN_ID.sub("_", plain)[:128]
        self._fixed = {
            "id": f"resp_{self.suffix}",
            "object": "response",
            "created_at": created,
            "model": model,
            **_DEFAULTS,
            **echo,
        }

    def item_id(self, kind: str, at: int) -> str:
        """An item's id: its kind, the response and its place."""
        return f"{kind}_{self.suffix}_{at}"

    def snapshot(
        self, status: str, output: list[dict[str, Any]], usage: Usage | None, error: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The response object in one of its states."""
        body = dict(self._fixed)
        body["status"] = status
        body["error"] = error
        body["incomplete_details"] = None
        body["output"] = output
        body["usage"] = write_usage(usage) if usage is not None and usage.known else None
        return body

    def ending(self, reason: StopReason, output: list[dict[str, Any]], usage: Usage) -> dict[str, Any]:
        """The response object at its end, complete or cut short."""
        cut = _INCOMPLETE.get(reason)
        body = self.snapshot("incomplete" if cut else "completed", output, usage)
        if cut:
            body["incomplete_details"] = {"reason": cut}
        return body


def write_usage(usage: Usage) -> dict[str, Any]:
    """The usage object of a response; its details are not optional."""
    return {
        "input_tokens": usage.input or 0,
        "input_tokens_details": {
            "cached_tokens": usage.cached or 0,
            "cache_write_tokens": usage.cache_creation or 0,
        },
        "output_tokens": usage.output or 0,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": usage.sum,
    }


def write_answer(answer: Answer, echo: dict[str, Any]) -> bytes:
    """A response object; texts that follow each other are parts of one message item."""
    frame = ResponseFrame(answer.answer_id, answer.model, answer.created, echo)
    choice = answer.choices[0]
    output: list[dict[str, Any]] = []
    for part in choice.parts:
        at = len(output)
        if isinstance(part, Text | RefusalText):
            if not output or output[-1]["type"] != "message":
                output.append(write_message(frame.item_id("msg", at), []))
            output[-1]["content"].append(write_text(part))
        elif isinstance(part, ToolCall):
            output.append(write_call(frame.item_id("fc", at), part))
        elif isinstance(part, Reasoning):
            output.append(write_thought(part, frame.item_id("rs", at)))
    return render(frame.ending(choice.stop, output, answer.usage))


def write_text(part: Text | RefusalText) -> dict[str, Any]:
    """A content part of a message item."""
    if isinstance(part, RefusalText):
        return {"type": "refusal", "refusal": part.text}
    return {"type": "output_text", "text": part.text, "annotations": [], "logprobs": []}


def write_message(item_id: str, content: list[dict[str, Any]], status: str = "completed") -> dict[str, Any]:
    """A message item."""
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": content}


def write_call(item_id: str, call: ToolCall, status: str = "completed") -> dict[str, Any]:
    """A function call item."""
    return {
        "id": item_id,
        "type": "function_call",
        "status": status,
        "call_id": call.call_id,
        "name": call.name,
        "arguments": call.arguments,
    }
