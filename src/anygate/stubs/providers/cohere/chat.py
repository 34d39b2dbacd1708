"""Chat, whole and as a stream: https://docs.cohere.com/v2/docs/streaming."""

from collections.abc import Iterator

import msgspec

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.cohere.errors import refuse_unknown_model, reject
from anygate.stubs.providers.cohere.fields import (
    CHAT,
    AssistantMessage,
    ChatRequest,
    ImagePart,
    JsonFormat,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserMessage,
)
from anygate.stubs.providers.completion import Completion, complete, split_text
from anygate.stubs.providers.fields import read_fields
from anygate.stubs.providers.framing import SSE, SSE_GARBAGE, frame_event
from anygate.stubs.providers.outcome import Json, Outcome, Stream, build_json
from anygate.stubs.providers.prompt import Prompt

_FINISH = {"end": "COMPLETE", "stop": "STOP_SEQUENCE", "length": "MAX_TOKENS", "tools": "TOOL_CALL"}
_PLAN = "I will call the tools that were asked for."


def answer_chat(call: Call) -> Outcome:
    """Answer `/v2/chat`."""
    request = read_fields(call.body, CHAT)
    refuse_unknown_model(request.model)
    prompt = _read_prompt(request)
    completion = complete(prompt, call.orders)
    usage = {
        "billed_units": {"input_tokens": prompt.tokens, "output_tokens": completion.tokens},
        "tokens": {"input_tokens": prompt.tokens, "output_tokens": completion.tokens},
        "cached_tokens": 0,
    }
    if not request.stream:
        answer: Json = {
            "id": call.name("", 32),
            "message": _build_message(call, completion),
            "finish_reason": _FINISH[completion.stop],
            "usage": usage,
        }
        if request.logprobs:
            answer["logprobs"] = [{"text": completion.text, "token_ids": [1], "logprobs": [-0.1]}]
        return build_json(answer)
    events = list(_list_events(call, completion))
    ending: Json = {"finish_reason": _FINISH[completion.stop], "usage": usage}
    events.append({"type": "message-end", "delta": ending})
    failed: Json = {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "internal server error"}}
    parts = tuple(frame_event(event, event["type"]) for event in events)
    return Stream(parts, SSE, frame_event(failed, "message-end"), SSE_GARBAGE)


def _read_prompt(request: ChatRequest) -> Prompt:
    prompt = Prompt(request.model)
    for tool in request.tools or ():
        prompt.offer(tool.function.name, tool.function.description or "", tool.function.parameters)
    if request.tool_choice is not None:
        if not request.tools:
            raise reject("tool_choice is not allowed when tools are not specified")
        prompt.choice = "any" if request.tool_choice == "REQUIRED" else "none"
    names: dict[str, str] = {}
    called: set[str] = set()
    for index, message in enumerate(request.messages):
        if isinstance(message, ToolMessage):
            if message.tool_call_id not in called:
                raise reject(
                    f"invalid request: tool call id not found in previous tool calls: {message.tool_call_id} "
                    f"(messages[{index}])"
                )
            prompt.take_outcome(names[message.tool_call_id], _join(message))
            continue
        if isinstance(message, AssistantMessage):
            called = {each.id for each in message.tool_calls or ()}
            names |= {each.id: each.function.name or "" for each in message.tool_calls or ()}
            prompt.add("assistant", msgspec.json.encode(message).decode())
        elif isinstance(message, SystemMessage):
            prompt.add("system", _join(message))
        else:
            prompt.begin_turn()
            _read_user(message, prompt)
    if isinstance(request.messages[-1], AssistantMessage | SystemMessage):
        raise reject("invalid request: the last message must be from the user or a tool")
    for document in request.documents or ():
        prompt.add("documents", msgspec.json.encode(document).decode())
    prompt.max_tokens = request.max_tokens or None
    prompt.stops = tuple(request.stop_sequences or ())
    prompt.thinks = request.thinking is not None and request.thinking.type == "enabled"
    if isinstance(request.response_format, JsonFormat):
        prompt.is_json = True
        prompt.schema = request.response_format.json_schema or request.response_format.schema
        if request.tools:
            raise reject("cannot specify both response_format json_object and tools")
    return prompt


def _read_user(message: UserMessage, prompt: Prompt) -> None:
    if not message.content:
        raise reject("invalid request: message must be at least 1 token long or tool results must be specified.")
    if isinstance(message.content, str):
        prompt.say(message.content)
        return
    for part in message.content:
        if isinstance(part, ImagePart):
            media = part.image_url.url.partition(";")[0]
            kind = media.removeprefix("data:") if media.startswith("data:") else "image"
            prompt.attach(kind, part.image_url.url)
        else:
            prompt.say(part.text)


def _join(message: SystemMessage | ToolMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    return "".join(
        part.text if isinstance(part, TextPart) else msgspec.json.encode(part.document).decode()
        for part in message.content
    )


def _list_calls(call: Call, completion: Completion) -> list[Json]:
    return [
        {
            "id": f"{each.name}_{call.digest[:12]}{index:02x}",
            "type": "function",
            "function": {"name": each.name, "arguments": each.text},
        }
        for index, each in enumerate(completion.calls)
    ]


def _build_message(call: Call, completion: Completion) -> Json:
    message: Json = {"role": "assistant"}
    content: list[Json] = []
    if completion.thinking:
        content.append({"type": "thinking", "thinking": completion.thinking})
    if completion.text:
        content.append({"type": "text", "text": completion.text})
    if content:
        message["content"] = content
    if completion.calls:
        message |= {"tool_plan": _PLAN, "tool_calls": _list_calls(call, completion)}
    return message


def _list_events(call: Call, completion: Completion) -> Iterator[Json]:
    chunks = call.orders.chunks
    opening = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield {"type": "message-start", "id": call.name("", 32), "delta": {"message": opening}}
    index = 0
    for kind, text in (("thinking", completion.thinking), ("text", completion.text)):
        if not text:
            continue
        begun = {"message": {"content": {"type": kind, kind: ""}}}
        yield {"type": "content-start", "index": index, "delta": begun}
        for piece in split_text(text, chunks if kind == "text" else None):
            yield {"type": "content-delta", "index": index, "delta": {"message": {"content": {kind: piece}}}}
        yield {"type": "content-end", "index": index}
        index += 1
    if completion.calls:
        for piece in split_text(_PLAN, None):
            yield {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": piece}}}
    for place, each in enumerate(_list_calls(call, completion)):
        named = {**each, "function": {**each["function"], "arguments": ""}}
        yield {"type": "tool-call-start", "index": place, "delta": {"message": {"tool_calls": named}}}
        for piece in split_text(each["function"]["arguments"], chunks):
            grown = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
            yield {"type": "tool-call-delta", "index": place, "delta": grown}
        yield {"type": "tool-call-end", "index": place}
