"""Canonical request to an OpenAI chat request, for clients of other formats (spec AO1-AO5)."""

from typing import Any

from anygate.providers.chat import (
    Audio,
    ChatRequest,
    File,
    Image,
    Message,
    OutputFormat,
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
    *(
        "model",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "parallel",
        "output_format",
        "temperature",
        "top_p",
        "seed",
    ),
    *("frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "n", "stop", "max_tokens"),
    *("effort", "verbosity", "service_tier", "user", "cache_key", "stream", "include_usage"),
    *("extra", "echo", "names", "vendor_tools", "summary"),
}
NOT_CARRIED = {
    "top_k": "OpenAI chat has no top_k",
    "thinking": "OpenAI chat has no thinking budget",
    "metadata": "OpenAI's metadata means stored completions, not the caller",
    "safety_settings": "a setting of Gemini",
    "generation_config": "a setting of Gemini",
}
_UNCARRIED = Uncarried(NOT_CARRIED)
_TIERS = {"standard_only": "default", "auto": "auto"}


def write_request(
    request: ChatRequest, model: str, losses: Losses, *, legacy_max_tokens: bool = False
) -> dict[str, Any]:
    """The body for `/chat/completions`."""
    _UNCARRIED.report(request, losses)
    messages: list[dict[str, Any]] = []
    if request.system:
        if any(text.cache for text in request.system):
            losses.add("system.cache_control", "OpenAI caches prompts by itself")
        messages.append({"role": "system", "content": "\n".join(text.text for text in request.system)})
    for message in request.messages:
        _write_message(message, messages, losses)
    choice = request.tool_choice
    return strip_values(
        {
            "model": model,
            "messages": messages,
            "max_tokens" if legacy_max_tokens else "max_completion_tokens": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "stop": request.stop or None,
            "seed": request.seed,
            "frequency_penalty": request.frequency_penalty,
            "presence_penalty": request.presence_penalty,
            "logit_bias": request.logit_bias,
            "logprobs": request.logprobs,
            "top_logprobs": request.top_logprobs,
            "n": request.n,
            "tools": [_write_tool(tool, losses) for tool in request.tools] or None,
            "tool_choice": _write_choice(request) if choice and request.tools else None,
            "parallel_tool_calls": request.parallel if request.tools else None,
            "response_format": _write_format(request.output_format) if request.output_format else None,
            "reasoning_effort": request.effort,
            "verbosity": request.verbosity,
            "service_tier": _TIERS.get(request.service_tier, request.service_tier) if request.service_tier else None,
            "user": request.user,
            "prompt_cache_key": request.cache_key,
            "stream": True if request.stream else None,
            "stream_options": {"include_usage": True} if request.stream else None,
        }
    )


def _write_tool(tool: Any, losses: Losses) -> dict[str, Any]:
    if tool.cache:
        losses.add(f"{tool.path}.cache_control", "OpenAI caches prompts by itself")
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.schema,
        "strict": tool.strict,
    }
    return {"type": "function", "function": strip_values(function)}


def _write_choice(request: ChatRequest) -> Any:
    choice = request.tool_choice
    if choice is None or not choice.names:
        return choice.mode if choice else None
    if choice.mode == "required" and len(choice.names) == 1:
        return {"type": "function", "function": {"name": choice.names[0]}}
    tools = [{"type": "function", "function": {"name": name}} for name in choice.names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": tools}}


def _write_format(shape: OutputFormat) -> dict[str, Any]:
    if shape.kind == "text":
        return {"type": "text"}
    if shape.kind == "json":
        return {"type": "json_object"}
    schema = {
        "name": shape.name or "answer",
        "description": shape.description,
        "schema": shape.schema,
        "strict": True if shape.strict is None else shape.strict,
    }
    return {"type": "json_schema", "json_schema": strip_values(schema)}


def _write_message(message: Message, messages: list[dict[str, Any]], losses: Losses) -> None:
    if message.role == "tool":
        for part in message.parts:
            if isinstance(part, ToolResult):
                messages.append(_write_result(part, losses))
    elif message.role == "assistant":
        messages.append(_write_assistant(message, losses))
    else:
        messages.append({"role": message.role, "content": _write_content(message.parts, losses)})


def _write_content(parts: list[Part], losses: Losses) -> Any:
    if all(isinstance(part, Text) for part in parts):
        texts = [part for part in parts if isinstance(part, Text)]
        _report_cache(texts, losses)
        if len(texts) == 1:
            return texts[0].text
    return [_write_part(part, losses) for part in parts]


def _report_cache(parts: list[Text], losses: Losses) -> None:
    if any(part.cache for part in parts):
        losses.add("messages.cache_control", "OpenAI caches prompts by itself")


def _write_part(part: Part, losses: Losses) -> dict[str, Any]:
    if isinstance(part, Text | Image | File) and part.cache:
        losses.add("messages.cache_control", "OpenAI caches prompts by itself")
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Image):
        url = part.url or f"data:{part.media_type};base64,{part.content}"
        return {"type": "image_url", "image_url": strip_values({"url": url, "detail": part.detail})}
    if isinstance(part, File):
        return _write_file(part)
    if isinstance(part, Audio):
        return {"type": "input_audio", "input_audio": {"data": part.content, "format": part.kind}}
    raise not_expressible("messages", f"a user message cannot hold {type(part).__name__}")


def _write_file(part: File) -> dict[str, Any]:
    if part.text is not None:
        title = f"{part.name}:\n" if part.name else ""
        return {"type": "text", "text": title + part.text}
    if part.file_id is not None:
        raise not_expressible(part.path, "a file uploaded at one provider does not exist at another")
    if part.url is not None:
        raise not_expressible(part.path, "OpenAI chat takes documents by content, not by URL")
    content = f"data:{part.media_type};base64,{part.content}"
    return {"type": "file", "file": {"filename": part.name or "document.pdf", "file_data": content}}


def _write_assistant(message: Message, losses: Losses) -> dict[str, Any]:
    """Compatible servers get their own thoughts back where they wrote them; only vendors' signatures mark others.

    OpenAI itself never shows a thought, so none comes back to it. (Spec AO2 puts them into the content instead, which
    OpenAI refuses and most servers do not read.)
    """
    texts: list[str] = []
    calls: list[dict[str, Any]] = []
    thoughts: list[str] = []
    refusal: str | None = None
    for part in message.parts:
        if isinstance(part, Text):
            texts.append(part.text)
        elif isinstance(part, ToolCall):
            function = {"name": part.name, "arguments": part.arguments}
            calls.append({"id": part.call_id, "type": "function", "function": function})
        elif isinstance(part, RefusalText):
            refusal = (refusal or "") + part.text
        elif isinstance(part, Reasoning) and part.text and not part.signature:
            thoughts.append(part.text)
        elif isinstance(part, Reasoning):
            losses.add(part.path, "OpenAI chat does not take the signed thoughts of other models back")
    written = {
        "role": "assistant",
        "content": "".join(texts) if texts else None,
        "reasoning_content": "".join(thoughts) if thoughts else None,
        "refusal": refusal,
        "tool_calls": calls or None,
    }
    if not calls and refusal is None and not texts:
        written["content"] = ""
    return strip_values(written)


def _write_result(result: ToolResult, losses: Losses) -> dict[str, Any]:
    texts = []
    for part in result.parts:
        text = text_of(part)
        if text is not None:
            texts.append(text)
        elif not isinstance(part, Text):
            losses.add(part.path, "an OpenAI tool message holds only text")
    if result.is_error:
        losses.add(f"{result.path}.is_error", "an OpenAI tool message cannot be marked as an error")
    if result.cache:
        losses.add("messages.cache_control", "OpenAI caches prompts by itself")
    return {"role": "tool", "tool_call_id": result.call_id, "content": "".join(texts)}
