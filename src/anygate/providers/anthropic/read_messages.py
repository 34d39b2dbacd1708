"""Anthropic messages and content blocks to canonical ones."""

from anygate.providers.chat import File, Image, Message, Part, Reasoning, Text, ToolCall, ToolResult
from anygate.providers.chat.fields import Fields, kind_of
from anygate.providers.chat.media import guess_media_type
from anygate.providers.json_text import render_text
from anygate.providers.losses import Losses
from anygate.providers.refusal import bad_request, not_expressible

_SERVER_BLOCKS = ("server_tool_use", "mcp_tool_use", "mcp_tool_result", "container_upload", "compaction")


def read_system(fields: Fields, losses: Losses) -> list[Text]:
    """The system prompt, a string or text blocks."""
    value = fields.take("system")
    if value is None:
        return []
    return _only_texts(_read_content(value, "system", losses), "system")


def read_messages(fields: Fields, losses: Losses) -> list[Message]:
    """The turns; tool results become messages of their own before the user's other content (spec AO1)."""
    values = fields.take("messages")
    if type(values) is not list:
        problem = (
            "expected an array, but it is missing" if values is None else f"expected an array, got {kind_of(values)}"
        )
        raise bad_request("messages", problem)
    messages: list[Message] = []
    for at, value in enumerate(values):
        item = Fields(value, f"messages[{at}]")
        role = item.text("role", required=True)
        parts = _read_content(item.take("content"), item.path_of("content"), losses)
        item.report_rest(losses)
        if role == "assistant":
            if parts:
                messages.append(Message("assistant", parts, item.path))
        elif role == "user":
            results: list[Part] = [part for part in parts if isinstance(part, ToolResult)]
            rest: list[Part] = [part for part in parts if not isinstance(part, ToolResult)]
            if results:
                messages.append(Message("tool", results, item.path))
            if rest or not results:
                messages.append(Message("user", rest, item.path))
        elif role == "system":
            messages.append(Message("system", list(_only_texts(parts, item.path)), item.path))
        else:
            raise bad_request(item.path_of("role"), f"expected user, assistant or system, got {role[:40]!r}")
    return messages


def read_cache(fields: Fields) -> str | None:
    """A `cache_control` mark."""
    mark = fields.values.pop("cache_control", None)
    if type(mark) is not dict or mark.get("type") != "ephemeral":
        return None
    ttl = mark.get("ttl")
    return ttl if ttl in ("5m", "1h") else "default"


def _only_texts(parts: list[Part], path: str) -> list[Text]:
    texts = [part for part in parts if isinstance(part, Text)]
    if len(texts) != len(parts):
        raise bad_request(path, "only text is allowed here")
    return texts


def _read_content(content: object, path: str, losses: Losses) -> list[Part]:
    if type(content) is str:
        return [Text(content)]
    if type(content) is not list:
        problem = "it is missing" if content is None else f"got {kind_of(content)}"
        raise bad_request(path, f"expected a string or an array, {problem}")
    parts = []
    for at, value in enumerate(content):
        part = _read_block(Fields(value, f"{path}[{at}]"), losses)
        if part is not None:
            parts.append(part)
    return parts


def _read_block(block: Fields, losses: Losses) -> Part | None:
    kind = block.text("type", required=True)
    cache = read_cache(block)
    part: Part
    if kind == "text":
        part = Text(block.text("text", required=True), cache)
        if block.values.get("citations") == []:
            block.take("citations")
    elif kind == "image":
        part = _read_image(block, cache)
        block.take("transformations")
    elif kind == "document":
        part = _read_document(block, cache, losses)
    elif kind == "tool_use":
        arguments = block.mapping("input") or {}
        call_id, name = block.text("id", required=True), block.text("name", required=True)
        block.take("caller")
        part = ToolCall(call_id, name, render_text(arguments), cache, block.path)
    elif kind == "tool_result":
        part = _read_result(block, cache, losses)
    elif kind == "thinking":
        part = Reasoning(block.text("thinking") or "", signature=block.text("signature"), path=block.path)
    elif kind == "redacted_thinking":
        part = Reasoning("", redacted=block.text("data", required=True), path=block.path)
    elif kind in _SERVER_BLOCKS or kind.endswith("_tool_result"):
        losses.add(block.path, f"a {kind} block belongs to a tool that ran at Anthropic")
        return None
    else:
        raise not_expressible(block.path_of("type"), f"content of type {kind[:40]!r} cannot be carried to the target")
    block.report_rest(losses)
    return part


def _read_source(block: Fields) -> Fields:
    source = block.fields("source")
    if source is None:
        raise bad_request(block.path_of("source"), "expected an object, but it is missing")
    return source


def _read_image(block: Fields, cache: str | None) -> Image:
    source = _read_source(block)
    kind = source.text("type", required=True)
    if kind == "base64":
        media_type, content = source.text("media_type", required=True), source.text("data", required=True)
        return Image(media_type, content=content, cache=cache, path=block.path)
    if kind == "url":
        url = source.text("url", required=True)
        return Image(guess_media_type(url, ""), url=url, cache=cache, path=block.path)
    if kind == "file":
        raise not_expressible(block.path, "a file uploaded at one provider does not exist at another")
    raise bad_request(source.path_of("type"), f"unknown image source {kind[:40]!r}")


def _read_document(block: Fields, cache: str | None, losses: Losses) -> File:
    source = _read_source(block)
    kind = source.text("type", required=True)
    name = block.text("title")
    if kind == "base64":
        media_type, content = source.text("media_type", required=True), source.text("data", required=True)
        return File(media_type, content=content, name=name, cache=cache, path=block.path)
    if kind == "text":
        text = source.text("data", required=True)
        return File("text/plain", text=text, name=name, cache=cache, path=block.path)
    if kind == "url":
        url = source.text("url", required=True)
        return File(guess_media_type(url, "application/pdf"), url=url, name=name, cache=cache, path=block.path)
    if kind == "content":
        parts = _only_texts(_read_content(source.take("content"), source.path_of("content"), losses), source.path)
        text = "\n".join(part.text for part in parts)
        return File("text/plain", text=text, name=name, cache=cache, path=block.path)
    if kind == "file":
        return File("", file_id=source.text("file_id", required=True), name=name, cache=cache, path=block.path)
    raise bad_request(source.path_of("type"), f"unknown document source {kind[:40]!r}")


def _read_result(block: Fields, cache: str | None, losses: Losses) -> ToolResult:
    content = block.take("content")
    parts: list[Text | Image | File] = []
    for part in _read_content(content, block.path_of("content"), losses) if content is not None else []:
        if not isinstance(part, Text | Image | File):
            raise not_expressible(block.path_of("content"), "a tool result can carry only text, images and documents")
        parts.append(part)
    call_id = block.text("tool_use_id", required=True)
    return ToolResult(call_id, tuple(parts), block.flag("is_error"), cache, block.path)
