"""OpenAI chat stream of a backend to canonical events."""

from functools import partial
from typing import Any

import msgspec

from anygate.providers.chat import StreamWriter
from anygate.providers.chat.call_order import CallOrder
from anygate.providers.chat.reader import StreamReader, truncated
from anygate.providers.json_text import parse_answer, parse_value
from anygate.providers.losses import Losses
from anygate.providers.openai_chat.answers import read_arguments, read_stop, report_message
from anygate.providers.openai_chat.errors import read_error_object
from anygate.providers.openai_chat.shapes import (
    COMPLETION,
    CallShape,
    ChoiceShape,
    CompletionShape,
    FunctionShape,
    MessageShape,
    read_usage,
)
from anygate.providers.refusal import ErrorReply

_PADDING = b',"obfuscation":"'


def _take_padding(block: bytes) -> bytes:
    """Without OpenAI's field of random letters, which is the last one."""
    at = block.rfind(_PADDING)
    return block[:at] + b"}" if at > 0 and block[at + len(_PADDING) : -2].isalnum() and block.endswith(b'"}') else block


class ChatStreamReader(StreamReader):
    """Chunks in; the finish reason may come long before the usage chunk, and `[DONE]` may never come."""

    padding = staticmethod(_take_padding)
    plain_mark = b'"content"'

    def __init__(self, writer: StreamWriter, losses: Losses, created: int) -> None:
        super().__init__(writer, losses)
        self._created = created
        self._started = False
        self._stopped: set[int] = set()
        self._slots: dict[tuple[int, int], tuple[int, str | None]] = {}
        self._last_slot: dict[int, int] = {}
        self._calls: dict[int, CallOrder] = {}

    def feed(self, name: str, payload: bytes) -> None:
        """One SSE event."""
        if payload == b"[DONE]":
            if self._stopped:
                self.writer.finish()
            else:
                self.writer.fail(truncated())
            return
        if not payload.strip():
            return
        chunk = parse_answer(COMPLETION, payload)
        if chunk.error is not None or name == "error":
            error = chunk.error if chunk.error is not None else _read_object(payload)
            self.writer.fail(read_error_object(500, error))
            return
        if not self._started:
            self._start(chunk)
        if chunk.usage is not None:
            self.writer.usage.replace_with(read_usage(chunk.usage))
        for choice in chunk.choices or ():
            self._read_choice(choice)

    def read_plain(self, payload: bytes) -> str | None:
        """A chunk with content and nothing else."""
        try:
            chunk = COMPLETION.decode(payload)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        choices = chunk.choices
        if chunk.error is not None or chunk.usage is not None or not choices or len(choices) > 1:
            return None
        choice = choices[0]
        delta = choice.delta
        if choice.index or delta is None or not delta.content:
            return None
        plain = ChoiceShape(index=choice.index, delta=MessageShape(content=delta.content))
        return delta.content if choice == plain else None

    def finish(self) -> None:
        """The upstream closed: a finish reason makes that a good end, even without `[DONE]`."""
        if self._stopped:
            self.writer.finish()
        else:
            self.writer.fail(truncated())

    def _start(self, chunk: CompletionShape) -> None:
        if not chunk.choices and not chunk.id:
            return
        self._started = True
        created = self._created if not chunk.created else int(chunk.created)
        self.writer.start(chunk.id or "", chunk.model or "", created)
        if chunk.model:
            self.model = chunk.model

    def _read_choice(self, choice: ChoiceShape) -> None:
        at = choice.index or 0
        delta = choice.delta or choice.message
        if delta is not None:
            self._read_delta(at, delta, choice)
        if choice.finish_reason and at not in self._stopped:
            self._stopped.add(at)
            reason = read_stop(choice.finish_reason)
            if at in self._calls:
                self._calls[at].flush()
                if reason == "stop":
                    reason = "tool_calls"  # several compatible servers say stop after a call
            self.writer.stop(at, reason)

    def _read_delta(self, at: int, delta: MessageShape, choice: ChoiceShape) -> None:
        report_message(delta, self.losses)
        calls = self._calls.get(at)
        if calls is not None and calls.is_busy:
            calls.hold(partial(self._read_content, at, delta, choice.logprobs))
        else:
            self._read_content(at, delta, choice.logprobs)
        for call in delta.tool_calls or ():
            self._read_call(at, call)

    def _read_content(self, at: int, delta: MessageShape, logprobs: Any) -> None:
        writer = self.writer
        thought = delta.reasoning_content or delta.reasoning
        if thought:
            writer.reasoning(at, thought)
        for block in delta.thinking_blocks or ():
            if block.data is not None:
                writer.redacted(at, block.data)
            elif block.thinking and not thought:
                writer.reasoning(at, block.thinking)
            if block.signature:
                writer.signature(at, block.signature)
        if delta.content:
            writer.text(at, delta.content, logprobs)
        if delta.refusal:
            writer.refusal(at, delta.refusal)

    def _read_call(self, at: int, call: CallShape) -> None:
        """A call is told from the next by its index, or by a new id where servers leave the index out or repeat it."""
        function = call.function or FunctionShape()
        calls = self._calls.get(at)
        if calls is None:
            self.holds_text = True
            calls = self._calls[at] = CallOrder(self.writer, at, self.losses)
        slot = self._find_slot(at, call)
        if slot is None:
            slot = self._last_slot.get(at, -1) + 1
            self._last_slot[at] = slot
            self._slots[at, slot if call.index is None else call.index] = (slot, call.id)
            calls.start(slot, call.id or f"call_{slot}", function.name or "")
        arguments = read_arguments(function)
        if arguments:
            calls.add(slot, arguments)

    def _find_slot(self, at: int, call: CallShape) -> int | None:
        """The running call that a delta belongs to, or None for a new one."""
        index = self._last_slot.get(at, -1) if call.index is None else call.index
        slot, call_id = self._slots.get((at, index), (None, None))
        return slot if not call.id or call.id == call_id else None


def _read_object(payload: bytes) -> object:
    try:
        return parse_value(payload)
    except ValueError:
        return ErrorReply(500, payload.decode("utf-8", "replace")).message
