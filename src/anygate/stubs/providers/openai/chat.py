"""Chat completions, whole and as a stream: https://platform.openai.com/docs/api-reference/chat-streaming."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.completion import Completion, complete, split_text
from anygate.stubs.providers.fields import read_fields
from anygate.stubs.providers.framing import DONE, SSE, SSE_GARBAGE, frame_event
from anygate.stubs.providers.openai.chat_fields import CHAT, ChatRequest
from anygate.stubs.providers.openai.chat_prompt import read_prompt
from anygate.stubs.providers.openai.errors import reject_model, reject_status, render_error
from anygate.stubs.providers.outcome import Json, Outcome, Stream, build_json
from anygate.stubs.providers.prompt import Prompt
from anygate.stubs.providers.tokens import PrefixCache

CREATED = 1_700_000_000
_FINISH = {"end": "stop", "stop": "stop", "length": "length", "tools": "tool_calls"}
_CACHED_FROM = 1024


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """Everything that both forms of the answer are made of."""

    call: Call
    request: ChatRequest
    completions: tuple[Completion, ...]
    usage: Json

    @property
    def head(self) -> Json:
        """What the answer and every chunk begin with."""
        return {
            "id": self.call.name("chatcmpl-"),
            "created": CREATED,
            "model": self.request.model,
            "service_tier": "default",
            "system_fingerprint": "fp_stub",
        }


def answer_chat(call: Call, cache: PrefixCache, deployment: str | None = None) -> Outcome:
    """Answer `/chat/completions`; on Azure the path names the model."""
    body = call.body
    request = read_fields(body, CHAT)
    if deployment is not None:
        request.model = deployment
    refuse_unknown_model(request.model)
    prompt = read_prompt(request)
    completions = tuple(_vary(complete(prompt, call.orders), index) for index in range(request.n or 1))
    usage = build_usage(prompt, completions, cache, named=request.prompt_cache_key is not None)
    answer = ChatAnswer(call, request, completions, usage)
    return _build_stream(answer) if request.stream else build_json(_build_whole(answer))


def refuse_unknown_model(model: str) -> None:
    """Raise the vendor's 404 for a model whose name begins with `no-such-`."""
    if model.startswith("no-such-") or not model:
        raise reject_model(model)


def build_usage(prompt: Prompt, completions: tuple[Completion, ...], cache: PrefixCache, *, named: bool) -> Json:
    """Return the usage; a prompt cache key lets short prompts be cached as well."""
    marked = any(segment.is_marked for segment in prompt.segments)
    automatic = None if marked else 1 if named else _CACHED_FROM
    cached = cache.measure(prompt.model, prompt.segments, automatic=automatic).read
    generated = sum(completion.tokens for completion in completions)
    return {
        "prompt_tokens": prompt.tokens,
        "completion_tokens": generated,
        "total_tokens": prompt.tokens + generated,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(completion.thinking_tokens for completion in completions),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _vary(completion: Completion, index: int) -> Completion:
    # Choices differ, so that a test notices when two are swapped; a limited text keeps its limit.
    if index == 0 or completion.stop != "end":
        return completion
    return Completion(completion.thinking, f"{completion.text} ({index + 1})", completion.calls, completion.stop)


def _name_call(answer: ChatAnswer, choice: int, index: int) -> str:
    return f"call_{answer.call.digest[:20]}{choice:02x}{index:02x}"


def _build_whole(answer: ChatAnswer) -> Json:
    choices = [_build_choice(answer, index, each) for index, each in enumerate(answer.completions)]
    return {**answer.head, "object": "chat.completion", "choices": choices, "usage": answer.usage}


def _build_choice(answer: ChatAnswer, index: int, completion: Completion) -> Json:
    message: Json = {"role": "assistant", "content": completion.text, "refusal": None, "annotations": []}
    if completion.calls:
        message["content"] = None
        message["tool_calls"] = [
            {
                "id": _name_call(answer, index, place),
                "type": "function",
                "function": {"name": call.name, "arguments": call.text},
            }
            for place, call in enumerate(completion.calls)
        ]
    return {
        "index": index,
        "message": message,
        "logprobs": build_logprobs(answer.request, completion.text),
        "finish_reason": _FINISH[completion.stop],
    }


def build_logprobs(request: ChatRequest, text: str) -> Json | None:
    """Return log probabilities for the tokens of `text` when they were asked for."""
    if not request.logprobs:
        return None
    tokens = [text[start : start + 4] for start in range(0, len(text), 4)]
    most = request.top_logprobs or 0
    content = []
    for token in tokens:
        ranked = [_rank(token, place) for place in range(most)]
        content.append({**_rank(token, 0), "top_logprobs": ranked})
    return {"content": content, "refusal": None}


def _rank(token: str, place: int) -> Json:
    shown = token if place == 0 else f"{token}{place}"
    return {"token": shown, "logprob": -0.1 * (place + 1), "bytes": list(shown.encode())}


def _build_stream(answer: ChatAnswer) -> Stream:
    options = answer.request.stream_options
    counted = options is not None and bool(options.include_usage)
    head = {**answer.head, "object": "chat.completion.chunk"}
    tail: Json = {"usage": None} if counted else {}
    parts = [
        frame_event({**head, "choices": [choice], **tail})
        for index, completion in enumerate(answer.completions)
        for choice in _stream_choice(answer, index, completion)
    ]
    if counted:
        parts.append(frame_event({**head, "choices": [], "usage": answer.usage}))
    parts.append(DONE)
    failure = b"data: " + render_error(reject_status(500), None) + b"\n\n"
    return Stream(tuple(parts), SSE, failure, SSE_GARBAGE)


def _stream_choice(answer: ChatAnswer, index: int, completion: Completion) -> Iterator[Json]:
    def chunk(delta: Json, finish: str | None = None, logprobs: Any = None) -> Json:
        return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}

    opening: Json = {"role": "assistant", "content": None if completion.calls else "", "refusal": None}
    for place, call in enumerate(completion.calls):
        named = {"name": call.name, "arguments": ""}
        begun = {"index": place, "id": _name_call(answer, index, place), "type": "function", "function": named}
        yield chunk({**opening, "tool_calls": [begun]})
        opening = {}
        for piece in split_text(call.text, answer.call.orders.chunks):
            yield chunk({"tool_calls": [{"index": place, "function": {"arguments": piece}}]})
    if not completion.calls:
        yield chunk(opening)
        for piece in split_text(completion.text, answer.call.orders.chunks):
            yield chunk({"content": piece}, None, build_logprobs(answer.request, piece))
    yield chunk({}, _FINISH[completion.stop])
