"""What a request asks of a model, in words that no vendor owns."""

from dataclasses import dataclass, field
from typing import Any, Literal

from anygate.stubs.providers.outcome import encode
from anygate.stubs.providers.tokens import ATTACHMENT_TOKENS, Segment, count_tokens

Choice = Literal["auto", "none", "any"]


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What a tool returned."""

    name: str
    text: str


@dataclass(slots=True)
class Prompt:
    """The whole request; the last turn of the user is what the answer speaks of."""

    model: str
    segments: list[Segment] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    attachments: list[str] = field(default_factory=list)
    outcomes: list[ToolOutcome] = field(default_factory=list)
    tools: dict[str, Any] = field(default_factory=dict)
    choice: Choice = "auto"
    forced: str | None = None
    is_parallel: bool = True
    max_tokens: int | None = None
    stops: tuple[str, ...] = ()
    is_json: bool = False
    schema: Any = None
    thinks: bool = False

    @property
    def tokens(self) -> int:
        """How many tokens the prompt counts."""
        return sum(segment.tokens for segment in self.segments)

    def begin_turn(self) -> None:
        """A new turn of the user: forget what the turn before said."""
        self.said, self.attachments, self.outcomes = [], [], []

    def add(self, role: str, text: str, *, marked: bool = False) -> None:
        """Add a text that the model only reads."""
        self.segments.append(Segment(role, text, count_tokens(text), marked))

    def say(self, text: str, *, marked: bool = False) -> None:
        """Add a text of the user."""
        self.said.append(text)
        self.add("user", text, marked=marked)

    def attach(self, kind: str, identity: str, size: int | None = None, *, marked: bool = False) -> None:
        """Add an image or file of the user: `kind` is its media type, `identity` its content or address."""
        self.attachments.append(kind if size is None else f"{kind} ({size} bytes)")
        self.segments.append(Segment("user", identity, ATTACHMENT_TOKENS, marked))

    def take_outcome(self, name: str, text: str, *, marked: bool = False) -> None:
        """Add what a tool returned."""
        self.outcomes.append(ToolOutcome(name, text))
        self.add("tool", text, marked=marked)

    def offer(self, name: str, description: str, schema: Any, *, marked: bool = False) -> None:
        """Add a tool that the model may call."""
        self.tools[name] = schema
        self.add("tools", f"{name}{description}{encode(schema).decode()}", marked=marked)
