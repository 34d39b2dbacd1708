"""What an OpenAI-compatible server answers ("The chat completion object", "The chat completion chunk object").

Only what is read is named, everything may be missing: compatible servers leave out much, and a null is as good as
absent.
"""

from typing import Any

import msgspec

from anygate.providers.usage import Usage


class TokenDetails(msgspec.Struct, gc=False):
    """`prompt_tokens_details` and `completion_tokens_details` in one."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    reasoning_tokens: int | None = None


class UsageShape(msgspec.Struct, gc=False):
    """The usage object of chat, completions and embeddings."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: TokenDetails | None = None
    completion_tokens_details: TokenDetails | None = None
    prompt_cache_hit_tokens: int | None = None


class FunctionShape(msgspec.Struct, gc=False):
    """A called function; some servers send the arguments as an object."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class CallShape(msgspec.Struct, gc=False):
    """A tool call or its delta."""

    index: int | None = None
    id: str | None = None
    function: FunctionShape | None = None


class ThinkingBlock(msgspec.Struct, gc=False):
    """The extension by which gateways carry Claude's thoughts."""

    type: str = ""
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class MessageShape(msgspec.Struct, gc=False):
    """A message or its delta; `reasoning` and `reasoning_content` are the two spellings of one extension."""

    content: str | None = None
    refusal: str | None = None
    tool_calls: list[CallShape] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking_blocks: list[ThinkingBlock] | None = None
    annotations: Any = None
    audio: Any = None


class ChoiceShape(msgspec.Struct, gc=False):
    """A choice of an answer or of a chunk."""

    index: int | None = None
    message: MessageShape | None = None
    delta: MessageShape | None = None
    finish_reason: str | None = None
    logprobs: Any = None


class CompletionShape(msgspec.Struct, gc=False):
    """An answer or a chunk."""

    id: str | None = None
    model: str | None = None
    created: int | float | None = None
    choices: list[ChoiceShape] | None = None
    usage: UsageShape | None = None
    service_tier: str | None = None
    error: Any = None


COMPLETION: "msgspec.json.Decoder[CompletionShape]" = msgspec.json.Decoder(CompletionShape)


def read_usage(shape: UsageShape) -> Usage:
    """OpenAI's prompt count includes cached tokens already (spec C9, OO1); DeepSeek names them on the top level."""
    prompt = shape.prompt_tokens_details or TokenDetails()
    completion = shape.completion_tokens_details or TokenDetails()
    written = prompt.cache_write_tokens
    return Usage(
        input=shape.prompt_tokens,
        output=shape.completion_tokens,
        total=shape.total_tokens,
        cached=shape.prompt_cache_hit_tokens if prompt.cached_tokens is None else prompt.cached_tokens,
        cache_creation=prompt.cache_creation_input_tokens if written is None else written,
        reasoning=completion.reasoning_tokens,
    )


def write_usage(usage: Usage) -> dict[str, Any]:
    """The usage object for an OpenAI client; details only where the provider reported them."""
    written: dict[str, Any] = {
        "prompt_tokens": usage.input or 0,
        "completion_tokens": usage.output or 0,
        "total_tokens": usage.sum,
    }
    prompt: dict[str, int] = {}
    if usage.cached is not None:
        prompt["cached_tokens"] = usage.cached
    if usage.cache_creation is not None:
        prompt["cache_write_tokens"] = usage.cache_creation
    if prompt:
        written["prompt_tokens_details"] = prompt
    if usage.reasoning is not None:
        written["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return written
