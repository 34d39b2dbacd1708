"""Converse and ConverseStream: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html."""

import base64
from collections.abc import Iterator

from anygate.stubs.providers.bedrock.errors import reject
from anygate.stubs.providers.bedrock.fields import CONVERSE
from anygate.stubs.providers.bedrock.prompt import read_prompt
from anygate.stubs.providers.call import Call
from anygate.stubs.providers.completion import Completion, complete, split_text
from anygate.stubs.providers.fields import read_fields
from anygate.stubs.providers.framing import EVENT_STREAM, frame_aws_event, frame_aws_exception, spoil_message
from anygate.stubs.providers.outcome import Json, Stream, Unary, build_json, encode
from anygate.stubs.providers.signature import REDACTION_TRIGGER, seal
from anygate.stubs.providers.tokens import PrefixCache

_STOPS = {"end": "end_turn", "stop": "stop_sequence", "length": "max_tokens", "tools": "tool_use"}
_PADDING = "abcdefghij"  # the service pads events so that their length tells nothing


def converse(call: Call, model: str, cache: PrefixCache) -> Unary:
    """Answer `/model/{model}/converse`."""
    completion, usage, is_sealed = _answer(call, model, cache)
    message = {"role": "assistant", "content": _build_content(call, completion, is_sealed=is_sealed)}
    return build_json(
        {
            "metrics": {"latencyMs": 1},
            "output": {"message": message},
            "stopReason": _STOPS[completion.stop],
            "usage": usage,
        }
    )


def converse_stream(call: Call, model: str, cache: PrefixCache) -> Stream:
    """Answer `/model/{model}/converse-stream`."""
    completion, usage, is_sealed = _answer(call, model, cache)
    events = [
        ("messageStart", {"role": "assistant"}),
        *_list_block_events(call, _build_content(call, completion, is_sealed=is_sealed)),
        ("messageStop", {"stopReason": _STOPS[completion.stop]}),
        ("metadata", {"usage": usage, "metrics": {"latencyMs": 1}}),
    ]
    parts = tuple(frame_aws_event(kind, {**event, "p": _PADDING}) for kind, event in events)
    failure = frame_aws_exception("modelStreamErrorException", "The model returned an error while streaming.")
    return Stream(parts, EVENT_STREAM, failure, spoil_message())


def refuse_unknown_model(model: str) -> None:
    """Raise the vendor's error for a model whose name begins with `no-such-`."""
    if model.startswith("no-such-") or not model:
        raise reject("The provided model identifier is invalid.")


def _answer(call: Call, model: str, cache: PrefixCache) -> tuple[Completion, Json, bool]:
    refuse_unknown_model(model)
    request = read_fields(call.body, CONVERSE)
    prompt = read_prompt(request, model)
    completion = complete(prompt, call.orders)
    share = cache.measure(model, prompt.segments)
    usage: Json = {
        "inputTokens": prompt.tokens - share.read - share.written,
        "outputTokens": completion.tokens,
        "totalTokens": prompt.tokens + completion.tokens,
    }
    if any(segment.is_marked for segment in prompt.segments):
        usage |= {"cacheReadInputTokens": share.read, "cacheWriteInputTokens": share.written}
    return completion, usage, REDACTION_TRIGGER in " ".join(prompt.said)


def _name_call(call: Call, index: int) -> str:
    return f"tooluse_{call.digest[:20]}{index:02x}"


def _build_content(call: Call, completion: Completion, *, is_sealed: bool) -> list[Json]:
    content: list[Json] = []
    if completion.thinking and is_sealed:
        content.append({"reasoningContent": {"redactedContent": seal(completion.thinking)}})
    elif completion.thinking:
        thought = {"text": completion.thinking, "signature": completion.signature}
        content.append({"reasoningContent": {"reasoningText": thought}})
    for index, each in enumerate(completion.calls):
        used = {"toolUseId": _name_call(call, index), "name": each.name, "input": each.arguments}
        content.append({"toolUse": used})
    if completion.text:
        content.append({"text": completion.text})
    return content


def _list_block_events(call: Call, content: list[Json]) -> Iterator[tuple[str, Json]]:
    chunks = call.orders.chunks
    for index, block in enumerate(content):
        place = {"contentBlockIndex": index}
        if "toolUse" in block:
            used = block["toolUse"]
            # Only tool blocks are announced: for text and reasoning the service sends no start.
            start = {"toolUse": {"toolUseId": used["toolUseId"], "name": used["name"]}}
            yield "contentBlockStart", {**place, "start": start}
            for piece in split_text(encode(used["input"]).decode(), chunks):
                yield "contentBlockDelta", {**place, "delta": {"toolUse": {"input": piece}}}
        elif "text" in block:
            for piece in split_text(block["text"], chunks):
                yield "contentBlockDelta", {**place, "delta": {"text": piece}}
        elif "redactedContent" in block["reasoningContent"]:
            yield "contentBlockDelta", {**place, "delta": block}
        else:
            thought = block["reasoningContent"]["reasoningText"]
            for piece in split_text(thought["text"], None):
                yield "contentBlockDelta", {**place, "delta": {"reasoningContent": {"text": piece}}}
            signed = {"reasoningContent": {"signature": thought["signature"]}}
            yield "contentBlockDelta", {**place, "delta": signed}
        yield "contentBlockStop", place


def wrap_chunk(event: bytes) -> bytes:
    """Return an event of InvokeModelWithResponseStream: the model's own event, in base64."""
    return frame_aws_event("chunk", {"bytes": base64.b64encode(event).decode(), "p": _PADDING})
