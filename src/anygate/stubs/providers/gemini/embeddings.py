"""Embeddings: https://ai.google.dev/api/embeddings; on Vertex through `predict` as well.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
"""

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.gemini.errors import reject
from anygate.stubs.providers.gemini.fields import BATCH, EMBED, PREDICT, EmbedRequest
from anygate.stubs.providers.gemini.generate import refuse_unknown_model
from anygate.stubs.providers.gemini.proto_json import read_message
from anygate.stubs.providers.outcome import Json, Unary, build_json
from anygate.stubs.providers.tokens import ATTACHMENT_TOKENS, count_tokens
from anygate.stubs.providers.vectors import make_vector

_USUAL_DIMENSIONS = 3072
_PREDICTED_DIMENSIONS = 768


def embed(call: Call, model: str) -> Unary:
    """Answer `:embedContent`."""
    refuse_unknown_model(model, call)
    request = read_message(call.body, EMBED)
    vector, tokens = _embed(request)
    answer: Json = {"embedding": {"values": vector}}
    if "/publishers/" in call.path:
        answer |= {"usageMetadata": {"promptTokenCount": tokens, "totalTokenCount": tokens}, "truncated": False}
    return build_json(answer)


def embed_batch(call: Call, model: str) -> Unary:
    """Answer `:batchEmbedContents`."""
    refuse_unknown_model(model, call)
    requests = read_message(call.body, BATCH).requests
    if not requests:
        raise reject("* BatchEmbedContentsRequest.requests: requests is not specified\n")
    return build_json({"embeddings": [{"values": _embed(request)[0]} for request in requests]})


def predict(call: Call, model: str) -> Unary:
    """Answer `:predict` of a text embedding model."""
    refuse_unknown_model(model, call)
    if "embedding" not in model:
        raise reject(f"{model} is not supported for predict.")
    request = read_message(call.body, PREDICT)
    if model.startswith("gemini-embedding") and len(request.instances) > 1:
        raise reject(f"The request with {len(request.instances)} instances exceeds the limit of 1 for {model}.")
    dimensions = request.parameters.output_dimensionality if request.parameters is not None else None
    predictions = []
    for index, instance in enumerate(request.instances):
        if not instance.content:
            raise reject(f"The text content is empty for instance {index}.")
        if instance.title is not None and instance.task_type != "RETRIEVAL_DOCUMENT":
            raise reject("Title is only applicable when the task_type is RETRIEVAL_DOCUMENT.")
        statistics = {"truncated": False, "token_count": count_tokens(instance.content)}
        values = make_vector(instance.content, dimensions or _PREDICTED_DIMENSIONS)
        predictions.append({"embeddings": {"statistics": statistics, "values": values}})
    billed = sum(len(instance.content) for instance in request.instances)
    return build_json({"predictions": predictions, "metadata": {"billableCharacterCount": billed}})


def _embed(request: EmbedRequest) -> tuple[list[float], int]:
    config = request.embed_content_config or request
    texts, tokens = [], 0
    for part in request.content.parts or ():
        if part.text is not None:
            texts.append(part.text)
            tokens += count_tokens(part.text)
        elif part.inline_data is not None:
            texts.append(part.inline_data.data)
            tokens += ATTACHMENT_TOKENS
        elif part.file_data is not None:
            texts.append(part.file_data.file_uri)
            tokens += ATTACHMENT_TOKENS
    if not any(texts):
        raise reject("* EmbedContentRequest.content: content is not specified\n")
    return make_vector("\n".join(texts), config.output_dimensionality or _USUAL_DIMENSIONS), tokens
