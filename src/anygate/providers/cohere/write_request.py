"""Canonical request to a Cohere v2 chat request ("Chat API v2")."""

from typing import Any

from anygate.providers.chat import (
    Audio,
    ChatRequest,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    RefusalText,
    Text,
    ToolCall,
    ToolResult,
)
from anygate.providers.chat.parts import text_of
from anygate.providers.chat.request import Uncarried
from anygate.providers.losses import Losses
from anygate.providers.openai_chat.read_messages import strip_values
from anygate.providers.refusal import not_expressible

CARRIED = {
    *("model", "messages", "system", "tools", "tool_choice", "output_format", "temperature", "top_p", "top_k", "seed"),
    *("frequency_penalty", "presence_penalty", "logprobs", "n", "stop", "max_tokens", "effort", "thinking", "stream"),
    *("include_usage", "extra", "echo", "names", "vendor_tools", "summary"),
}
NOT_CARRIED = {
    "parallel": "Cohere cannot forbid parallel calls",
    "logit_bias": "Cohere has no logit bias",
    "top_logprobs": "Cohere reports only the chosen tokens",
    "verbosity": "Cohere has no verbosity",
    "service_tier": "Cohere has no service tiers",
    "user": "Cohere has no user field",
    "metadata": "Cohere has no request metadata",
    "cache_key": "Cohere finds cached prompts by their content",
    "safety_settings": "a setting of Gemini",
    "generation_config": "a setting of Gemini",
}
_UNCARRIED = Uncarried(NOT_CARRIED)


def write_request(request: ChatRequest, model: str, losses: Losses) -> dict[str, Any]:
    """The body for `/v2/chat`."""
    _UNCARRIED.report(request, losses)
    if request.n is not None and request.n != 1:
        raise not_expressible("n", "Cohere gives one answer per request")
    messages: list[dict[str, Any]] = []
    if any(text.cache for text in request.system):
        losses.add("system.cache_control", "Cohere caches prompts by itself")
    if request.system:
        messages.append({"role": "system", "content": "\n".join(text.text for text in request.system)})
    for message in request.messages:
        _write_message(message, messages, losses)
    if any(tool.strict for tool in request.tools) and not all(tool.strict for tool in request.tools):
        losses.add("tools.strict", "Cohere takes strict for all tools or for none")
    return strip_values(
        {
            "model": model,
            "messages": messages,
            "stream": True if request.stream else None,
            "tools": _write_tools(request, losses) or None,
            "strict_tools": True if request.tools and all(tool.strict for tool in request.tools) else None,
            "tool_choice": _write_choice(request),
            "response_format": _write_format(request, losses),
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "p": request.top_p,
            "k": request.top_k,
            "seed": request.seed,
            "frequency_penalty": request.frequency_penalty,
            "presence_penalty": request.presence_penalty,
            "logprobs": request.logprobs,
            "stop_sequences": request.stop or None,
            "thinking": _write_thinking(request, losses),
        }
    )


def _write_tools(request: ChatRequest, losses: Losses) -> list[dict[str, Any]]:
    """Cohere cannot name the tools to choose from: a choice by name leaves the others out."""
    wanted = request.tool_choice.names if request.tool_choice else ()
    tools = []
    for tool in request.tools:
        if wanted and tool.name not in wanted:
            continue
        if tool.cache:
            losses.add(f"{tool.path}.cache_control", "Cohere caches prompts by itself")
        schema = tool.schema or {"type": "object", "properties": {}}
        function = strip_values({"name": tool.name, "description": tool.description, "parameters": schema})
        tools.append({"type": "function", "function": function})
    return tools


def _write_choice(request: ChatRequest) -> str | None:
    choice = request.tool_choice
    if choice is None or not request.tools or choice.mode == "auto":
        return None
    return "REQUIRED" if choice.mode == "required" else "NONE"


def _write_format(request: ChatRequest, losses: Losses) -> dict[str, Any] | None:
    shape = request.output_format
    if shape is None or shape.kind == "text":
        return None
    if shape.kind == "json":
        return {"type": "json_object"}
    if shape.kind == "schema":
        return {"type": "json_object", "json_schema": shape.schema}
    losses.add(request.path_of("output_format"), "Cohere takes only JSON and JSON schemas")
    return None


def _write_thinking(request: ChatRequest, losses: Losses) -> dict[str, Any] | None:
    thinking = request.thinking
    if thinking is not None:
        mode = "disabled" if thinking.mode == "disabled" else "enabled"
        return strip_values({"type": mode, "token_budget": thinking.budget})
    if request.effort is None:
        return None
    if request.effort != "none":
        losses.add(request.path_of("effort"), "Cohere thinks by a token budget, not by an effort")
        return {"type": "enabled"}
    return {"type": "disabled"}


def _write_message(message: Message, messages: list[dict[str, Any]], losses: Losses) -> None:
    if message.role == "tool":
        messages.extend(_write_result(part, losses) for part in message.parts if isinstance(part, ToolResult))
    elif message.role == "assistant":
        messages.append(_write_assistant(message))
    else:
        content = [_write_part(part, losses) for part in message.parts]
        messages.append({"role": message.role, "content": content})


def _write_part(part: Part, losses: Losses) -> dict[str, Any]:
    if isinstance(part, Text | Image | File) and part.cache:
        losses.add("messages.cache_control", "Cohere caches prompts by itself")
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Image):
        url = part.url or f"data:{part.media_type};base64,{part.content}"
        return {"type": "image_url", "image_url": strip_values({"url": url, "detail": part.detail})}
    if isinstance(part, File) and part.text is not None:
        return {"type": "text", "text": part.text}
    if isinstance(part, File | Audio):
        raise not_expressible(part.path, "Cohere takes text and images only")
    raise not_expressible("messages", "a user message cannot hold what a model says")


def _write_assistant(message: Message) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, Text | RefusalText):
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, Reasoning) and part.text:
            content.append({"type": "thinking", "thinking": part.text})
        elif isinstance(part, ToolCall):
            function = {"name": part.name, "arguments": part.arguments}
            calls.append({"id": part.call_id, "type": "function", "function": function})
    return strip_values({"role": "assistant", "content": content or None, "tool_calls": calls or None})


def _write_result(result: ToolResult, losses: Losses) -> dict[str, Any]:
    texts = []
    for part in result.parts:
        text = text_of(part)
        if text is not None:
            texts.append(text)
        elif not isinstance(part, Text):
            losses.add(part.path, "a Cohere tool message holds only text")
    if result.is_error:
        losses.add(f"{result.path}.is_error", "a Cohere tool message cannot be marked as an error")
    return {"role": "tool", "tool_call_id": result.call_id, "content": "".join(texts)}
