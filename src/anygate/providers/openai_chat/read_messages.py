"""OpenAI chat messages to canonical ones."""

from typing import Any

from anygate.providers.chat import (
    Audio,
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
from anygate.providers.chat.fields import Fields, kind_of
from anygate.providers.chat.media import guess_media_type, is_data_uri, split_data_uri
from anygate.providers.losses import Losses
from anygate.providers.refusal import bad_request, not_expressible

_SYSTEM = ("system", "developer")


def read_messages(fields: Fields, losses: Losses) -> tuple[list[Text], list[Message]]:
    """The leading system prompt and the conversation; consecutive tool messages become one."""
    values = fields.take("messages")
    if type(values) is not list:
        problem = (
            "expected an array, but it is missing" if values is None else f"expected an array, got {kind_of(values)}"
        )
        raise bad_request("messages", problem)
    system: list[Text] = []
    messages: list[Message] = []
    for at, value in enumerate(values):
        item = Fields(value, f"messages[{at}]")
        role = item.text("role", required=True)
        if role in _SYSTEM:
            texts = _read_texts(item, losses)
            if messages:
                messages.append(Message("system", list(texts), item.path))
            else:
                system.extend(texts)
        elif role == "user":
            messages.append(Message("user", _read_content(item, losses), item.path))
        elif role == "assistant":
            parts = _read_assistant(item, losses)
            if parts:  # spec OB6: an assistant message without content is dropped
                messages.append(Message("assistant", parts, item.path))
        elif role in ("tool", "function"):
            _add_result(messages, _read_result(item, losses))
        else:
            raise bad_request(item.path_of("role"), f"unknown role {role[:40]!r}")
        if item.values and role != "assistant":
            item.take("name")
            item.report_rest(losses)
    return system, messages


def _add_result(messages: list[Message], result: ToolResult) -> None:
    if messages and messages[-1].role == "tool":
        messages[-1].parts.append(result)
    else:
        messages.append(Message("tool", [result], result.path))


def read_cache(fields: Fields) -> str | None:
    """Anthropic's `cache_control` as an extension, or OpenAI's own `prompt_cache_breakpoint`."""
    mark = fields.values.pop("cache_control", None)
    if type(mark) is dict and mark.get("type") == "ephemeral":
        ttl = mark.get("ttl")
        return ttl if ttl in ("5m", "1h") else "default"
    return "default" if fields.values.pop("prompt_cache_breakpoint", None) is not None else None


def _read_texts(item: Fields, losses: Losses) -> list[Text]:
    cache = read_cache(item)
    parts = _read_content(item, losses)
    if not all(isinstance(part, Text) for part in parts):
        raise bad_request(item.path_of("content"), "only text is allowed in this message")
    texts = [part for part in parts if isinstance(part, Text)]
    if cache and texts:
        texts[-1] = Text(texts[-1].text, cache)
    return texts


def _read_content(item: Fields, losses: Losses) -> list[Part]:
    content = item.take("content")
    if type(content) is str:
        return [Text(content, read_cache(item) if "cache_control" in item.values else None)]
    if content is None:
        return []
    if type(content) is not list:
        raise bad_request(item.path_of("content"), f"expected a string or an array, got {kind_of(content)}")
    return [_read_part(Fields(value, f"{item.path}.content[{at}]"), losses) for at, value in enumerate(content)]


def _read_part(part: Fields, losses: Losses) -> Part:
    kind = part.text("type", required=True)
    cache = read_cache(part)
    result: Part
    if kind == "text":
        result = Text(part.text("text", required=True), cache)
    elif kind == "image_url":
        result = _read_image(part, cache)
    elif kind == "file":
        result = _read_file(part, cache)
    elif kind == "input_audio":
        audio = part.fields("input_audio")
        if audio is None:
            raise bad_request(part.path_of("input_audio"), "expected an object, but it is missing")
        result = Audio(audio.text("format", required=True), audio.text("data", required=True), part.path)
    elif kind == "refusal":
        result = RefusalText(part.text("refusal", required=True))
    elif kind in ("thinking", "redacted_thinking"):
        result = _read_thinking_block(kind, part)
    else:
        raise bad_request(part.path_of("type"), f"unknown content part type {kind[:40]!r}")
    part.report_rest(losses)
    return result


def _read_image(part: Fields, cache: str | None) -> Image:
    value = part.take("image_url")
    source = Fields({"url": value} if type(value) is str else value, part.path_of("image_url"))
    url = source.text("url", required=True)
    detail = source.text("detail")
    if is_data_uri(url):
        split = split_data_uri(url)
        if split is None:
            raise bad_request(source.path_of("url"), "the data URI is not base64")
        return Image(split[0], content=split[1], detail=detail, cache=cache, path=part.path)
    return Image(guess_media_type(url, ""), url=url, detail=detail, cache=cache, path=part.path)


def _read_file(part: Fields, cache: str | None) -> File:
    file = part.fields("file")
    if file is None:
        raise bad_request(part.path_of("file"), "expected an object, but it is missing")
    name, content, file_id = file.text("filename"), file.text("file_data"), file.text("file_id")
    return read_file(name, content, file_id, part.path, cache)


def read_file(name: str | None, content: str | None, file_id: str | None, path: str, cache: str | None) -> File:
    """A file by its content, a data URI or bare base64, or by its id."""
    if content is not None:
        split = split_data_uri(content)
        media_type, text = split if split else (guess_media_type(name or "", "application/pdf"), content)
        return File(media_type, content=text, name=name, cache=cache, path=path)
    if file_id is None:
        raise bad_request(path, "the file has neither content nor an id")
    return File("", file_id=file_id, name=name, cache=cache, path=path)


def _read_assistant(item: Fields, losses: Losses) -> list[Part]:
    parts: list[Part] = list(_read_thoughts(item))
    for part in _read_content(item, losses):
        parts.append(part)
        if not isinstance(part, Text | RefusalText | Reasoning):
            raise bad_request(item.path_of("content"), "an assistant message holds only text, refusals and thoughts")
    parts = [part for part in parts if not (isinstance(part, Text) and not part.text)]
    refusal = item.text("refusal")
    if refusal:
        parts.append(RefusalText(refusal))
    for at, value in enumerate(item.items("tool_calls")):
        parts.append(_read_call(Fields(value, f"{item.path}.tool_calls[{at}]"), losses))
    older = item.fields("function_call")
    if older is not None:
        name, arguments = older.text("name", required=True), older.text("arguments") or ""
        parts.append(ToolCall(f"call_{name}", name, arguments, path=older.path))
    if item.take("audio") is not None:
        losses.add(item.path_of("audio"), "a spoken answer cannot be shown to the target")
    for name in ("name", "annotations"):
        item.take(name)
    item.report_rest(losses)
    return parts


def _read_thoughts(item: Fields) -> list[Reasoning]:
    """`thinking_blocks` carry signatures; `reasoning_content` alone is the text without."""
    text = item.text("reasoning_content") or item.text("reasoning")
    item.take("reasoning_details")
    blocks = item.items("thinking_blocks")
    if not blocks:
        return [Reasoning(text, path=item.path_of("reasoning_content"))] if text else []
    thoughts = []
    for at, value in enumerate(blocks):
        block = Fields(value, f"{item.path}.thinking_blocks[{at}]")
        thoughts.append(_read_thinking_block(block.text("type", required=True), block))
    return thoughts


def _read_thinking_block(kind: str, block: Fields) -> Reasoning:
    if kind == "redacted_thinking":
        return Reasoning("", redacted=block.text("data", required=True), path=block.path)
    return Reasoning(block.text("thinking") or "", signature=block.text("signature"), path=block.path)


def _read_call(call: Fields, losses: Losses) -> ToolCall:
    kind = call.text("type") or "function"
    if kind != "function":
        raise not_expressible(call.path_of("type"), f"the target has no tool calls of type {kind[:40]!r}")
    function = call.fields("function")
    if function is None:
        raise bad_request(call.path_of("function"), "expected an object, but it is missing")
    call_id = call.text("id", required=True)
    cache = read_cache(call)
    name = function.text("name", required=True)
    for field in ("index", "extra_content"):
        call.take(field)
    call.report_rest(losses)
    return ToolCall(call_id, name, _read_arguments(function), cache, call.path)


def _read_arguments(function: Fields) -> str:
    return function.text("arguments") or "{}"


def _read_result(item: Fields, losses: Losses) -> ToolResult:
    call_id = item.text("tool_call_id")
    if call_id is None:
        name = item.text("name")
        if name is None:
            raise bad_request(item.path_of("tool_call_id"), "expected a string, but it is missing")
        call_id = f"call_{name}"
    cache = read_cache(item)
    parts: list[Text | Image | File] = []
    for part in _read_content(item, losses):
        if not isinstance(part, Text | Image | File):
            raise bad_request(item.path_of("content"), "a tool result holds only text, images and files")
        cache = cache or part.cache
        parts.append(part)
    return ToolResult(call_id, tuple(parts), None, cache, item.path)


def strip_values(values: dict[str, Any]) -> dict[str, Any]:
    """Without the fields that are None: absent and null mean the same, and absent is shorter."""
    return {name: value for name, value in values.items() if value is not None}
