"""Answers to messages, whole and as a stream: https://docs.claude.com/en/docs/build-with-claude/streaming."""

from collections.abc import Iterator

from anygate.stubs.providers.anthropic.errors import reject, reject_status, render_error
from anygate.stubs.providers.anthropic.fields import AdaptiveThinking, EnabledThinking, Sampling
from anygate.stubs.providers.anthropic.prompt import read_prompt
from anygate.stubs.providers.call import Call
from anygate.stubs.providers.completion import Completion, complete, split_text
from anygate.stubs.providers.framing import SSE, SSE_GARBAGE, frame_event
from anygate.stubs.providers.outcome import Json, Stream, encode
from anygate.stubs.providers.prompt import Prompt
from anygate.stubs.providers.signature import REDACTION_TRIGGER, seal, sign
from anygate.stubs.providers.tokens import PrefixCache

_STOPS = {"end": "end_turn", "stop": "stop_sequence", "length": "max_tokens", "tools": "tool_use"}


def answer_messages(call: Call, request: Sampling, model: str, cache: PrefixCache) -> Json:
    """Return the message that answers `request`, with its usage."""
    refuse_unknown_model(model)
    prompt = read_prompt(request, model)
    completion = complete(prompt, call.orders)
    thinking = request.thinking
    is_omitted = isinstance(thinking, EnabledThinking | AdaptiveThinking) and thinking.display == "omitted"
    return {
        "id": call.name("msg_01", 22),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": _build_content(call, prompt, completion, is_omitted=is_omitted),
        "stop_reason": _STOPS[completion.stop],
        "stop_sequence": completion.stop_sequence,
        "usage": _build_usage(request, prompt, completion, cache),
    }


def refuse_unknown_model(model: str) -> None:
    """Raise the vendor's 404 for a model whose name begins with `no-such-`."""
    if model.startswith("no-such-") or not model:
        raise reject(f"model: {model}", 404)


def stream_message(message: Json, chunks: int | None) -> Stream:
    """Return `message` as server-sent events."""
    failure = b"event: error\ndata: " + render_error(reject_status(529), None) + b"\n\n"
    parts = tuple(frame_event(event, event["type"]) for event in list_events(message, chunks))
    return Stream(parts, SSE, failure, SSE_GARBAGE)


def list_events(message: Json, chunks: int | None) -> Iterator[Json]:
    """Yield the events of a stream in the vendor's order."""
    usage = message["usage"]
    begun = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    yield {"type": "message_start", "message": {**begun, "usage": {**usage, "output_tokens": 1}}}
    for index, block in enumerate(message["content"]):
        yield {"type": "content_block_start", "index": index, "content_block": _empty(block)}
        if index == 0:
            yield {"type": "ping"}
        for delta in _list_deltas(block, chunks):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ending = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    counted = {key: value for key, value in usage.items() if key.endswith("_tokens")}
    yield {"type": "message_delta", "delta": ending, "usage": counted}
    yield {"type": "message_stop"}


def _build_content(call: Call, prompt: Prompt, completion: Completion, *, is_omitted: bool) -> list[Json]:
    content: list[Json] = []
    if completion.thinking and REDACTION_TRIGGER in " ".join(prompt.said):
        content.append({"type": "redacted_thinking", "data": seal(completion.thinking)})
    elif completion.thinking:
        shown = "" if is_omitted else completion.thinking
        content.append({"type": "thinking", "thinking": shown, "signature": sign(shown)})
    for index, each in enumerate(completion.calls):
        identity = f"toolu_01{call.digest[:20]}{index:02x}"
        content.append({"type": "tool_use", "id": identity, "name": each.name, "input": each.arguments})
    if completion.text:
        content.append({"type": "text", "text": completion.text})
    return content


def _build_usage(request: Sampling, prompt: Prompt, completion: Completion, cache: PrefixCache) -> Json:
    share = cache.measure(prompt.model, prompt.segments)
    usage: Json = {
        "input_tokens": prompt.tokens - share.read - share.written,
        "cache_creation_input_tokens": share.written,
        "cache_read_input_tokens": share.read,
        "cache_creation": {"ephemeral_5m_input_tokens": share.written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": completion.tokens,
        "service_tier": "standard",
    }
    if completion.thinking:
        usage["output_tokens_details"] = {"thinking_tokens": completion.thinking_tokens}
    return usage


def _empty(block: Json) -> Json:
    match block["type"]:
        case "text":
            return {"type": "text", "text": ""}
        case "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case "tool_use":
            return {**block, "input": {}}
        case _:
            return block


def _list_deltas(block: Json, chunks: int | None) -> Iterator[Json]:
    match block["type"]:
        case "text":
            for piece in split_text(block["text"], chunks):
                yield {"type": "text_delta", "text": piece}
        case "thinking":
            for piece in split_text(block["thinking"], None):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "tool_use":
            yield {"type": "input_json_delta", "partial_json": ""}
            for piece in split_text(encode(block["input"]).decode(), chunks):
                yield {"type": "input_json_delta", "partial_json": piece}
