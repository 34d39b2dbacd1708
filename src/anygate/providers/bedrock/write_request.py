"""Canonical request to a Converse request (spec OB2-OB10, AB1-AB2)."""

import re
from typing import Any

from anygate.providers.anthropic.write_messages import is_error, parse_arguments
from anygate.providers.chat import (
    ChatRequest,
    File,
    Image,
    Part,
    Reasoning,
    RefusalText,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from anygate.providers.chat.abilities import has_converse_output
from anygate.providers.chat.request import Uncarried
from anygate.providers.chat.signatures import for_claude
from anygate.providers.chat.turns import clean_call_id, gather_system, merge_turns
from anygate.providers.json_text import render_text
from anygate.providers.losses import Losses
from anygate.providers.openai_chat.read_messages import strip_values
from anygate.providers.refusal import not_expressible

CARRIED = {
    *("model", "messages", "system", "tools", "tool_choice", "output_format", "temperature", "top_p", "top_k", "stop"),
    *("max_tokens", "effort", "thinking", "service_tier", "stream", "n", "include_usage"),
    *("extra", "echo", "names", "vendor_tools", "summary"),
}
NOT_CARRIED = {
    "parallel": "Converse cannot forbid parallel calls",
    "seed": "Converse has no seed",
    "frequency_penalty": "Converse has no penalties",
    "presence_penalty": "Converse has no penalties",
    "logit_bias": "Converse has no logit bias",
    "logprobs": "Converse reports no log probabilities",
    "top_logprobs": "Converse reports no log probabilities",
    "verbosity": "Converse has no verbosity",
    "user": "Converse has no user field",
    "metadata": "Converse does not pass metadata to the model",
    "cache_key": "Converse finds cached prompts by their content",
    "safety_settings": "a setting of Gemini",
    "generation_config": "a setting of Gemini",
}
_UNCARRIED = Uncarried(NOT_CARRIED)
_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
_NOT_IN_NAME = re.compile(r"[^a-zA-Z0-9 ()\[\]-]+")
_TIERS = {"auto": None, "standard_only": "default"}


def write_request(request: ChatRequest, model: str, losses: Losses) -> dict[str, Any]:
    """The body for `/converse` and `/converse-stream`."""
    _UNCARRIED.report(request, losses)
    if request.n is not None and request.n != 1:
        raise not_expressible("n", "Converse gives one answer per request")
    messages = []
    for role, parts in merge_turns(request.messages):
        blocks = [block for part in parts for block in _write_part(part, losses)]
        if blocks:
            messages.append({"role": role, "content": blocks})
    system = [block for text in gather_system(request, losses) for block in _write_text(text)]
    tier = _TIERS.get(request.service_tier, request.service_tier) if request.service_tier else None
    return strip_values(
        {
            "messages": messages,
            "system": system or None,
            "inferenceConfig": _write_inference(request),
            "toolConfig": _write_tools(request, losses),
            "outputConfig": _write_output(request, model, losses),
            "additionalModelRequestFields": _write_additional(request) or None,
            "serviceTier": {"type": tier} if tier else None,
        }
    )


def _write_inference(request: ChatRequest) -> dict[str, Any]:
    """Spec OB2: an empty object when nothing is set."""
    return strip_values(
        {
            "maxTokens": request.max_tokens,
            "temperature": request.temperature,
            "topP": request.top_p,
            "stopSequences": request.stop or None,
        }
    )


def _write_additional(request: ChatRequest) -> dict[str, Any]:
    """Spec OB3, AB2: what Converse hands to the model unread."""
    fields: dict[str, Any] = {}
    if request.top_k is not None:
        fields["top_k"] = request.top_k
    thinking = request.thinking
    if thinking is not None:
        written = {"type": thinking.mode, "budget_tokens": thinking.budget, "display": thinking.display}
        fields["thinking"] = strip_values(written)
    if request.effort is not None:
        fields["reasoning_config"] = request.effort
    return fields


def _write_output(request: ChatRequest, model: str, losses: Losses) -> dict[str, Any] | None:
    """A JSON schema has its place in Converse's `outputConfig`; other shapes have none (spec OB10)."""
    shape = request.output_format
    if shape is None or shape.kind == "text":
        return None
    if shape.kind != "schema" or not has_converse_output(model):
        problem = "this model takes no output schema" if shape.kind == "schema" else "Converse takes only JSON schemas"
        losses.add(request.path_of("output_format"), problem)
        return None
    schema = strip_values({"schema": render_text(shape.schema), "name": shape.name, "description": shape.description})
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}


def _write_tools(request: ChatRequest, losses: Losses) -> dict[str, Any] | None:
    """Spec OB8, OB9: `none` leaves the tools out, unless the history holds calls, which need them declared."""
    choice = request.tool_choice
    if not request.tools:
        return None
    if choice is not None and choice.mode == "none":
        if not any(isinstance(part, ToolCall | ToolResult) for message in request.messages for part in message.parts):
            return None
        losses.add(request.path_of("tool_choice"), "Converse cannot forbid calls once the conversation holds some")
        choice = None
    tools = [element for tool in request.tools for element in _write_tool(tool)]
    if choice is None:
        return {"tools": tools}
    if choice.names and (choice.mode == "auto" or len(choice.names) > 1) and len(choice.names) < len(request.tools):
        raise not_expressible(request.path_of("tool_choice"), "Converse can force one tool or any, not one of several")
    if choice.mode == "required" and len(choice.names) == 1:
        return {"tools": tools, "toolChoice": {"tool": {"name": choice.names[0]}}}
    return {"tools": tools, "toolChoice": {"auto": {}} if choice.mode == "auto" else {"any": {}}}


def _write_tool(tool: Tool) -> list[dict[str, Any]]:
    schema = tool.schema if tool.schema else {"type": "object", "properties": {}}
    spec = {
        "name": tool.name,
        "description": tool.description or None,
        "inputSchema": {"json": schema},
        "strict": tool.strict,
    }
    return [{"toolSpec": strip_values(spec)}, *_write_cache(tool.cache)]


def _write_cache(cache: str | None) -> list[dict[str, Any]]:
    """A cache mark is an element of its own behind what it marks."""
    if cache is None:
        return []
    return [{"cachePoint": {"type": "default"} if cache == "default" else {"type": "default", "ttl": cache}}]


def _write_text(text: Text) -> list[dict[str, Any]]:
    return [{"text": text.text}, *_write_cache(text.cache)] if text.text else []


def _write_part(part: Part, losses: Losses) -> list[dict[str, Any]]:
    if isinstance(part, Text):
        return _write_text(part)
    if isinstance(part, ToolCall):
        use = {"toolUseId": clean_call_id(part.call_id), "name": part.name, "input": parse_arguments(part)}
        return [{"toolUse": use}, *_write_cache(part.cache)]
    if isinstance(part, ToolResult):
        return [_write_result(part), *_write_cache(part.cache)]
    if isinstance(part, Reasoning):
        return _write_reasoning(part, losses)
    if isinstance(part, Image):
        return [_write_image(part), *_write_cache(part.cache)]
    if isinstance(part, File):
        return [_write_file(part), *_write_cache(part.cache)]
    if isinstance(part, RefusalText):
        return [{"text": part.text}] if part.text else []
    return [{"audio": {"format": part.kind, "source": {"bytes": part.content}}}]


def _write_result(result: ToolResult) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    for part in result.parts:
        if isinstance(part, Text):
            content.append({"text": part.text})
        elif isinstance(part, Image):
            content.append(_write_image(part))
        else:
            content.append(_write_file(part))
    written: dict[str, Any] = {"toolUseId": clean_call_id(result.call_id), "content": content}
    if is_error(result):
        written["status"] = "error"
    return {"toolResult": written}


def _write_reasoning(part: Reasoning, losses: Losses) -> list[dict[str, Any]]:
    if part.redacted is not None:
        return [{"reasoningContent": {"redactedContent": part.redacted}}]
    signature = for_claude(part.signature)
    if signature is None and part.signature is not None:
        losses.add(part.path, "a thought that another vendor signed cannot go to Bedrock")
        return []
    if signature is None:
        losses.add(part.path, "a thought without a signature cannot go back to the model")
        return []
    return [{"reasoningContent": {"reasoningText": {"text": part.text, "signature": signature}}}]


def _write_image(image: Image) -> dict[str, Any]:
    """Spec OB5, AB2: only by content, in four formats."""
    if image.url is not None:
        raise not_expressible(image.path, "Bedrock takes images by content, not by URL")
    kind = _IMAGES.get(image.media_type)
    if kind is None:
        raise not_expressible(image.path, f"Bedrock takes no images of type {image.media_type[:60]!r}")
    return {"image": {"format": kind, "source": {"bytes": image.content}}}


def _write_file(file: File) -> dict[str, Any]:
    if file.file_id is not None or file.url is not None:
        raise not_expressible(file.path, "Bedrock takes documents by content, not by URL or id")
    kind = _DOCUMENTS.get(file.media_type)
    if kind is None:
        if file.media_type in _IMAGES:
            return _write_image(Image(file.media_type, content=file.content, path=file.path))
        raise not_expressible(file.path, f"Bedrock takes no documents of type {file.media_type[:60]!r}")
    source: dict[str, Any] = {"bytes": file.content} if file.text is None else {"text": file.text}
    return {"document": {"format": kind, "name": _clean_name(file.name), "source": source}}


def _clean_name(name: str | None) -> str:
    """DocumentBlock's name: letters, digits, single spaces, hyphens, brackets; no full stop."""
    stem = (name or "").rpartition(".")[0] or name or ""
    return " ".join(_NOT_IN_NAME.sub(" ", stem).split())[:200] or "document"
