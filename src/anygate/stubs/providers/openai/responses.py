"""Responses, whole and as a stream: https://platform.openai.com/docs/api-reference/responses-streaming."""

from collections.abc import Iterator
from typing import Any

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.completion import Completion, complete, split_text
from anygate.stubs.providers.fields import read_fields
from anygate.stubs.providers.framing import SSE, SSE_GARBAGE, frame_event
from anygate.stubs.providers.openai.chat import CREATED, refuse_unknown_model
from anygate.stubs.providers.openai.errors import reject
from anygate.stubs.providers.openai.responses_fields import RESPONSE, TOKENS, ResponseRequest
from anygate.stubs.providers.openai.responses_prompt import read_prompt
from anygate.stubs.providers.outcome import Json, Outcome, Stream, build_json
from anygate.stubs.providers.prompt import Prompt
from anygate.stubs.providers.signature import seal
from anygate.stubs.providers.tokens import PrefixCache

_CACHED_FROM = 1024


def answer_response(call: Call, cache: PrefixCache) -> Outcome:
    """Answer `/responses`."""
    request = read_fields(call.body, RESPONSE)
    if request.model is None:
        raise reject("Missing required parameter: 'model'.", "model", "missing_required_parameter")
    refuse_unknown_model(request.model)
    prompt = read_prompt(request)
    completion = complete(prompt, call.orders)
    response = _build_response(call, request, completion)
    response["usage"] = _build_usage(request, prompt, completion, cache)
    if not request.stream:
        return build_json(response)
    parts = tuple(
        frame_event({**event, "sequence_number": number}, event["type"])
        for number, event in enumerate(_list_events(call, response, completion))
    )
    error = {"type": "error", "code": "server_error", "message": "The server had an error.", "param": None}
    return Stream(parts, SSE, frame_event({**error, "sequence_number": 0}, "error"), SSE_GARBAGE)


def count_input(call: Call) -> Outcome:
    """Answer `/responses/input_tokens`."""
    prompt = read_prompt(read_fields(call.body, TOKENS))
    return build_json({"object": "response.input_tokens", "input_tokens": prompt.tokens})


def _build_usage(request: ResponseRequest, prompt: Prompt, completion: Completion, cache: PrefixCache) -> Json:
    automatic = _CACHED_FROM if request.prompt_cache_key is None else 1
    cached = cache.measure(prompt.model, prompt.segments, automatic=automatic).read
    return {
        "input_tokens": prompt.tokens,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": completion.tokens,
        "output_tokens_details": {"reasoning_tokens": completion.thinking_tokens},
        "total_tokens": prompt.tokens + completion.tokens,
    }


def _build_response(call: Call, request: ResponseRequest, completion: Completion) -> Json:
    is_short = completion.stop == "length"
    reasoning = request.reasoning
    return {
        "id": call.name("resp_"),
        "object": "response",
        "created_at": CREATED,
        "status": "incomplete" if is_short else "completed",
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if is_short else None,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "model": request.model,
        "output": _build_output(call, request, completion),
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": {
            "effort": reasoning.effort if reasoning else None,
            "summary": reasoning.summary if reasoning else None,
        },
        "service_tier": "default",
        "store": request.store is not False,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "text": request.text or {"format": {"type": "text"}},
        "tool_choice": request.tool_choice or "auto",
        "tools": request.tools or [],
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "truncation": request.truncation or "disabled",
        "usage": None,
        "user": request.user,
        "metadata": request.metadata or {},
    }


def _build_output(call: Call, request: ResponseRequest, completion: Completion) -> list[Json]:
    output: list[Json] = []
    if completion.thinking:
        shows = request.reasoning is not None and (request.reasoning.summary or request.reasoning.generate_summary)
        summary = [{"type": "summary_text", "text": completion.thinking}] if shows else []
        item: Json = {"id": call.name("rs_"), "type": "reasoning", "summary": summary}
        if "reasoning.encrypted_content" in (request.include or ()):
            item["encrypted_content"] = seal(completion.thinking)
        output.append(item)
    for index, each in enumerate(completion.calls):
        identity = f"{call.digest[:20]}{index:02x}"
        output.append(
            {
                "id": f"fc_{identity}",
                "type": "function_call",
                "status": "completed",
                "arguments": each.text,
                "call_id": f"call_{identity}",
                "name": each.name,
            }
        )
    if not completion.calls:
        text = {"type": "output_text", "annotations": [], "logprobs": [], "text": completion.text}
        status = "incomplete" if completion.stop == "length" else "completed"
        message = {"id": call.name("msg_"), "type": "message", "status": status, "role": "assistant"}
        output.append({**message, "content": [text]})
    return output


def _list_events(call: Call, response: Json, completion: Completion) -> Iterator[Json]:
    begun = {**response, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(response["output"]):
        place = {"item_id": item["id"], "output_index": index}
        yield {"type": "response.output_item.added", "output_index": index, "item": _empty(item)}
        match item["type"]:
            case "reasoning":
                yield from _list_summary(item, place)
            case "function_call":
                yield from _list_arguments(item, place, call.orders.chunks)
            case _:
                yield from _list_text(item, place, call.orders.chunks)
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    kind = "response.incomplete" if completion.stop == "length" else "response.completed"
    yield {"type": kind, "response": response}


def _empty(item: Json) -> Json:
    begun = {**item, "status": "in_progress"}
    match item["type"]:
        case "reasoning":
            return {**item, "summary": []}
        case "function_call":
            return {**begun, "arguments": ""}
        case _:
            return {**begun, "content": []}


def _list_summary(item: Json, place: Json) -> Iterator[Json]:
    for index, part in enumerate(item["summary"]):
        here = {**place, "summary_index": index}
        yield {"type": "response.reasoning_summary_part.added", **here, "part": {**part, "text": ""}}
        for piece in split_text(part["text"], None):
            yield {"type": "response.reasoning_summary_text.delta", **here, "delta": piece}
        yield {"type": "response.reasoning_summary_text.done", **here, "text": part["text"]}
        yield {"type": "response.reasoning_summary_part.done", **here, "part": part}


def _list_arguments(item: Json, place: Json, chunks: int | None) -> Iterator[Json]:
    for piece in split_text(item["arguments"], chunks):
        yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
    done: dict[str, Any] = {"arguments": item["arguments"], "name": item["name"]}
    yield {"type": "response.function_call_arguments.done", **place, **done}


def _list_text(item: Json, place: Json, chunks: int | None) -> Iterator[Json]:
    part = item["content"][0]
    here = {**place, "content_index": 0}
    yield {"type": "response.content_part.added", **here, "part": {**part, "text": ""}}
    for piece in split_text(part["text"], chunks):
        yield {"type": "response.output_text.delta", **here, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **here, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **here, "part": part}
