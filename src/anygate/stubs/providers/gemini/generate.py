"""generateContent and streamGenerateContent: https://ai.google.dev/api/generate-content."""

from collections.abc import Iterator

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.completion import Completion, complete, split_text
from anygate.stubs.providers.gemini.errors import build_error, reject, reject_status
from anygate.stubs.providers.gemini.fields import COUNT, GENERATE, GenerateRequest, GenerationConfig
from anygate.stubs.providers.gemini.prompt import read_prompt, sign_call
from anygate.stubs.providers.gemini.proto_json import read_message
from anygate.stubs.providers.outcome import Json, Stream, Unary, build_json, encode
from anygate.stubs.providers.prompt import Prompt
from anygate.stubs.providers.tokens import PrefixCache, count_tokens

_SSE = "text/event-stream"
_GARBAGE = b'data: {"candidates": [{"content":\r\n\r\n'
_CREATED = "2025-01-01T00:00:00.000000Z"
_CACHED_FROM = 1024


class Generation:
    """The parts of one answer, whole or streamed."""

    def __init__(self, call: Call, model: str, cache: PrefixCache) -> None:
        refuse_unknown_model(model, call)
        self.call = call
        self.request = read_message(call.body, GENERATE)
        prompt = read_prompt(self.request, model)
        self.config = self.request.generation_config or GenerationConfig()
        self.completion = complete(prompt, call.orders)
        self.count = self.config.candidate_count or 1
        self.usage = _build_usage(self.request, prompt, self.completion, self.count, cache)
        self._model = model

    def wrap(self, candidates: list[Json], *, is_last: bool = True) -> Json:
        """Return an answer, or one of a stream, around `candidates`."""
        usage = self.usage
        if not is_last:
            usage = {key: value for key, value in usage.items() if not key.startswith("candidates")}
            usage["totalTokenCount"] = usage["promptTokenCount"] + usage.get("thoughtsTokenCount", 0)
        return {
            "candidates": candidates,
            "usageMetadata": usage,
            "modelVersion": self._model,
            "createTime": _CREATED,
            "responseId": self.call.name("", 22),
        }

    def list_parts(self) -> list[Json]:
        """Return the parts of the content."""
        parts: list[Json] = []
        thinking = self.config.thinking_config
        if self.completion.thinking and thinking is not None and thinking.include_thoughts:
            parts.append({"text": self.completion.thinking, "thought": True})
        for index, each in enumerate(self.completion.calls):
            part: Json = {"functionCall": {"name": each.name, "args": each.arguments}}
            if index == 0:
                part["thoughtSignature"] = sign_call(each.name, each.arguments)
            parts.append(part)
        if not self.completion.calls:
            parts.append({"text": self.completion.text})
        return parts

    @property
    def finish(self) -> str:
        """Why the answer ended."""
        return "MAX_TOKENS" if self.completion.stop == "length" else "STOP"


def generate(call: Call, model: str, cache: PrefixCache) -> Unary:
    """Answer `:generateContent`."""
    made = Generation(call, model, cache)
    candidates: list[Json] = []
    for index in range(made.count):
        content = {"parts": made.list_parts(), "role": "model"}
        candidate: Json = {"content": content, "finishReason": made.finish, "index": index, "avgLogprobs": -0.1}
        if made.config.response_logprobs:
            candidate["logprobsResult"] = _build_logprobs(made.completion.text, made.config.logprobs or 0)
        candidates.append(candidate)
    return build_json(made.wrap(candidates))


def stream_generate(call: Call, model: str, cache: PrefixCache) -> Stream:
    """Answer `:streamGenerateContent`, as events with `alt=sse` and as a JSON array without."""
    made = Generation(call, model, cache)
    answers = list(_list_answers(made))
    failure = encode(build_error(reject_status(503)))
    if call.query.get("alt") == "sse":
        # Google ends its lines with CRLF.
        parts = tuple(b"data: " + encode(answer) + b"\r\n\r\n" for answer in answers)
        return Stream(parts, _SSE, b"data: " + failure + b"\r\n\r\n", _GARBAGE)
    framed = [b"[" if index == 0 else b",\r\n" for index in range(len(answers))]
    pieces = [mark + encode(answer) for mark, answer in zip(framed, answers, strict=True)]
    ending = b",\r\n" + failure + b"]"
    return Stream((*pieces, b"]"), "application/json; charset=UTF-8", ending, b',\r\n{"candidates":')


def count(call: Call, model: str) -> Unary:
    """Answer `:countTokens`."""
    refuse_unknown_model(model, call)
    given = read_message(call.body, COUNT)
    request = given.generate_content_request
    if request is None:
        request = GenerateRequest(given.contents, given.system_instruction, given.tools)
    tokens = read_prompt(request, model).tokens
    return build_json({"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]})


def refuse_unknown_model(model: str, call: Call) -> None:
    """Raise the vendor's 404 for a model whose name begins with `no-such-`."""
    if not model.startswith("no-such-"):
        return
    if "/publishers/" in call.path:
        name = call.path.partition("/projects/")[2].rpartition(":")[0]
        message = (
            f"Publisher Model `projects/{name}` was not found or your project does not have access to it. Please "
            "ensure you are using a valid model version."
        )
        raise reject(message, 404)
    method = call.path.rpartition(":")[2]
    raise reject(
        f"models/{model} is not found for API version v1beta, or is not supported for {method}. Call ListModels to see "
        "the list of available models and their supported methods.",
        404,
    )


def _list_answers(made: Generation) -> Iterator[Json]:
    *earlier, last = made.list_parts()
    pieces = [last]
    if "text" in last:
        texts = list(split_text(last["text"], made.call.orders.chunks)) or [""]
        pieces = [{"text": text} for text in texts]
    steps = [*([part] for part in earlier), *([part] for part in pieces)]
    for number, parts in enumerate(steps):
        is_last = number == len(steps) - 1
        candidates: list[Json] = []
        for index in range(made.count):
            candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": index}
            if is_last:
                candidate["finishReason"] = made.finish
            candidates.append(candidate)
        yield made.wrap(candidates, is_last=is_last)


def _build_usage(
    request: GenerateRequest, prompt: Prompt, completion: Completion, candidates: int, cache: PrefixCache
) -> Json:
    automatic = _CACHED_FROM if request.cached_content is None else 1
    cached = cache.measure(prompt.model, prompt.segments, automatic=automatic).read
    written = (completion.tokens - completion.thinking_tokens) * candidates
    usage: Json = {
        "promptTokenCount": prompt.tokens,
        "candidatesTokenCount": written,
        "totalTokenCount": prompt.tokens + written + completion.thinking_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt.tokens}],
    }
    if completion.thinking:
        usage["thoughtsTokenCount"] = completion.thinking_tokens
    if cached:
        usage["cachedContentTokenCount"] = cached
        usage["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": cached}]
    return usage


def _build_logprobs(text: str, most: int) -> Json:
    tokens = [text[start : start + 4] for start in range(0, len(text), 4)]
    assert len(tokens) == count_tokens(text)
    chosen = [{"token": token, "tokenId": number, "logProbability": -0.1} for number, token in enumerate(tokens)]
    ranked = [
        {
            "candidates": [
                {
                    "token": token if place == 0 else f"{token}{place}",
                    "tokenId": number,
                    "logProbability": -0.1 * (place + 1),
                }
                for place in range(most)
            ]
        }
        for number, token in enumerate(tokens)
    ]
    return {"topCandidates": ranked, "chosenCandidates": chosen}
