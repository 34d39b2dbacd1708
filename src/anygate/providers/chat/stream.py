"""The canonical stream: a reader calls these methods in order, a writer renders each as the client's events at once."""

from abc import ABC, abstractmethod
from typing import Any

import msgspec

from anygate.providers.chat.answer import StopReason
from anygate.providers.refusal import ErrorReply
from anygate.providers.usage import Usage

DECODE_TEXTS = msgspec.json.Decoder(list[str]).decode


class StreamWriter(ABC):
    """One client's stream. `choice` is the candidate, `slot` the ordinal of a tool call inside it, both from 0.

    The order is: start, then content of any kind, then stop, then finish or fail. A signature or an encrypted
    thought closes the thought before it. A call's arguments follow its start, before anything else begins. Writers add
    missing events themselves (a block start, a role), so readers never synthesise any.
    """

    def __init__(self, usage: Usage) -> None:
        self.usage = usage
        self.ended = False
        self._out: list[bytes] = []

    def take(self) -> bytes:
        """The bytes rendered since the last call."""
        out = self._out
        if len(out) == 1:
            self._out = []
            return out[0]
        self._out = []
        return b"".join(out)

    @abstractmethod
    def start(self, answer_id: str, model: str, created: int) -> None:
        """The answer begins."""

    @abstractmethod
    def text(self, choice: int, text: str, logprobs: Any = None) -> None:
        """More text."""

    def literals(self, texts: list[bytes]) -> None:
        """Texts of the first choice as JSON strings, in the bytes that an encoder writes; each is an event."""
        for text in DECODE_TEXTS(b"[" + b",".join(texts) + b"]"):
            self.text(0, text)

    @abstractmethod
    def reasoning(self, choice: int, text: str) -> None:
        """More of a thought."""

    @abstractmethod
    def signature(self, choice: int, signature: str) -> None:
        """The thought so far is signed."""

    @abstractmethod
    def redacted(self, choice: int, content: str) -> None:
        """A whole encrypted thought."""

    @abstractmethod
    def refusal(self, choice: int, text: str) -> None:
        """More of the model's refusal."""

    @abstractmethod
    def tool_start(self, choice: int, slot: int, call_id: str, name: str) -> None:
        """A tool call begins."""

    @abstractmethod
    def tool_arguments(self, choice: int, slot: int, fragment: str) -> None:
        """More of a tool call's JSON arguments."""

    @abstractmethod
    def stop(self, choice: int, reason: StopReason, sequence: str | None = None, detail: str | None = None) -> None:
        """The choice is complete; `detail` is the provider's own word where it has no counterpart."""

    @abstractmethod
    def ping(self) -> None:
        """The provider is alive but has nothing to say."""

    @abstractmethod
    def finish(self) -> None:
        """The stream ends well; usage is known if it ever will be."""

    @abstractmethod
    def fail(self, error: ErrorReply) -> None:
        """The stream ends badly, in a way the client's library understands."""
