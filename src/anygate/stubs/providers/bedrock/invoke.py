"""InvokeModel: the model's own format in the body, for Claude and Titan Text Embeddings.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html
"""

import msgspec

from anygate.stubs.providers.anthropic.errors import describe_fault
from anygate.stubs.providers.anthropic.fields import BEDROCK, BedrockRequest
from anygate.stubs.providers.anthropic.messages import answer_messages, list_events
from anygate.stubs.providers.anthropic.prompt import read_prompt as read_claude_prompt
from anygate.stubs.providers.anthropic.versions import check_version
from anygate.stubs.providers.bedrock.converse import refuse_unknown_model, wrap_chunk
from anygate.stubs.providers.bedrock.errors import reject
from anygate.stubs.providers.bedrock.fields import COUNT_TOKENS, TITAN
from anygate.stubs.providers.bedrock.prompt import read_prompt
from anygate.stubs.providers.call import Call
from anygate.stubs.providers.fields import FieldFault, read_fields
from anygate.stubs.providers.framing import EVENT_STREAM, frame_aws_exception, spoil_message
from anygate.stubs.providers.outcome import Json, Stream, Unary, encode
from anygate.stubs.providers.rejection import Rejection
from anygate.stubs.providers.tokens import PrefixCache, count_tokens
from anygate.stubs.providers.vectors import make_vector

_USUAL_DIMENSIONS = 1024
_FIRST_TITAN_DIMENSIONS = 1536


def invoke(call: Call, model: str, cache: PrefixCache) -> Unary:
    """Answer `/model/{model}/invoke`."""
    refuse_unknown_model(model)
    if "titan-embed" in model:
        return _embed(call, model)
    message = _ask_claude(call, model, cache)
    usage = message["usage"]
    return _count(encode(message), usage["input_tokens"], usage["output_tokens"])


def invoke_stream(call: Call, model: str, cache: PrefixCache) -> Stream:
    """Answer `/model/{model}/invoke-with-response-stream`."""
    refuse_unknown_model(model)
    if "titan-embed" in model:
        raise reject("The model is unsupported for streaming.")
    message = _ask_claude(call, model, cache)
    events = list(list_events(message, call.orders.chunks))
    events[-1]["amazon-bedrock-invocationMetrics"] = {
        "inputTokenCount": message["usage"]["input_tokens"],
        "outputTokenCount": message["usage"]["output_tokens"],
        "invocationLatency": 1,
        "firstByteLatency": 1,
    }
    failure = frame_aws_exception("modelStreamErrorException", "The model returned an error while streaming.")
    headers = (("x-amzn-bedrock-content-type", "application/json"),)
    parts = tuple(wrap_chunk(encode(event)) for event in events)
    return Stream(parts, EVENT_STREAM, failure, spoil_message(), headers)


def count_prompt(call: Call, model: str) -> Unary:
    """Answer `/model/{model}/count-tokens`."""
    refuse_unknown_model(model)
    given = read_fields(call.body, COUNT_TOKENS).input
    if given.converse is not None:
        tokens = read_prompt(given.converse, model).tokens
    elif given.invoke_model is not None:
        tokens = read_claude_prompt(_read_claude(given.invoke_model.body), model).tokens
    else:
        raise reject("CountTokensInput object at input must set one of the following keys: converse, invokeModel.")
    return Unary(encode({"inputTokens": tokens}))


def _ask_claude(call: Call, model: str, cache: PrefixCache) -> Json:
    if "claude" not in model:
        raise reject(f"Invocation of model ID {model} is not supported by this stub.")
    request = _read_claude(call.body)
    try:
        return answer_messages(call, request, model, cache)
    except Rejection as rejection:
        raise reject(rejection.message) from None


def _read_claude(body: bytes) -> BedrockRequest:
    try:
        request = read_fields(body, BEDROCK)
    except FieldFault as fault:
        if fault.kind == "unknown" and "." not in fault.path:
            raise reject(
                f"Malformed input request: #: extraneous key [{fault.path}] is not permitted, please reformat your "
                "input and try again."
            ) from None
        if fault.kind == "malformed":
            raise reject("Malformed input request, please reformat your input and try again.") from None
        raise reject(describe_fault(fault)) from None
    try:
        check_version(request, request.anthropic_version)
    except Rejection as rejection:
        raise reject(rejection.message) from None
    return request


def _embed(call: Call, model: str) -> Unary:
    try:
        request = read_fields(call.body, TITAN)
    except FieldFault as fault:
        message = f"Malformed input request: {describe_fault(fault)}, please reformat your input and try again."
        raise reject(message) from None
    is_first = "titan-embed-text-v1" in model
    options = msgspec.structs.asdict(request)
    if is_first and any(options[name] is not None for name in ("dimensions", "normalize", "embedding_types")):
        raise reject(
            "Malformed input request: #: extraneous key [dimensions] is not permitted, please reformat your input and "
            "try again."
        )
    vector = make_vector(
        request.input_text, _FIRST_TITAN_DIMENSIONS if is_first else request.dimensions or _USUAL_DIMENSIONS
    )
    tokens = count_tokens(request.input_text)
    answer: Json = {"embedding": vector, "inputTextTokenCount": tokens}
    if not is_first:
        answer["embeddingsByType"] = {"float": vector}
    return _count(encode(answer), tokens, 0)


def _count(body: bytes, read: int, written: int) -> Unary:
    counted = (
        ("x-amzn-bedrock-input-token-count", str(read)),
        ("x-amzn-bedrock-output-token-count", str(written)),
    )
    return Unary(body, headers=counted)
