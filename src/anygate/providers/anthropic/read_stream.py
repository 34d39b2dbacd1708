"""Anthropic stream of a backend to canonical events ("Streaming Messages")."""

import msgspec

from anygate.providers.anthropic.answers import read_stop, report_block, stop_detail
from anygate.providers.anthropic.errors import STATUSES
from anygate.providers.anthropic.shapes import EVENT, BlockShape, EventShape, UsageTally
from anygate.providers.chat import StopReason, StreamWriter
from anygate.providers.chat.reader import CITATIONS, StreamReader, truncated
from anygate.providers.json_text import parse_answer, render_text
from anygate.providers.losses import Losses
from anygate.providers.refusal import ErrorReply


def _take_padding(block: bytes) -> bytes:
    """Without the spaces before the last brace."""
    return block[:-1].rstrip(b" ") + b"}" if block.endswith(b" }") else block


class MessageStreamReader(StreamReader):
    """Events in; `message_delta` brings the stop reason, `message_stop` the end."""

    padding = staticmethod(_take_padding)
    plain_mark = b'"text_delta"'

    def __init__(self, writer: StreamWriter, losses: Losses, created: int) -> None:
        super().__init__(writer, losses)
        self._created = created
        self._tally = UsageTally()
        self._slot = -1
        self._slots: dict[int, int] = {}
        self._empty: dict[int, str] = {}
        self._stop: tuple[StopReason, str | None, str | None] | None = None

    def feed(self, name: str, payload: bytes) -> None:
        """One SSE event; the name repeats the type inside."""
        event = parse_answer(EVENT, payload)
        kind = event.type
        if kind == "content_block_delta":
            delta = event.delta
            if delta is None:
                return
            if delta.type == "text_delta":
                if delta.text:
                    self.writer.text(0, delta.text)
            else:
                self._read_delta(event.index, delta)
        elif kind == "content_block_start":
            if event.content_block is not None:
                self._read_block(event.index, event.content_block)
        elif kind == "content_block_stop":
            self._end_block(event.index)
        elif kind == "message_start":
            self._start(event)
        elif kind == "message_delta":
            self._read_message_delta(event)
        elif kind == "message_stop":
            self._finish_message()
        elif kind == "ping":
            self.writer.ping()
        elif kind == "error":
            error = event.error
            inner, message = (error.type, error.message) if error else ("api_error", "the provider reported an error")
            self.writer.fail(ErrorReply(STATUSES.get(inner, 500), message, kind=inner))

    def read_plain(self, payload: bytes) -> str | None:
        """A text delta."""
        try:
            event = EVENT.decode(payload)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        delta = event.delta
        if event.type != "content_block_delta" or delta is None or delta.type != "text_delta":
            return None
        return delta.text or None

    def finish(self) -> None:
        """The upstream closed: after a stop reason that is as good as `message_stop`."""
        if self._stop is None:
            self.writer.fail(truncated())
        else:
            self._finish_message()

    def _start(self, event: EventShape) -> None:
        message = event.message
        if message is None:
            return
        if message.usage is not None:
            self.writer.usage.replace_with(self._tally.add(message.usage))
        self.model = message.model or ""
        self.writer.start(message.id or "", self.model, self._created)

    def _read_block(self, index: int, block: BlockShape) -> None:
        writer = self.writer
        if block.type == "tool_use":
            self._slot += 1
            self._slots[index] = self._slot
            writer.tool_start(0, self._slot, block.id or f"toolu_{self._slot}", block.name or "")
            if block.input:
                self._empty[index] = render_text(block.input)
        elif block.type == "text":
            if block.text:
                writer.text(0, block.text)
        elif block.type == "thinking":
            if block.thinking:
                writer.reasoning(0, block.thinking)
        elif block.type == "redacted_thinking":
            writer.redacted(0, block.data or "")
        else:
            report_block(block.type, self.losses)

    def _read_delta(self, index: int, delta: BlockShape) -> None:
        kind = delta.type
        if kind == "input_json_delta":
            if delta.partial_json and index in self._slots:
                self._empty.pop(index, None)
                self.writer.tool_arguments(0, self._slots[index], delta.partial_json)
        elif kind == "thinking_delta":
            if delta.thinking:
                self.writer.reasoning(0, delta.thinking)
        elif kind == "signature_delta":
            if delta.signature:
                self.writer.signature(0, delta.signature)
        elif kind == "citations_delta":
            self.losses.add("answer.content.citations", CITATIONS)

    def _end_block(self, index: int) -> None:
        """A tool block may carry its whole input at its start instead of in deltas."""
        whole = self._empty.pop(index, None)
        if whole is not None:
            self.writer.tool_arguments(0, self._slots[index], whole)

    def _read_message_delta(self, event: EventShape) -> None:
        if event.usage is not None:
            self.writer.usage.replace_with(self._tally.add(event.usage))
        if event.delta is not None and event.delta.stop_reason:
            word = event.delta.stop_reason
            self._stop = (read_stop(word), event.delta.stop_sequence, stop_detail(word))

    def _finish_message(self) -> None:
        if self.writer.ended:
            return
        self.writer.stop(0, *(self._stop or ("stop",)))
        self.writer.finish()
