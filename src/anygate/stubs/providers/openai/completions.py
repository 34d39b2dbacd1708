"""Legacy completions: https://platform.openai.com/docs/api-reference/completions."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.completion import Completion, complete, split_text
from anygate.stubs.providers.fields import Fields, read_fields
from anygate.stubs.providers.framing import DONE, SSE, SSE_GARBAGE, frame_event
from anygate.stubs.providers.openai.chat import CREATED, refuse_unknown_model
from anygate.stubs.providers.openai.chat_fields import Penalty, Stop, StreamOptions
from anygate.stubs.providers.openai.errors import reject_status, render_error
from anygate.stubs.providers.outcome import Json, Outcome, Stream, build_json
from anygate.stubs.providers.prompt import Prompt

_USUAL_MAX_TOKENS = 16
_FINISH = {"end": "stop", "stop": "stop", "length": "length", "tools": "stop"}


class CompletionRequest(Fields):
    """The body of `/completions`."""

    model: str
    prompt: str | list[str | int | list[int]] = "<|endoftext|>"
    best_of: int | None = None
    echo: bool | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    presence_penalty: Penalty | None = None
    seed: int | None = None
    stop: Stop | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    suffix: str | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    user: str | None = None


_DECODER = msgspec.json.Decoder(CompletionRequest)


def answer_completion(call: Call, deployment: str | None = None) -> Outcome:
    """Answer `/completions`: one choice for every prompt and each of the `n`."""
    request = read_fields(call.body, _DECODER)
    request.model = deployment or request.model
    refuse_unknown_model(request.model)
    prompts = [_read_prompt(request, text) for text in list_inputs(request.prompt)]
    completions = [complete(prompt, call.orders) for prompt in prompts for _ in range(request.n or 1)]
    read = sum(prompt.tokens for prompt in prompts)
    written = sum(completion.tokens for completion in completions)
    usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    head: Json = {
        "id": call.name("cmpl-"),
        "object": "text_completion",
        "created": CREATED,
        "model": request.model,
        "system_fingerprint": "fp_stub",
    }
    if request.stream:
        return _build_stream(call, request, head, completions, usage)
    choices = [_build_choice(each.text, index, _FINISH[each.stop]) for index, each in enumerate(completions)]
    return build_json({**head, "choices": choices, "usage": usage})


def list_inputs(given: str | list[Any]) -> list[str]:
    """Return every input of a field that takes a text, texts, tokens or lists of tokens."""
    if isinstance(given, str):
        return [given]
    if given and all(isinstance(item, int) for item in given):
        return [_spell(given)]
    return [item if isinstance(item, str) else _spell(item) for item in given]


def _spell(tokens: Any) -> str:
    # Four characters each, so that as many tokens are counted as were given.
    return "".join(f"{token % 10_000:04}" for token in tokens) if isinstance(tokens, list) else str(tokens)


def _read_prompt(request: CompletionRequest, text: str) -> Prompt:
    prompt = Prompt(request.model)
    prompt.say(text)
    prompt.max_tokens = _USUAL_MAX_TOKENS if request.max_tokens is None else request.max_tokens
    prompt.stops = (request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ())
    return prompt


def _build_choice(text: str, index: int, finish: str | None) -> Json:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish}


def _build_stream(
    call: Call, request: CompletionRequest, head: Json, completions: list[Completion], usage: Json
) -> Stream:
    counted = request.stream_options is not None and bool(request.stream_options.include_usage)
    tail: Json = {"usage": None} if counted else {}
    choices = []
    for index, each in enumerate(completions):
        choices += [_build_choice(piece, index, None) for piece in split_text(each.text, call.orders.chunks)]
        choices.append(_build_choice("", index, _FINISH[each.stop]))
    parts = [frame_event({**head, "choices": [choice], **tail}) for choice in choices]
    if counted:
        parts.append(frame_event({**head, "choices": [], "usage": usage}))
    failure = b"data: " + render_error(reject_status(500), None) + b"\n\n"
    return Stream((*parts, DONE), SSE, failure, SSE_GARBAGE)
