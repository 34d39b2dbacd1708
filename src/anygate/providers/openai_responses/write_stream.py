"""Canonical events to a Responses stream (API reference, "Streaming events").

Every event has the next sequence number. Items open and close one after the other; the last event repeats the whole
response, so the writer keeps what it has sent.
"""

from typing import Any

from anygate.providers.chat import Reasoning, RefusalText, StopReason, StreamWriter, Text, ToolCall
from anygate.providers.chat.stream import DECODE_TEXTS
from anygate.providers.json_text import render
from anygate.providers.openai_responses.answers import ResponseFrame, write_call, write_message, write_text
from anygate.providers.openai_responses.thoughts import write_thought
from anygate.providers.refusal import ErrorReply
from anygate.providers.usage import Usage

_DELTA = (
    b'event: %s\ndata: {"type":"%s","item_id":"%s","output_index":%d,"content_index":%d,"delta":%s,'
    b'%s"sequence_number":%d}\n\n'
)
_CODES = {429: "rate_limit_exceeded", 400: "invalid_prompt", 422: "invalid_prompt"}


class ResponseStreamWriter(StreamWriter):
    """One client's stream of response events. Only the first choice exists for a Responses client."""

    def __init__(self, usage: Usage, echo: dict[str, Any]) -> None:
        super().__init__(usage)
        self._echo = echo
        self._frame: ResponseFrame | None = None
        self._sequence = 0
        self._output: list[dict[str, Any]] = []
        self._kind = ""
        self._item_id = b""
        self._texts: list[str] = []
        self._content: list[dict[str, Any]] = []
        self._signature: str | None = None
        self._call = ToolCall("", "", "")
        self._stop: StopReason = "stop"

    def start(self, answer_id: str, model: str, created: int) -> None:
        """`response.created` and `response.in_progress`."""
        if self._frame is not None:
            return
        self._frame = ResponseFrame(answer_id, model, created, self._echo)
        snapshot = self._frame.snapshot("in_progress", [], None)
        self._event("response.created", {"response": snapshot})
        self._event("response.in_progress", {"response": snapshot})

    def text(self, choice: int, text: str, logprobs: Any = None) -> None:
        """`response.output_text.delta`."""
        if choice:
            return
        if self._kind != "text":
            self._open_text("text", Text(""))
        self._texts.append(text)
        self._delta(b"response.output_text.delta", text, b'"logprobs":[],')

    def literals(self, texts: list[bytes]) -> None:
        """`response.output_text.delta` for each."""
        if self._kind != "text":
            self._open_text("text", Text(""))
        self._texts += DECODE_TEXTS(b"[" + b",".join(texts) + b"]")
        place = (self._item_id, len(self._output), len(self._content))
        name, first = b"response.output_text.delta", self._sequence
        self._out += [
            _DELTA % (name, name, *place, text, b'"logprobs":[],', first + at) for at, text in enumerate(texts)
        ]
        self._sequence += len(texts)

    def refusal(self, choice: int, text: str) -> None:
        """`response.refusal.delta`."""
        if choice:
            return
        if self._kind != "refusal":
            self._open_text("refusal", RefusalText(""))
        self._texts.append(text)
        self._delta(b"response.refusal.delta", text)

    def reasoning(self, choice: int, text: str) -> None:
        """`response.reasoning_summary_text.delta`."""
        if choice:
            return
        if self._kind != "reasoning":
            self._open_thought()
        if not self._texts:
            self._event("response.reasoning_summary_part.added", self._summary({"type": "summary_text", "text": ""}))
        self._texts.append(text)
        place = {"item_id": self._item_id.decode(), "output_index": len(self._output), "summary_index": 0}
        self._event("response.reasoning_summary_text.delta", {**place, "delta": text})

    def signature(self, choice: int, signature: str) -> None:
        """The item's `encrypted_content`, shown when the item is done."""
        if choice:
            return
        if self._kind != "reasoning":
            self._open_thought()
        self._signature = signature
        self._close()

    def redacted(self, choice: int, content: str) -> None:
        """A reasoning item without a summary."""
        if choice:
            return
        self._close()
        item = write_thought(Reasoning("", redacted=content), self._next_id("rs"))
        self._event("response.output_item.added", {"output_index": len(self._output), "item": item})
        self._finish_item(item)

    def tool_start(self, choice: int, slot: int, call_id: str, name: str) -> None:
        """`response.output_item.added` with the call."""
        if choice:
            return
        self._close()
        self._kind = "call"
        self._call = ToolCall(call_id, name, "")
        item = write_call(self._next_id("fc"), self._call, "in_progress")
        self._event("response.output_item.added", {"output_index": len(self._output), "item": item})

    def tool_arguments(self, choice: int, slot: int, fragment: str) -> None:
        """`response.function_call_arguments.delta`."""
        if choice or self._kind != "call":
            return
        self._texts.append(fragment)
        place = {"item_id": self._item_id.decode(), "output_index": len(self._output)}
        self._event("response.function_call_arguments.delta", {**place, "delta": fragment})

    def stop(self, choice: int, reason: StopReason, sequence: str | None = None, detail: str | None = None) -> None:
        """Kept for the last event."""
        if not choice:
            self._stop = reason

    def ping(self) -> None:
        """A comment: Responses has no keep-alive event."""
        self._out.append(b": ping\n\n")

    def finish(self) -> None:
        """`response.completed`, or `response.incomplete` when it was cut short."""
        if self.ended:
            return
        self.start("", "", 0)
        self._close()
        self.ended = True
        body = self._started().ending(self._stop, self._output, self.usage)
        self._event(f"response.{body['status']}", {"response": body})

    def fail(self, error: ErrorReply) -> None:
        """`response.failed` with what was produced until then."""
        if self.ended:
            return
        self.start("", "", 0)
        self._close()
        self.ended = True
        inner = {"code": _CODES.get(error.status, "server_error"), "message": error.message}
        body = self._started().snapshot("failed", self._output, self.usage, inner)
        self._event("response.failed", {"response": body})

    def _started(self) -> ResponseFrame:
        if self._frame is None:
            self.start("", "", 0)
        assert self._frame is not None
        return self._frame

    def _next_id(self, kind: str) -> str:
        item_id = self._started().item_id(kind, len(self._output))
        self._item_id = item_id.encode()
        return item_id

    def _open_text(self, kind: str, empty: Text | RefusalText) -> None:
        """A refusal after text joins the same message item as its next content part."""
        if self._kind in ("text", "refusal"):
            self._close_part()
        else:
            self._close()
            item = write_message(self._next_id("msg"), [], "in_progress")
            self._event("response.output_item.added", {"output_index": len(self._output), "item": item})
        self._kind = kind
        self._event("response.content_part.added", self._part(write_text(empty)))

    def _open_thought(self) -> None:
        self._close()
        self._kind = "reasoning"
        item = write_thought(Reasoning(""), self._next_id("rs"))
        self._event("response.output_item.added", {"output_index": len(self._output), "item": item})

    def _close(self) -> None:
        kind, self._kind = self._kind, ""
        if kind in ("text", "refusal"):
            self._kind = kind
            self._close_part()
            self._kind = ""
            content, self._content = self._content, []
            self._finish_item(write_message(self._item_id.decode(), content))
        elif kind == "reasoning":
            self._close_thought()
        elif kind == "call":
            self._close_call()

    def _close_part(self) -> None:
        text = "".join(self._texts)
        self._texts.clear()
        if self._kind == "refusal":
            part = write_text(RefusalText(text))
            self._event("response.refusal.done", {**self._place(), "refusal": text})
        else:
            part = write_text(Text(text))
            self._event("response.output_text.done", {**self._place(), "text": text, "logprobs": []})
        self._event("response.content_part.done", self._part(part))
        self._content.append(part)

    def _close_thought(self) -> None:
        text = "".join(self._texts)
        if self._texts:
            place = {"item_id": self._item_id.decode(), "output_index": len(self._output), "summary_index": 0}
            self._event("response.reasoning_summary_text.done", {**place, "text": text})
            self._event("response.reasoning_summary_part.done", self._summary({"type": "summary_text", "text": text}))
        self._texts.clear()
        thought = Reasoning(text, self._signature)
        self._signature = None
        self._finish_item(write_thought(thought, self._item_id.decode()))

    def _close_call(self) -> None:
        arguments = "".join(self._texts) or "{}"
        self._texts.clear()
        place = {"item_id": self._item_id.decode(), "output_index": len(self._output), "name": self._call.name}
        self._event("response.function_call_arguments.done", {**place, "arguments": arguments})
        call = ToolCall(self._call.call_id, self._call.name, arguments)
        self._finish_item(write_call(self._item_id.decode(), call))

    def _finish_item(self, item: dict[str, Any]) -> None:
        self._event("response.output_item.done", {"output_index": len(self._output), "item": item})
        self._output.append(item)

    def _place(self) -> dict[str, Any]:
        return {
            "item_id": self._item_id.decode(),
            "output_index": len(self._output),
            "content_index": len(self._content),
        }

    def _part(self, part: dict[str, Any]) -> dict[str, Any]:
        return {**self._place(), "part": part}

    def _summary(self, part: dict[str, Any]) -> dict[str, Any]:
        return {
            "item_id": self._item_id.decode(),
            "output_index": len(self._output),
            "summary_index": 0,
            "part": part,
        }

    def _delta(self, name: bytes, text: str, more: bytes = b"") -> None:
        place = (self._item_id, len(self._output), len(self._content))
        self._out.append(_DELTA % (name, name, *place, render(text), more, self._sequence))
        self._sequence += 1

    def _event(self, name: str, payload: dict[str, Any]) -> None:
        body = render({"type": name, **payload, "sequence_number": self._sequence})
        self._sequence += 1
        self._out.append(b"event: %s\ndata: %s\n\n" % (name.encode(), body))
