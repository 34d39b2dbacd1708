"""Anthropic messages request to the canonical one (API reference, "Create a Message")."""

from typing import Any

from anygate.providers.anthropic.read_messages import read_cache, read_messages, read_system
from anygate.providers.chat import ChatRequest, OutputFormat, Tool, ToolChoice, VendorTool
from anygate.providers.chat.fields import Fields, Kind, read_scalars, read_texts
from anygate.providers.losses import Losses
from anygate.providers.openai_chat.read_request import read_thinking
from anygate.providers.refusal import bad_request

NAMES = {
    "effort": "output_config.effort",
    "output_format": "output_config.format",
    "parallel": "tool_choice.disable_parallel_tool_use",
    "stop": "stop_sequences",
}
_SCALARS: dict[str, tuple[str, Kind]] = {
    "temperature": ("temperature", "number"),
    "top_p": ("top_p", "number"),
    "top_k": ("top_k", "integer"),
    "service_tier": ("service_tier", "text"),
    "metadata": ("metadata", "mapping"),
}
_SERVICE_ONLY = ("container", "mcp_servers", "context_management", "inference_geo", "speed", "diagnostics")


def read_request(body: dict[str, Any], losses: Losses) -> ChatRequest:
    """Takes the decoded body apart; what no reader knows stays in `extra`."""
    fields = Fields(body, "")
    max_tokens = fields.integer("max_tokens")
    if max_tokens is None:
        raise bad_request("max_tokens", "expected an integer, but it is missing")
    output = fields.fields("output_config")
    system = read_system(fields, losses)
    choice = fields.fields("tool_choice")
    request = ChatRequest(
        model=fields.text("model", required=True),
        system=system,
        messages=read_messages(fields, losses),
        tool_choice=_read_tool_choice(choice) if choice else None,
        parallel=_read_parallel(choice) if choice else None,
        output_format=_read_output_format(fields, output),
        stop=read_texts(fields.take("stop_sequences"), "stop_sequences"),
        max_tokens=max_tokens,
        effort=output.text("effort") if output else None,
        thinking=read_thinking(fields),
        stream=fields.flag("stream") or False,
        names=NAMES,
        **read_scalars(fields, _SCALARS),
    )
    _read_tools(fields, request, losses)
    for name in _SERVICE_ONLY:
        if fields.take(name) is not None:
            losses.add(name, "a setting of Anthropic's own service")
    if read_cache(fields) is not None:
        losses.add("cache_control", "automatic cache marks exist only at Anthropic")
    request.extra = {name: value for name, value in body.items() if value is not None}
    return request


def _read_output_format(fields: Fields, output: Fields | None) -> OutputFormat | None:
    shape = output.fields("format") if output else None
    shape = shape or fields.fields("output_format")
    if shape is None:
        return None
    kind = shape.text("type", required=True)
    if kind != "json_schema":
        raise bad_request(shape.path_of("type"), f"expected json_schema, got {kind[:40]!r}")
    return OutputFormat("schema", schema=shape.mapping("schema") or {})


def _read_tools(fields: Fields, request: ChatRequest, losses: Losses) -> None:
    for at, value in enumerate(fields.items("tools")):
        item = Fields(value, f"tools[{at}]")
        kind = item.text("type") or "custom"
        if kind != "custom":
            request.vendor_tools.append(VendorTool(kind, item.values, item.path))
            continue
        request.tools.append(
            Tool(
                name=item.text("name", required=True),
                description=item.text("description"),
                schema=item.mapping("input_schema"),
                strict=item.flag("strict"),
                cache=read_cache(item),
                path=item.path,
            )
        )
        item.report_rest(losses)


def _read_tool_choice(choice: Fields) -> ToolChoice:
    kind = choice.text("type", required=True)
    if kind == "auto":
        return ToolChoice("auto")
    if kind == "any":
        return ToolChoice("required")
    if kind == "none":
        return ToolChoice("none")
    if kind == "tool":
        return ToolChoice("required", (choice.text("name", required=True),))
    raise bad_request("tool_choice.type", f"expected auto, any, tool or none, got {kind[:40]!r}")


def _read_parallel(choice: Fields) -> bool | None:
    disabled = choice.flag("disable_parallel_tool_use")
    return None if disabled is None else not disabled
