"""Canonical messages to Anthropic's content blocks (spec OA5-OA8)."""

from typing import Any

from anygate.providers.chat import (
    ChatRequest,
    File,
    Image,
    Part,
    Reasoning,
    RefusalText,
    Text,
    ToolCall,
    ToolResult,
)
from anygate.providers.chat.media import decode_text
from anygate.providers.chat.signatures import for_claude
from anygate.providers.chat.turns import clean_call_id, gather_system, merge_turns
from anygate.providers.json_text import parse_value
from anygate.providers.losses import Losses
from anygate.providers.openai_chat.read_messages import strip_values
from anygate.providers.refusal import not_expressible

_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")


def mark_cache(block: dict[str, Any], cache: str | None) -> dict[str, Any]:
    """The block with its cache mark."""
    if cache is not None:
        mark = {"type": "ephemeral"}
        block["cache_control"] = mark if cache == "default" else {**mark, "ttl": cache}
    return block


def write_system(request: ChatRequest, losses: Losses) -> list[dict[str, Any]]:
    """The system prompt as text blocks; empty ones are refused by Anthropic."""
    return [_write_text(text) for text in gather_system(request, losses) if text.text]


def write_messages(request: ChatRequest, losses: Losses) -> list[dict[str, Any]]:
    """Alternating turns."""
    messages = []
    for role, parts in merge_turns(request.messages):
        blocks = [block for part in parts if (block := _write_part(part, losses)) is not None]
        if blocks:
            messages.append({"role": role, "content": blocks})
    return messages


def _write_text(text: Text) -> dict[str, Any]:
    return mark_cache({"type": "text", "text": text.text}, text.cache)


def _write_part(part: Part, losses: Losses) -> dict[str, Any] | None:
    if isinstance(part, Text):
        return _write_text(part) if part.text else None
    if isinstance(part, ToolCall):
        return _write_call(part)
    if isinstance(part, ToolResult):
        return _write_result(part, losses)
    if isinstance(part, Reasoning):
        return _write_reasoning(part, losses)
    if isinstance(part, Image):
        return _write_image(part)
    if isinstance(part, File):
        return _write_file(part)
    if isinstance(part, RefusalText):
        return {"type": "text", "text": part.text} if part.text else None
    raise not_expressible(part.path, "Anthropic does not take audio")


def parse_arguments(call: ToolCall) -> dict[str, Any]:
    """A call's arguments as the object that Anthropic, Bedrock and Gemini want."""
    try:
        value = parse_value(call.arguments)
    except ValueError as problem:
        raise not_expressible(call.path, f"the arguments of {call.name[:64]!r} are not JSON: {problem}") from None
    if type(value) is not dict:
        raise not_expressible(call.path, f"the arguments of {call.name[:64]!r} are not a JSON object")
    return value


def _write_call(call: ToolCall) -> dict[str, Any]:
    written = {
        "type": "tool_use",
        "id": clean_call_id(call.call_id),
        "name": call.name,
        "input": parse_arguments(call),
    }
    return mark_cache(written, call.cache)


def is_error(result: ToolResult) -> bool:
    """What the client said; OpenAI clients cannot say, so a JSON object with a key `error` counts (spec OA7)."""
    if result.is_error is not None:
        return result.is_error
    if len(result.parts) != 1 or not isinstance(result.parts[0], Text) or result.parts[0].text[:1] != "{":
        return False
    try:
        value = parse_value(result.parts[0].text)
    except ValueError:
        return False
    return type(value) is dict and "error" in value


def _write_result(result: ToolResult, losses: Losses) -> dict[str, Any]:
    blocks = []
    for part in result.parts:
        plain = part
        if result.cache and isinstance(part, Text):
            plain = Text(part.text)  # a mark on the whole result beats one inside (spec OA7)
        block = _write_part(plain, losses)
        if block is not None:
            blocks.append(block)
    written: dict[str, Any] = {"type": "tool_result", "tool_use_id": clean_call_id(result.call_id), "content": blocks}
    if is_error(result):
        written["is_error"] = True
    return mark_cache(written, result.cache)


def _write_reasoning(part: Reasoning, losses: Losses) -> dict[str, Any] | None:
    """Spec OA8: a thought goes back only with the signature that Claude gave it."""
    if part.redacted is not None:
        return {"type": "redacted_thinking", "data": part.redacted}
    signature = for_claude(part.signature)
    if signature is None:
        losses.add(part.path, "a thought without Claude's own signature cannot go back to Claude")
        return None
    return {"type": "thinking", "thinking": part.text, "signature": signature}


def _write_image(image: Image) -> dict[str, Any]:
    """Spec OA6: one URL or data URI may be a document as well."""
    if image.url is not None:
        source = {"type": "url", "url": image.url}
        kind = "document" if image.media_type == "application/pdf" else "image"
        return mark_cache({"type": kind, "source": source}, image.cache)
    source = {"type": "base64", "media_type": image.media_type, "data": image.content or ""}
    if image.media_type == "application/pdf":
        return mark_cache({"type": "document", "source": source}, image.cache)
    if image.media_type not in _IMAGE_TYPES:
        raise not_expressible(image.path, f"Anthropic takes no images of type {image.media_type[:60]!r}")
    return mark_cache({"type": "image", "source": source}, image.cache)


def _write_file(file: File) -> dict[str, Any]:
    if file.file_id is not None:
        raise not_expressible(file.path, "a file uploaded at one provider does not exist at another")
    source: dict[str, Any]
    text = file.text
    if text is None and file.content is not None and file.media_type.startswith("text/"):
        text = decode_text(file.content)
    if text is not None:
        source = {"type": "text", "media_type": "text/plain", "data": text}
    elif file.url is not None:
        source = {"type": "url", "url": file.url}
    elif file.media_type == "application/pdf":
        source = {"type": "base64", "media_type": file.media_type, "data": file.content or ""}
    elif file.media_type in _IMAGE_TYPES:
        return _write_image(Image(file.media_type, content=file.content, cache=file.cache, path=file.path))
    else:
        raise not_expressible(file.path, f"Anthropic takes no documents of type {file.media_type[:60]!r}")
    return mark_cache(strip_values({"type": "document", "source": source, "title": file.name}), file.cache)
