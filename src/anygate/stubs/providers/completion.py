"""What the simulated model answers to a prompt: the same for every vendor, word for word."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from anygate.stubs.orders import Orders
from anygate.stubs.providers.outcome import encode
from anygate.stubs.providers.prompt import Prompt
from anygate.stubs.providers.schema_value import make_value
from anygate.stubs.providers.signature import sign
from anygate.stubs.providers.tokens import count_tokens

Stop = Literal["end", "length", "stop", "tools"]

_CALLS = re.compile(r"\bcall ([\w.-]+(?:(?:, *(?:and )?| and )[\w.-]+)*)", re.IGNORECASE)
_SEPARATOR = re.compile(r", *(?:and )?| and ")
_USUAL_PIECE = 16


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool that the model asks for."""

    name: str
    arguments: dict[str, Any]

    @property
    def text(self) -> str:
        """The arguments as JSON."""
        return encode(self.arguments).decode()


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer, before a vendor puts it into its own shape."""

    thinking: str
    text: str
    calls: tuple[ToolCall, ...]
    stop: Stop
    stop_sequence: str | None = None

    @property
    def signature(self) -> str:
        """What the thinking must carry when it comes back."""
        return sign(self.thinking)

    @property
    def thinking_tokens(self) -> int:
        """How many tokens the thinking counts."""
        return count_tokens(self.thinking)

    @property
    def tokens(self) -> int:
        """How many tokens were generated, thinking included."""
        called = sum(count_tokens(call.name) + count_tokens(call.text) for call in self.calls)
        return self.thinking_tokens + count_tokens(self.text) + called


def complete(prompt: Prompt, orders: Orders) -> Completion:
    """Return what the model answers to `prompt`."""
    thinking = _think(prompt) if prompt.thinks else ""
    calls = _choose_calls(prompt)
    if calls:
        return Completion(thinking, "", calls, "tools")
    text = _write(prompt)
    least = max(orders.body_size, orders.chunks or 0)
    if len(text) < least and not _is_structured(prompt):
        text = text.ljust(least, ".")  # as long as was ordered, so that a chunk is never empty
    return _limit(prompt, thinking, text)


def split_text(text: str, chunks: int | None) -> Iterator[str]:
    """Cut `text` for a stream: into `chunks` pieces, else into pieces of 16 characters."""
    count = min(chunks, len(text)) if chunks else -(-len(text) // _USUAL_PIECE)
    for index in range(count):
        yield text[index * len(text) // count : (index + 1) * len(text) // count]


def _think(prompt: Prompt) -> str:
    if prompt.outcomes:
        return f"The tools gave {len(prompt.outcomes)} results; I cite them."
    return f"The user said {' '.join(prompt.said)!r}; I answer that."


def _choose_calls(prompt: Prompt) -> tuple[ToolCall, ...]:
    if prompt.choice == "none" or not prompt.tools:
        return ()
    if prompt.forced is not None:
        names = [prompt.forced] if prompt.forced in prompt.tools else []
    elif prompt.outcomes and prompt.choice == "auto":
        names = []
    else:
        names = _read_names(prompt) or (list(prompt.tools)[:1] if prompt.choice == "any" else [])
    if not prompt.is_parallel:
        names = names[:1]
    calls = []
    for name in names:
        arguments = make_value(prompt.tools[name])
        calls.append(ToolCall(name, arguments if isinstance(arguments, dict) else {}))
    return tuple(calls)


def _read_names(prompt: Prompt) -> list[str]:
    found = _CALLS.search(" ".join(prompt.said))
    if found is None:
        return []
    named = (name.rstrip(".") for name in _SEPARATOR.split(found[1]))
    return [name for name in named if name in prompt.tools]


def _is_structured(prompt: Prompt) -> bool:
    return prompt.is_json or prompt.schema is not None


def _write(prompt: Prompt) -> str:
    said = " ".join(prompt.said)
    if prompt.schema is not None:
        return encode(make_value(prompt.schema)).decode()
    if prompt.is_json:
        return encode({"you_said": said}).decode()
    if prompt.outcomes:
        cited = "; ".join(f"{outcome.name}: {outcome.text}" for outcome in prompt.outcomes)
        return f"The tools answered: {cited}"
    text = f"You said: {said}"
    if prompt.attachments:
        text += f" I received: {', '.join(prompt.attachments)}."
    return text


def _limit(prompt: Prompt, thinking: str, text: str) -> Completion:
    hits = [(text.find(stop), stop) for stop in prompt.stops if stop and stop in text]
    stop: Stop = "end"
    sequence = None
    if hits:
        place, sequence = min(hits, key=lambda hit: hit[0])
        text, stop = text[:place], "stop"
    if prompt.max_tokens is not None:
        room = max(0, prompt.max_tokens - count_tokens(thinking))
        if count_tokens(text) > room:
            text, stop, sequence = text[: 4 * room], "length", None
    return Completion(thinking, text, (), stop, sequence)
