"""Canonical events to an Anthropic stream ("Streaming Messages").

`message_start`, then blocks with a growing index, each started, filled and stopped before the next, then
`message_delta` with the stop reason and the usage, then `message_stop`. `message_delta` waits for the end, because
usage may come last.
"""

from typing import Any

from anygate.providers.anthropic.answers import write_stop
from anygate.providers.anthropic.errors import write_error_event
from anygate.providers.anthropic.shapes import write_usage
from anygate.providers.chat import StopReason, StreamWriter
from anygate.providers.json_text import render
from anygate.providers.refusal import ErrorReply
from anygate.providers.usage import Usage

_DELTA = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%s","%s":%s}}\n\n'
)
_TEXT_HEAD = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":'
)
_TEXT_TAIL = b"}}\n\n"
_START = b'event: content_block_start\ndata: {"type":"content_block_start","index":%d,"content_block":%s}\n\n'
_STOP = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
_TEXT_BLOCK = b'{"type":"text","text":""}'
_THINKING_BLOCK = b'{"type":"thinking","thinking":"","signature":""}'


class MessageStreamWriter(StreamWriter):
    """One client's stream of events. Only the first choice exists for an Anthropic client."""

    def __init__(self, usage: Usage) -> None:
        super().__init__(usage)
        self._started = False
        self._index = -1
        self._block = ""
        self._tools: dict[int, int] = {}
        self._stop: tuple[StopReason, str | None] = ("stop", None)

    def start(self, answer_id: str, model: str, created: int) -> None:
        """`message_start`, with whatever usage is known by now."""
        if self._started:
            return
        self._started = True
        message: dict[str, Any] = {
            "id": answer_id,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(self.usage),
        }
        self._event("message_start", {"type": "message_start", "message": message})

    def text(self, choice: int, text: str, logprobs: Any = None) -> None:
        """A text delta."""
        if choice:
            return
        if self._block != "text":
            self._open("text", _TEXT_BLOCK)
        self._out.append(_DELTA % (self._index, b"text_delta", b"text", render(text)))

    def literals(self, texts: list[bytes]) -> None:
        """Text deltas of one block."""
        if self._block != "text":
            self._open("text", _TEXT_BLOCK)
        head = _TEXT_HEAD % self._index
        self._out.append(head + (_TEXT_TAIL + head).join(texts) + _TEXT_TAIL)

    def reasoning(self, choice: int, text: str) -> None:
        """A thinking delta."""
        if choice:
            return
        if self._block != "thinking":
            self._open("thinking", _THINKING_BLOCK)
        self._out.append(_DELTA % (self._index, b"thinking_delta", b"thinking", render(text)))

    def signature(self, choice: int, signature: str) -> None:
        """The signature ends its thinking block."""
        if choice:
            return
        if self._block != "thinking":
            self._open("thinking", _THINKING_BLOCK)
        self._out.append(_DELTA % (self._index, b"signature_delta", b"signature", render(signature)))
        self._close()

    def redacted(self, choice: int, content: str) -> None:
        """A block of its own."""
        if not choice:
            self._open("redacted", render({"type": "redacted_thinking", "data": content}))
            self._close()

    def refusal(self, choice: int, text: str) -> None:
        """Anthropic shows refusals as text; the stop reason says what they are."""
        self.text(choice, text)

    def tool_start(self, choice: int, slot: int, call_id: str, name: str) -> None:
        """A tool block."""
        if choice:
            return
        self._open("tool", render({"type": "tool_use", "id": call_id, "name": name, "input": {}}))
        self._tools[slot] = self._index

    def tool_arguments(self, choice: int, slot: int, fragment: str) -> None:
        """A piece of a tool block's input."""
        if choice or slot not in self._tools:
            return
        self._out.append(_DELTA % (self._tools[slot], b"input_json_delta", b"partial_json", render(fragment)))

    def stop(self, choice: int, reason: StopReason, sequence: str | None = None, detail: str | None = None) -> None:
        """Kept for `message_delta`."""
        if not choice:
            self._stop = (reason, sequence)

    def ping(self) -> None:
        """Anthropic's own keep-alive."""
        self._event("ping", {"type": "ping"})

    def finish(self) -> None:
        """`message_delta` and `message_stop`."""
        if self.ended:
            return
        self.start("", "", 0)
        self.ended = True
        self._close()
        reason, sequence = self._stop
        delta = {"stop_reason": write_stop(reason), "stop_sequence": sequence}
        self._event("message_delta", {"type": "message_delta", "delta": delta, "usage": write_usage(self.usage)})
        self._event("message_stop", {"type": "message_stop"})

    def fail(self, error: ErrorReply) -> None:
        """An `error` event ends the stream."""
        if self.ended:
            return
        self.ended = True
        self._close()
        self._out.append(b"event: error\ndata: " + write_error_event(error) + b"\n\n")

    def _open(self, kind: str, block: bytes) -> None:
        if not self._started:
            self.start("", "", 0)
        self._close()
        self._index += 1
        self._block = kind
        self._out.append(_START % (self._index, block))

    def _close(self) -> None:
        if self._block:
            self._out.append(_STOP % self._index)
            self._block = ""

    def _event(self, name: str, payload: dict[str, Any]) -> None:
        self._out.append(b"event: %s\ndata: %s\n\n" % (name.encode(), render(payload)))
