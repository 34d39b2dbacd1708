"""The canonical chat request, and the check that a writer says what it leaves out."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Literal

import msgspec

from anygate.providers.chat.parts import Message, Text
from anygate.providers.losses import Losses


class Tool(msgspec.Struct, frozen=True):
    """A function of the client."""

    name: str
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    cache: str | None = None
    path: str = ""


class VendorTool(msgspec.Struct, frozen=True):
    """A tool that a vendor runs itself, such as a web search."""

    kind: str
    values: dict[str, Any]
    path: str = ""


class ToolChoice(msgspec.Struct, frozen=True):
    """Whether tools may, must or must not be called; `names` narrows them to some."""

    mode: Literal["auto", "none", "required"]
    names: tuple[str, ...] = ()


class OutputFormat(msgspec.Struct, frozen=True):
    """The shape of the answer: any JSON, a JSON schema, or vLLM's guided choice and pattern."""

    kind: Literal["text", "json", "schema", "choice", "pattern"]
    schema: Any = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ""


class Thinking(msgspec.Struct, frozen=True):
    """Anthropic's `thinking` object; `display` asks for summaries or for none."""

    mode: Literal["enabled", "disabled", "adaptive", "between_tools"]
    budget: int | None = None
    display: str | None = None


class ChatRequest(msgspec.Struct, kw_only=True):
    """A chat request of any client. None and empty mean that the client did not say.

    `names` leads from a field here to the client's own path where they differ; `extra` holds the client's top-level
    fields that no reader knows; `echo` what a Responses client expects to see repeated in its answer.
    """

    model: str
    messages: list[Message]
    system: list[Text] = []
    tools: list[Tool] = []
    vendor_tools: list[VendorTool] = []
    tool_choice: ToolChoice | None = None
    parallel: bool | None = None
    output_format: OutputFormat | None = None
    temperature: float | int | None = None
    top_p: float | int | None = None
    top_k: int | None = None
    seed: int | None = None
    frequency_penalty: float | int | None = None
    presence_penalty: float | int | None = None
    logit_bias: dict[str, Any] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    n: int | None = None
    stop: list[str] = []
    max_tokens: int | None = None
    effort: str | None = None
    thinking: Thinking | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    cache_key: str | None = None
    safety_settings: list[Any] | None = None
    generation_config: dict[str, Any] | None = None
    summary: str | None = None
    stream: bool = False
    include_usage: bool = False
    extra: dict[str, Any] = {}
    echo: dict[str, Any] = {}
    names: Mapping[str, str] = {}

    def path_of(self, field: str) -> str:
        """The client's own path of a field."""
        return self.names.get(field, field)


class Uncarried:
    """What a writer leaves out, by field with a sentence; `report` names each that the client set."""

    __slots__ = ("_defaults", "_get", "_sentences")

    def __init__(self, sentences: Mapping[str, str]) -> None:
        self._sentences = sentences
        self._get = attrgetter(*sentences)
        # All of them at once: nearly always none is set, and every request passes here.
        self._defaults = self._get(ChatRequest(model="", messages=[]))

    def report(self, request: ChatRequest, losses: Losses) -> None:
        """Add the losses."""
        values = self._get(request)
        if values != self._defaults:
            for (field, sentence), value in zip(self._sentences.items(), values, strict=True):
                if value is not None and value is not False and value != []:
                    losses.add(request.path_of(field), sentence)
        for field in request.extra:
            losses.add(field, "not a field the target knows")
        for tool in request.vendor_tools:
            losses.add(tool.path, f"the target has no tool of type {tool.kind!r}")
