"""Ollama's own chat: https://docs.ollama.com/api/chat. Fields that it does not know are ignored, as it does."""

import base64
import binascii
from collections.abc import Iterator
from typing import Any

import msgspec

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.completion import Completion, complete, split_text
from anygate.stubs.providers.fields import read_fields
from anygate.stubs.providers.framing import NDJSON, NDJSON_GARBAGE, frame_line
from anygate.stubs.providers.outcome import Json, Outcome, Stream, build_json
from anygate.stubs.providers.prompt import Prompt
from anygate.stubs.providers.rejection import Rejection

_CREATED = "2025-01-01T00:00:00Z"


class Called(msgspec.Struct):
    """A function and its arguments."""

    name: str
    arguments: dict[str, Any]


class PastCall(msgspec.Struct):
    """A call that the model asked for before."""

    function: Called
    id: str | None = None


class Message(msgspec.Struct):
    """One turn."""

    role: str
    content: str = ""
    images: list[str] | None = None
    tool_calls: list[PastCall] | None = None
    tool_name: str | None = None
    thinking: str | None = None


class Function(msgspec.Struct):
    """A function on offer."""

    name: str
    parameters: dict[str, Any] | None = None
    description: str | None = None


class Tool(msgspec.Struct):
    """A tool on offer."""

    function: Function
    type: str = "function"


class Options(msgspec.Struct):
    """Limits of the answer."""

    num_predict: int | None = None
    stop: str | list[str] | None = None
    temperature: float | None = None


class ChatRequest(msgspec.Struct):
    """The body of `/api/chat`."""

    model: str = ""
    messages: list[Message] = msgspec.field(default_factory=list)
    tools: list[Tool] | None = None
    format: str | dict[str, Any] | None = None
    options: Options | None = None
    stream: bool = True
    think: bool | str | None = None


_DECODER = msgspec.json.Decoder(ChatRequest)


def answer_chat(call: Call) -> Outcome:
    """Answer `/api/chat`: lines of JSON unless `stream` is false."""
    request = read_fields(call.body, _DECODER)
    refuse_unknown_model(request.model)
    prompt = _read_prompt(request)
    if not request.messages:
        loaded = {"model": request.model, "created_at": _CREATED, "message": {"role": "assistant", "content": ""}}
        return build_json({**loaded, "done_reason": "load", "done": True})
    completion = complete(prompt, call.orders)
    ending: Json = {
        "done": True,
        "done_reason": "length" if completion.stop == "length" else "stop",
        "total_duration": 4_000_000,
        "load_duration": 1_000_000,
        "prompt_eval_count": prompt.tokens,
        "prompt_eval_duration": 1_000_000,
        "eval_count": completion.tokens,
        "eval_duration": 2_000_000,
    }
    head = {"model": request.model, "created_at": _CREATED}
    if not request.stream:
        message = {"role": "assistant", "content": completion.text, **_list_extras(completion)}
        return build_json({**head, "message": message, **ending})
    lines = [{**head, "message": message, "done": False} for message in _list_messages(call, completion)]
    last = {**head, "message": {"role": "assistant", "content": ""}, **ending}
    failure = frame_line({"error": "an error was encountered while running the model"})
    return Stream(tuple(frame_line(line) for line in (*lines, last)), NDJSON, failure, NDJSON_GARBAGE)


def refuse_unknown_model(model: str) -> None:
    """Raise the error of a model that is not named or not pulled; the latter are named `no-such-`."""
    if not model:
        raise Rejection(400, "", "model is required")
    if model.startswith("no-such-"):
        raise Rejection(404, "", f"model '{model}' not found")


def list_tags() -> Outcome:
    """Answer `/api/tags`."""
    details = {"format": "gguf", "family": "llama", "parameter_size": "8.0B", "quantization_level": "Q4_K_M"}
    model = {"name": "llama3.1:latest", "model": "llama3.1:latest", "modified_at": _CREATED, "size": 1}
    return build_json({"models": [{**model, "digest": "0" * 64, "details": details}]})


def _read_prompt(request: ChatRequest) -> Prompt:
    prompt = Prompt(request.model)
    for tool in request.tools or ():
        prompt.offer(tool.function.name, tool.function.description or "", tool.function.parameters or {})
    called: list[str] = []
    for message in request.messages:
        match message.role:
            case "user":
                prompt.begin_turn()
                prompt.say(message.content)
                for image in message.images or ():
                    prompt.attach("image", image, _measure(image))
            case "tool":
                name = message.tool_name or (called.pop(0) if called else "tool")
                prompt.take_outcome(name, message.content)
            case "system" | "assistant":
                prompt.add(message.role, message.content)
                called = [each.function.name for each in message.tool_calls or ()]
            case role:
                raise Rejection(400, "", f"invalid role: {role}")
    options = request.options or Options()
    prompt.max_tokens = options.num_predict if options.num_predict and options.num_predict > 0 else None
    prompt.stops = (options.stop,) if isinstance(options.stop, str) else tuple(options.stop or ())
    prompt.thinks = bool(request.think)
    if isinstance(request.format, dict):
        prompt.schema = request.format
    elif request.format == "json":
        prompt.is_json = True
    elif request.format:
        raise Rejection(400, "", f'invalid format: "{request.format}"; expected "json" or a valid JSON Schema object')
    return prompt


def _measure(image: str) -> int:
    try:
        return len(base64.b64decode(image, validate=True))
    except (binascii.Error, ValueError):
        raise Rejection(400, "", "illegal base64 data at input byte 0") from None


def _list_extras(completion: Completion) -> Json:
    extras: Json = {}
    if completion.thinking:
        extras["thinking"] = completion.thinking
    if completion.calls:
        extras["tool_calls"] = [
            {"function": {"index": index, "name": each.name, "arguments": each.arguments}}
            for index, each in enumerate(completion.calls)
        ]
    return extras


def _list_messages(call: Call, completion: Completion) -> Iterator[Json]:
    for piece in split_text(completion.thinking, None):
        yield {"role": "assistant", "content": "", "thinking": piece}
    for piece in split_text(completion.text, call.orders.chunks):
        yield {"role": "assistant", "content": piece}
    extras = _list_extras(completion)
    if "tool_calls" in extras:
        yield {"role": "assistant", "content": "", "tool_calls": extras["tool_calls"]}
