"""The input items of a Responses request to canonical messages."""

from anygate.providers.chat import (
    ChatRequest,
    File,
    Image,
    Message,
    Part,
    RefusalText,
    Text,
    ToolCall,
    ToolResult,
)
from anygate.providers.chat.fields import Fields, kind_of
from anygate.providers.chat.media import guess_media_type, is_data_uri, split_data_uri
from anygate.providers.losses import Losses
from anygate.providers.openai_chat.read_messages import read_cache, read_file
from anygate.providers.openai_responses.thoughts import read_thought
from anygate.providers.refusal import bad_request, not_expressible

_RAN_AT_OPENAI = {
    *("web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "tool_search_call"),
    *("mcp_call", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "compaction"),
    *("tool_search_output", "additional_tools"),
}


def read_instructions(fields: Fields) -> list[Text]:
    """`instructions` open the system prompt."""
    text = fields.text("instructions")
    return [Text(text)] if text else []


def read_input(fields: Fields, request: ChatRequest, losses: Losses) -> None:
    """Items that follow each other and belong to one turn become one message."""
    value = fields.take("input")
    if type(value) is str:
        request.messages.append(Message("user", [Text(value)], "input"))
        return
    if type(value) is not list:
        problem = "it is missing" if value is None else f"got {kind_of(value)}"
        raise bad_request("input", f"expected a string or an array, {problem}")
    for at, entry in enumerate(value):
        item = Fields(entry, f"input[{at}]")
        kind = item.text("type") or "message"
        item.take("id")
        item.take("status")
        if kind == "message":
            _read_message(item, request, losses)
        elif kind == "function_call":
            _add(request.messages, "assistant", _read_call(item), item.path)
        elif kind == "function_call_output":
            _add(request.messages, "tool", _read_result(item, losses), item.path)
        elif kind == "reasoning":
            _add(request.messages, "assistant", read_thought(item), item.path)
        elif kind in _RAN_AT_OPENAI:
            losses.add(item.path, f"a {kind} item belongs to a tool that ran at OpenAI")
        else:
            raise not_expressible(
                item.path_of("type"), f"an item of type {kind[:40]!r} cannot be carried to the target"
            )


def _add(messages: list[Message], role: str, part: Part, path: str) -> None:
    if messages and messages[-1].role == role:
        messages[-1].parts.append(part)
    else:
        messages.append(Message("tool" if role == "tool" else "assistant", [part], path))


def _read_message(item: Fields, request: ChatRequest, losses: Losses) -> None:
    role = item.text("role", required=True)
    parts = _read_content(item.take("content"), item.path_of("content"), losses)
    item.take("phase")
    item.report_rest(losses)
    if role in ("system", "developer"):
        texts = [part for part in parts if isinstance(part, Text)]
        if len(texts) != len(parts):
            raise bad_request(item.path_of("content"), "only text is allowed in this message")
        if request.messages:
            request.messages.append(Message("system", list(texts), item.path))
        else:
            request.system.extend(texts)
    elif role == "user":
        request.messages.append(Message("user", parts, item.path))
    elif role == "assistant":
        for part in parts:
            _add(request.messages, "assistant", part, item.path)
    else:
        raise bad_request(item.path_of("role"), f"unknown role {role[:40]!r}")


def _read_content(content: object, path: str, losses: Losses) -> list[Part]:
    if type(content) is str:
        return [Text(content)]
    if type(content) is not list:
        problem = "it is missing" if content is None else f"got {kind_of(content)}"
        raise bad_request(path, f"expected a string or an array, {problem}")
    return [_read_part(Fields(value, f"{path}[{at}]"), losses) for at, value in enumerate(content)]


def _read_part(part: Fields, losses: Losses) -> Part:
    kind = part.text("type", required=True)
    cache = read_cache(part)
    result: Part
    if kind in ("input_text", "output_text", "text"):
        result = Text(part.text("text", required=True), cache)
        for name in ("annotations", "logprobs"):
            part.take(name)
    elif kind == "refusal":
        result = RefusalText(part.text("refusal", required=True))
    elif kind == "input_image":
        result = _read_image(part, cache)
    elif kind == "input_file":
        result = _read_file(part, cache)
    else:
        raise bad_request(part.path_of("type"), f"unknown content part type {kind[:40]!r}")
    part.report_rest(losses)
    return result


def _read_image(part: Fields, cache: str | None) -> Image:
    url, detail = part.text("image_url"), part.text("detail")
    if url is None:
        raise not_expressible(part.path, "a file uploaded at one provider does not exist at another")
    if not is_data_uri(url):
        return Image(guess_media_type(url, ""), url=url, detail=detail, cache=cache, path=part.path)
    split = split_data_uri(url)
    if split is None:
        raise bad_request(part.path_of("image_url"), "the data URI is not base64")
    return Image(split[0], content=split[1], detail=detail, cache=cache, path=part.path)


def _read_file(part: Fields, cache: str | None) -> File:
    part.take("detail")
    name, url = part.text("filename"), part.text("file_url")
    if url is not None:
        media_type = guess_media_type(name or url, "application/pdf")
        return File(media_type, url=url, name=name, cache=cache, path=part.path)
    return read_file(name, part.text("file_data"), part.text("file_id"), part.path, cache)


def _read_call(item: Fields) -> ToolCall:
    call_id, name = item.text("call_id", required=True), item.text("name", required=True)
    return ToolCall(call_id, name, item.text("arguments") or "{}", path=item.path)


def _read_result(item: Fields, losses: Losses) -> ToolResult:
    call_id = item.text("call_id", required=True)
    parts: list[Text | Image | File] = []
    for part in _read_content(item.take("output"), item.path_of("output"), losses):
        if not isinstance(part, Text | Image | File):
            raise bad_request(item.path_of("output"), "a tool result holds only text, images and files")
        parts.append(part)
    return ToolResult(call_id, tuple(parts), path=item.path)
