"""Canonical events to an OpenAI chat stream ("The chat completion chunk object").

The order is OpenAI's: a chunk with the role, content chunks, one chunk with the finish reason, the usage chunk if
the client asked for it, `[DONE]`. Chunks are joined from ready-made bytes; only the new text is encoded.
"""

from typing import Any

from anygate.providers.chat import Reasoning, StopReason, StreamWriter
from anygate.providers.json_text import render
from anygate.providers.openai_chat.answers import write_stop, write_thinking_block
from anygate.providers.openai_chat.errors import write_error
from anygate.providers.openai_chat.shapes import write_usage
from anygate.providers.refusal import ErrorReply
from anygate.providers.usage import Usage

_DONE = b"data: [DONE]\n\n"


class ChatStreamWriter(StreamWriter):
    """One client's stream of chunks."""

    def __init__(self, usage: Usage, *, include_usage: bool) -> None:
        super().__init__(usage)
        self._include_usage = include_usage
        self._open: set[int] = set()
        self._thoughts: dict[int, list[str]] = {}
        self._set_head("", "", 0)

    def _set_head(self, answer_id: str, model: str, created: int) -> None:
        envelope = {"id": answer_id, "object": "chat.completion.chunk", "created": created, "model": model}
        self._head = b"data: " + render(envelope)[:-1] + b',"choices":['
        self._tail = b'],"usage":null}\n\n' if self._include_usage else b"]}\n\n"
        self._text_head = self._head + b'{"index":0,"delta":{"content":'
        self._text_tail = b'},"logprobs":null,"finish_reason":null}' + self._tail
        self._between_texts = self._text_tail + self._text_head

    def start(self, answer_id: str, model: str, created: int) -> None:
        """The role chunk, at once: it is the client's first byte."""
        self._set_head(answer_id, model, created)
        self._open_choice(0)

    def text(self, choice: int, text: str, logprobs: Any = None) -> None:
        """A content chunk."""
        if choice == 0 and logprobs is None and 0 in self._open:
            self._out.append(self._text_head + render(text) + self._text_tail)
        else:
            self._emit(choice, b'{"content":' + render(text) + b"}", logprobs)

    def literals(self, texts: list[bytes]) -> None:
        """Content chunks, joined from what stands between them."""
        self._open_choice(0)
        self._out.append(self._text_head + self._between_texts.join(texts) + self._text_tail)

    def reasoning(self, choice: int, text: str) -> None:
        """A chunk with the extension `reasoning_content`."""
        self._thoughts.setdefault(choice, []).append(text)
        self._emit(choice, b'{"reasoning_content":' + render(text) + b"}")

    def signature(self, choice: int, signature: str) -> None:
        """The complete signed thought once more as a block, ready to be handed back."""
        thought = Reasoning("".join(self._thoughts.pop(choice, [])), signature)
        self._emit(choice, render({"thinking_blocks": [write_thinking_block(thought)]}))

    def redacted(self, choice: int, content: str) -> None:
        """An encrypted thought as a block."""
        self._thoughts.pop(choice, None)
        self._emit(choice, render({"thinking_blocks": [write_thinking_block(Reasoning("", redacted=content))]}))

    def refusal(self, choice: int, text: str) -> None:
        """A refusal chunk."""
        self._emit(choice, b'{"refusal":' + render(text) + b"}")

    def tool_start(self, choice: int, slot: int, call_id: str, name: str) -> None:
        """The chunk with a call's id and name."""
        call = {"index": slot, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
        self._emit(choice, render({"tool_calls": [call]}))

    def tool_arguments(self, choice: int, slot: int, fragment: str) -> None:
        """A chunk of arguments, without id and name."""
        delta = b'{"tool_calls":[{"index":%d,"function":{"arguments":%s}}]}' % (slot, render(fragment))
        self._emit(choice, delta)

    def stop(self, choice: int, reason: StopReason, sequence: str | None = None, detail: str | None = None) -> None:
        """The chunk with the finish reason and an empty delta."""
        self._open_choice(choice)
        body = b'{"index":%d,"delta":{},"logprobs":null,"finish_reason":"%s"' % (choice, write_stop(reason).encode())
        native = b"" if detail is None else b',"native_finish_reason":' + render(detail)
        self._out.append(self._head + body + native + b"}" + self._tail)

    def ping(self) -> None:
        """A comment: it keeps the connection open and no client library sees it."""
        self._out.append(b": ping\n\n")

    def finish(self) -> None:
        """The usage chunk where asked for, then `[DONE]`."""
        if self.ended:
            return
        self.ended = True
        if self._include_usage:
            usage = render(write_usage(self.usage)) if self.usage.known else b"null"
            self._out.append(self._head + b'],"usage":' + usage + b"}\n\n")
        self._out.append(_DONE)

    def fail(self, error: ErrorReply) -> None:
        """An error event, which OpenAI's libraries raise, then `[DONE]`."""
        if self.ended:
            return
        self.ended = True
        self._out.append(b"data: " + write_error(error) + b"\n\n" + _DONE)

    def _open_choice(self, choice: int) -> None:
        if choice not in self._open:
            self._open.add(choice)
            role = b'{"index":%d,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,' % choice
            self._out.append(self._head + role + b'"finish_reason":null}' + self._tail)

    def _emit(self, choice: int, delta: bytes, logprobs: Any = None) -> None:
        self._open_choice(choice)
        scores = b"null" if logprobs is None else render(logprobs)
        body = b'{"index":%d,"delta":%s,"logprobs":%s,"finish_reason":null}' % (choice, delta, scores)
        self._out.append(self._head + body + self._tail)
