"""OpenAI chat request to the canonical one (API reference, "Create chat completion")."""

from typing import Any

from anygate.providers.chat import ChatRequest, OutputFormat, Thinking, Tool, ToolChoice, VendorTool
from anygate.providers.chat.fields import Fields, Kind, kind_of, read_scalars, read_texts
from anygate.providers.losses import Losses
from anygate.providers.openai_chat.read_messages import read_cache, read_messages
from anygate.providers.refusal import bad_request, not_expressible

NAMES = {
    "effort": "reasoning_effort",
    "output_format": "response_format",
    "parallel": "parallel_tool_calls",
    "cache_key": "prompt_cache_key",
}
_SCALARS: dict[str, tuple[str, Kind]] = {
    "parallel_tool_calls": ("parallel", "flag"),
    "temperature": ("temperature", "number"),
    "top_p": ("top_p", "number"),
    "top_k": ("top_k", "integer"),
    "seed": ("seed", "integer"),
    "frequency_penalty": ("frequency_penalty", "number"),
    "presence_penalty": ("presence_penalty", "number"),
    "logit_bias": ("logit_bias", "mapping"),
    "logprobs": ("logprobs", "flag"),
    "top_logprobs": ("top_logprobs", "integer"),
    "n": ("n", "integer"),
    "reasoning_effort": ("effort", "text"),
    "verbosity": ("verbosity", "text"),
    "service_tier": ("service_tier", "text"),
    "user": ("user", "text"),
    "metadata": ("metadata", "mapping"),
    "prompt_cache_key": ("cache_key", "text"),
    "generationConfig": ("generation_config", "mapping"),
}
_SERVICE_ONLY = ("store", "safety_identifier", "prompt_cache_retention", "prompt_cache_options")


def read_request(body: dict[str, Any], losses: Losses) -> ChatRequest:
    """Takes the decoded body apart; what no reader knows stays in `extra`."""
    fields = Fields(body, "")
    system, messages = read_messages(fields, losses)
    request = ChatRequest(
        model=fields.text("model", required=True),
        system=system,
        messages=messages,
        max_tokens=_read_max_tokens(fields),
        stream=fields.flag("stream") or False,
        names=NAMES,
        **read_scalars(fields, _SCALARS),
    )
    if body:
        _read_objects(fields, request, losses)
        request.extra = {name: value for name, value in body.items() if value is not None}
    return request


def _read_objects(fields: Fields, request: ChatRequest, losses: Losses) -> None:
    options = fields.fields("stream_options")
    request.include_usage = bool(options and options.flag("include_usage"))
    request.tool_choice = _read_tool_choice(fields)
    request.output_format = _read_output_format(fields)
    request.stop = read_texts(fields.take("stop"), "stop")
    request.thinking = read_thinking(fields)
    request.safety_settings = fields.items("safetySettings") or None
    _read_tools(fields, request, losses)
    _refuse_audio(fields)
    for name in _SERVICE_ONLY:
        if fields.take(name) is not None:
            losses.add(name, "a setting of OpenAI's own service")


def _read_max_tokens(fields: Fields) -> int | None:
    newer, older = fields.integer("max_completion_tokens"), fields.integer("max_tokens")
    return older if newer is None else newer


def read_thinking(fields: Fields) -> Thinking | None:
    """Anthropic's `thinking` object, which OpenAI clients send as an extension."""
    thinking = fields.fields("thinking")
    if thinking is None:
        return None
    mode = thinking.text("type", required=True)
    if mode == "enabled":
        return Thinking("enabled", thinking.integer("budget_tokens"), thinking.text("display"))
    if mode == "disabled":
        return Thinking("disabled")
    if mode == "adaptive":
        return Thinking("adaptive", None, thinking.text("display"))
    if mode == "between_tools":
        return Thinking("between_tools")
    raise bad_request(thinking.path_of("type"), f"unknown thinking type {mode[:40]!r}")


def _refuse_audio(fields: Fields) -> None:
    """Spoken answers exist only at OpenAI itself; leaving them out would answer another question."""
    modalities = read_texts(fields.take("modalities"), "modalities")
    if any(modality != "text" for modality in modalities) or fields.take("audio") is not None:
        raise not_expressible("modalities", "the target answers in text only")


def _read_tools(fields: Fields, request: ChatRequest, losses: Losses) -> None:
    for at, value in enumerate(fields.items("tools")):
        item = Fields(value, f"tools[{at}]")
        kind = item.text("type", required=True)
        if kind != "function":
            request.vendor_tools.append(VendorTool(kind, item.values, item.path))
            continue
        function = item.fields("function")
        if function is None:
            raise bad_request(item.path_of("function"), "expected an object, but it is missing")
        outer = read_cache(item)
        request.tools.append(
            Tool(
                name=function.text("name", required=True),
                description=function.text("description"),
                schema=function.mapping("parameters"),
                strict=function.flag("strict"),
                cache=read_cache(function) or outer,
                path=item.path,
            )
        )
        function.report_rest(losses)
        item.report_rest(losses)
    for at, value in enumerate(fields.items("functions")):
        function = Fields(value, f"functions[{at}]")
        name, description = function.text("name", required=True), function.text("description")
        request.tools.append(Tool(name, description, function.mapping("parameters"), path=function.path))


def _read_tool_choice(fields: Fields) -> ToolChoice | None:
    value = fields.take("tool_choice")
    older = fields.take("function_call")
    if value is None and older is not None:
        value = older if isinstance(older, str) else {"type": "function", "function": older}
    if value is None:
        return None
    if type(value) is str:
        return _choice_of(value, (), "tool_choice")
    choice = Fields(value, "tool_choice")
    kind = choice.text("type", required=True)
    if kind == "function":
        function = choice.fields("function")
        if function is None:
            raise bad_request("tool_choice.function", "expected an object, but it is missing")
        return ToolChoice("required", (function.text("name", required=True),))
    if kind == "allowed_tools":
        return _read_allowed(choice.fields("allowed_tools") or choice)
    raise not_expressible("tool_choice.type", f"the target cannot be made to call a tool of type {kind[:40]!r}")


def _read_allowed(allowed: Fields) -> ToolChoice:
    names = []
    for at, value in enumerate(allowed.items("tools")):
        tool = Fields(value, f"{allowed.path}.tools[{at}]")
        function = tool.fields("function") or tool
        names.append(function.text("name", required=True))
    return _choice_of(allowed.text("mode") or "auto", tuple(names), allowed.path_of("mode"))


def _choice_of(mode: str, names: tuple[str, ...], path: str) -> ToolChoice:
    if mode == "auto":
        return ToolChoice("auto", names)
    if mode == "none":
        return ToolChoice("none")
    if mode in ("required", "any"):
        return ToolChoice("required", names)
    raise bad_request(path, f"expected auto, none or required, got {mode[:40]!r}")


def _read_output_format(fields: Fields) -> OutputFormat | None:
    found = [name for name in ("guided_choice", "guided_json", "guided_regex") if fields.values.get(name) is not None]
    value = fields.fields("response_format")
    if len(found) + (value is not None) > 1:
        raise not_expressible("response_format", "only one of response_format and the guided_ fields can be set")
    if found:
        return _read_guided(fields, found[0])
    if value is None:
        return None
    kind = value.text("type", required=True)
    if kind == "text":
        return OutputFormat("text")
    if kind == "json_object":
        return OutputFormat("json")
    schema = value.fields("json_schema") if kind == "json_schema" else None
    if schema is None:
        raise bad_request("response_format.type", f"expected text, json_object or json_schema, got {kind[:40]!r}")
    return OutputFormat(
        "schema",
        schema=schema.mapping("schema") or {},
        name=schema.text("name"),
        description=schema.text("description"),
        strict=schema.flag("strict"),
    )


def _read_guided(fields: Fields, name: str) -> OutputFormat:
    """vLLM's extensions ("Structured outputs")."""
    value = fields.take(name)
    if name == "guided_choice":
        return OutputFormat("choice", choices=tuple(read_texts(value, name)))
    if name == "guided_regex" and type(value) is str:
        return OutputFormat("pattern", pattern=value)
    if name == "guided_json" and type(value) is dict:
        return OutputFormat("schema", schema=value)
    raise bad_request(name, f"unexpected {kind_of(value)}")
