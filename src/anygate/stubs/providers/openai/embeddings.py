"""Embeddings: https://platform.openai.com/docs/api-reference/embeddings."""

import base64
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.fields import Fields, read_fields
from anygate.stubs.providers.openai.chat import refuse_unknown_model
from anygate.stubs.providers.openai.completions import list_inputs
from anygate.stubs.providers.openai.errors import reject
from anygate.stubs.providers.outcome import Outcome, build_json
from anygate.stubs.providers.tokens import count_tokens
from anygate.stubs.providers.vectors import make_vector, pack_vector

_USUAL_DIMENSIONS = 1536


class EmbeddingRequest(Fields):
    """The body of `/embeddings`."""

    input: str | Annotated[list[str | int | list[int]], Meta(min_length=1, max_length=2048)]
    model: str
    dimensions: Annotated[int, Meta(ge=1, le=3072)] | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None


_DECODER = msgspec.json.Decoder(EmbeddingRequest)


def answer_embedding(call: Call, deployment: str | None = None) -> Outcome:
    """Answer `/embeddings`: a unit vector for every input, the same for the same text."""
    request = read_fields(call.body, _DECODER)
    request.model = deployment or request.model
    refuse_unknown_model(request.model)
    if request.dimensions is not None and request.model.startswith("text-embedding-ada"):
        raise reject("This model does not support specifying dimensions.", "dimensions")
    inputs = list_inputs(request.input)
    if "" in inputs:
        raise reject("Invalid 'input': input cannot be an empty string.", "input")
    embeddings = []
    for index, text in enumerate(inputs):
        vector = make_vector(text, request.dimensions or _USUAL_DIMENSIONS)
        is_packed = request.encoding_format == "base64"
        shown = base64.b64encode(pack_vector(vector)).decode() if is_packed else vector
        embeddings.append({"object": "embedding", "index": index, "embedding": shown})
    tokens = sum(map(count_tokens, inputs))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return build_json({"object": "list", "data": embeddings, "model": request.model, "usage": usage})
