"""What generateContent answers ("GenerateContentResponse"): only what is read is named, everything may be missing."""

from typing import Any

import msgspec

from anygate.providers.chat import StopReason
from anygate.providers.usage import Usage


class FunctionCall(msgspec.Struct, gc=False, rename="camel"):
    """FunctionCall."""

    id: str | None = None
    name: str = ""
    args: dict[str, Any] | None = None


class PartShape(msgspec.Struct, gc=False, rename="camel"):
    """Part."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: Any = None
    file_data: Any = None
    executable_code: Any = None
    code_execution_result: Any = None


class ContentShape(msgspec.Struct, gc=False, rename="camel"):
    """Content."""

    parts: list[PartShape] | None = None


class CandidateShape(msgspec.Struct, gc=False, rename="camel"):
    """Candidate."""

    index: int | None = None
    content: ContentShape | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    safety_ratings: Any = None
    grounding_metadata: Any = None
    citation_metadata: Any = None
    url_context_metadata: Any = None
    logprobs_result: Any = None


class UsageShape(msgspec.Struct, gc=False, rename="camel"):
    """UsageMetadata."""

    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    total_token_count: int | None = None


class BlockShape(msgspec.Struct, gc=False, rename="camel"):
    """PromptFeedback: the prompt itself was refused."""

    block_reason: str | None = None


class ErrorShape(msgspec.Struct, gc=False):
    """google.rpc.Status."""

    code: int | None = None
    message: str = ""
    status: str = ""


class ResponseShape(msgspec.Struct, gc=False, rename="camel"):
    """GenerateContentResponse, whole or one chunk."""

    candidates: list[CandidateShape] | None = None
    usage_metadata: UsageShape | None = None
    prompt_feedback: BlockShape | None = None
    model_version: str | None = None
    response_id: str | None = None
    create_time: str | None = None
    error: ErrorShape | None = None


RESPONSE: "msgspec.json.Decoder[ResponseShape]" = msgspec.json.Decoder(ResponseShape)

_FILTERED = {
    *("SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "RECITATION"),
    *("IMAGE_RECITATION", "MODEL_ARMOR"),
}
_PLAIN = {"STOP", "MAX_TOKENS", "FINISH_REASON_UNSPECIFIED", ""}


def read_stop(word: str | None) -> StopReason:
    """Spec OG13: content filters of all kinds are one; what OpenAI has no word for is a stop, with the word kept
    beside.
    """
    if word == "MAX_TOKENS":
        return "length"
    return "content_filter" if word in _FILTERED else "stop"


def stop_detail(word: str | None) -> str | None:
    """Gemini's own word where the client's format has none as exact."""
    return None if word is None or word in _PLAIN else word


def read_usage(shape: UsageShape) -> Usage:
    """Spec OG14: thoughts are part of the output; the prompt count includes cached tokens."""
    written, thought = shape.candidates_token_count, shape.thoughts_token_count
    prompt = shape.prompt_token_count
    if prompt is not None and shape.tool_use_prompt_token_count is not None:
        prompt += shape.tool_use_prompt_token_count
    return Usage(
        input=prompt,
        output=None if written is None and thought is None else (written or 0) + (thought or 0),
        total=shape.total_token_count,
        cached=shape.cached_content_token_count,
        reasoning=thought,
    )


def read_logprobs(result: Any) -> dict[str, Any] | None:
    """LogprobsResult as OpenAI's token list; Gemini sends no bytes, they follow from the token."""
    if type(result) is not dict or type(result.get("chosenCandidates")) is not list:
        return None
    steps = result.get("topCandidates")
    content = []
    for at, chosen in enumerate(result["chosenCandidates"]):
        token = _read_token(chosen)
        step = steps[at] if type(steps) is list and at < len(steps) else None
        others = step.get("candidates") if type(step) is dict else None
        token["top_logprobs"] = [_read_token(other) for other in others] if type(others) is list else []
        content.append(token)
    return {"content": content, "refusal": None}


def _read_token(candidate: Any) -> dict[str, Any]:
    values = candidate if type(candidate) is dict else {}
    token = str(values.get("token", ""))
    return {
        "token": token,
        "logprob": values.get("logProbability", 0.0),
        "bytes": list(token.encode("utf-8", "replace")),
    }
