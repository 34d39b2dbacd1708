"""OpenAI responses request to the canonical one (API reference, "Create a model response")."""

from typing import Any

from anygate.providers.chat import ChatRequest, OutputFormat, Tool, ToolChoice, VendorTool
from anygate.providers.chat.fields import Fields, Kind, read_scalars, read_texts
from anygate.providers.losses import Losses
from anygate.providers.openai_responses.read_items import read_input, read_instructions
from anygate.providers.refusal import bad_request, not_expressible

NAMES = {
    "effort": "reasoning.effort",
    "summary": "reasoning.summary",
    "output_format": "text.format",
    "verbosity": "text.verbosity",
    "parallel": "parallel_tool_calls",
    "max_tokens": "max_output_tokens",
    "cache_key": "prompt_cache_key",
}
_SCALARS: dict[str, tuple[str, Kind]] = {
    "parallel_tool_calls": ("parallel", "flag"),
    "temperature": ("temperature", "number"),
    "top_p": ("top_p", "number"),
    "max_output_tokens": ("max_tokens", "integer"),
    "service_tier": ("service_tier", "text"),
    "user": ("user", "text"),
    "prompt_cache_key": ("cache_key", "text"),
}
_STATEFUL = {
    "previous_response_id": "the target keeps no earlier responses",
    "conversation": "the target keeps no conversations",
    "prompt": "the target keeps no prompt templates",
}
_SERVICE_ONLY = (
    *("max_tool_calls", "safety_identifier", "prompt_cache_retention", "prompt_cache_options", "moderation"),
    *("context_management", "access_programs", "image"),
)
_ECHOED = (
    *("instructions", "max_output_tokens", "parallel_tool_calls", "temperature", "tool_choice", "tools", "top_p"),
    *("reasoning", "text", "metadata", "truncation", "user"),
)


def read_request(body: dict[str, Any], losses: Losses) -> ChatRequest:
    """Takes the decoded body apart; what no reader knows stays in `extra`."""
    echo = {name: _copy(body[name], 3) for name in _ECHOED if body.get(name) is not None}
    fields = Fields(body, "")
    _refuse_state(fields, losses)
    if fields.integer("top_logprobs") is not None:
        losses.add("top_logprobs", "the answer is converted without log probabilities")
    text, reasoning = fields.fields("text"), fields.fields("reasoning")
    request = ChatRequest(
        model=fields.text("model", required=True),
        system=read_instructions(fields),
        messages=[],
        tool_choice=_read_tool_choice(fields),
        output_format=_read_output_format(text) if text else None,
        verbosity=text.text("verbosity") if text else None,
        effort=reasoning.text("effort") if reasoning else None,
        summary=reasoning.text("summary") if reasoning else None,
        metadata=fields.mapping("metadata") or None,
        stream=fields.flag("stream") or False,
        echo=echo,
        names=NAMES,
        **read_scalars(fields, _SCALARS),
    )
    read_input(fields, request, losses)
    _read_tools(fields, request, losses)
    request.extra = {name: value for name, value in body.items() if value is not None}
    return request


def _copy(value: Any, depth: int) -> Any:
    """As deep as the readers take objects apart; schemas below stay shared."""
    if depth and type(value) is dict:
        return {name: _copy(inner, depth - 1) for name, inner in value.items()}
    if depth and type(value) is list:
        return [_copy(inner, depth - 1) for inner in value]
    return value


def _refuse_state(fields: Fields, losses: Losses) -> None:
    """The service remembers; the target does not. Forgetting silently would answer another question."""
    for name, problem in _STATEFUL.items():
        if fields.take(name) is not None:
            raise not_expressible(name, problem)
    if fields.flag("background"):
        raise not_expressible("background", "the target answers only while the client waits")
    if fields.flag("store"):
        losses.add("store", "the target keeps no responses")
    if fields.text("truncation") == "auto":
        losses.add("truncation", "the target does not shorten the conversation")
    fields.take("stream_options")
    wanted = [name for name in read_texts(fields.take("include"), "include") if not name.startswith("reasoning.")]
    if wanted:
        losses.add("include", "the target has nothing to include")
    for name in _SERVICE_ONLY:
        if fields.take(name) is not None:
            losses.add(name, "a setting of OpenAI's own service")


def _read_output_format(text: Fields) -> OutputFormat | None:
    shape = text.fields("format")
    if shape is None:
        return None
    kind = shape.text("type", required=True)
    if kind == "text":
        return OutputFormat("text")
    if kind == "json_object":
        return OutputFormat("json")
    if kind != "json_schema":
        raise bad_request(shape.path_of("type"), f"expected text, json_object or json_schema, got {kind[:40]!r}")
    return OutputFormat(
        "schema",
        schema=shape.mapping("schema") or {},
        name=shape.text("name"),
        description=shape.text("description"),
        strict=shape.flag("strict"),
    )


def _read_tools(fields: Fields, request: ChatRequest, losses: Losses) -> None:
    for at, value in enumerate(fields.items("tools")):
        item = Fields(value, f"tools[{at}]")
        kind = item.text("type", required=True)
        if kind != "function":
            request.vendor_tools.append(VendorTool(kind, item.values, item.path))
            continue
        request.tools.append(
            Tool(
                name=item.text("name", required=True),
                description=item.text("description"),
                schema=item.mapping("parameters"),
                strict=item.flag("strict"),
                path=item.path,
            )
        )
        item.report_rest(losses)


def _read_tool_choice(fields: Fields) -> ToolChoice | None:
    value = fields.take("tool_choice")
    if value is None:
        return None
    if type(value) is str:
        return _choice_of(value, ())
    choice = Fields(value, "tool_choice")
    kind = choice.text("type", required=True)
    if kind == "function":
        return ToolChoice("required", (choice.text("name", required=True),))
    if kind == "allowed_tools":
        tools = enumerate(choice.items("tools"))
        names = [Fields(tool, f"tool_choice.tools[{at}]").text("name", required=True) for at, tool in tools]
        return _choice_of(choice.text("mode") or "auto", tuple(names))
    raise not_expressible("tool_choice.type", f"the target cannot be made to call a tool of type {kind[:40]!r}")


def _choice_of(mode: str, names: tuple[str, ...]) -> ToolChoice:
    if mode == "auto":
        return ToolChoice("auto", names)
    if mode == "none":
        return ToolChoice("none")
    if mode == "required":
        return ToolChoice("required", names)
    raise bad_request("tool_choice", f"expected auto, none or required, got {mode[:40]!r}")
