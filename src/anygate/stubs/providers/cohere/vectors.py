"""Rerank and embed: https://docs.cohere.com/reference/rerank and https://docs.cohere.com/reference/embed."""

import base64
from typing import Any

import msgspec

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.cohere.errors import refuse_unknown_model, reject
from anygate.stubs.providers.cohere.fields import EMBED, RERANK, EmbedRequest
from anygate.stubs.providers.fields import read_fields
from anygate.stubs.providers.outcome import Json, Outcome, build_json
from anygate.stubs.providers.tokens import count_tokens
from anygate.stubs.providers.vectors import make_vector, pack_vector

_USUAL_DIMENSIONS = 1536
_API = {"version": "2"}


def answer_rerank(call: Call) -> Outcome:
    """Answer `/v2/rerank`: the score is the share of the query's words that a document holds."""
    request = read_fields(call.body, RERANK)
    refuse_unknown_model(request.model)
    if not request.query.strip():
        raise reject("invalid request: query must not be empty or be only whitespace")
    words = set(request.query.lower().split())
    scores = []
    for index, document in enumerate(request.documents):
        text = document if isinstance(document, str) else msgspec.json.encode(document).decode()
        held = words & set(text.lower().split())
        scores.append((-round(0.05 + 0.9 * len(held) / len(words), 6), index))
    kept = sorted(scores)[: request.top_n or len(scores)]
    results = [{"index": index, "relevance_score": -score} for score, index in kept]
    meta = {"api_version": _API, "billed_units": {"search_units": 1}}
    return build_json({"id": call.name("", 32), "results": results, "meta": meta})


def answer_embed(call: Call) -> Outcome:
    """Answer `/v2/embed`: a vector for each text, image or input, in each of the types asked for."""
    request = read_fields(call.body, EMBED)
    refuse_unknown_model(request.model)
    given = [each for each in (request.texts, request.images, request.inputs) if each is not None]
    if len(given) != 1 or not given[0]:
        raise reject("invalid request: exactly one of texts, images or inputs must be provided")
    texts = [_spell(each) for each in given[0]]
    vectors = [make_vector(text, request.output_dimension or _USUAL_DIMENSIONS) for text in texts]
    kinds = request.embedding_types or ["float"]
    answer: Json = {
        "id": call.name("", 32),
        "embeddings": {kind: [_convert(vector, kind) for vector in vectors] for kind in kinds},
        "texts": request.texts or [],
        "meta": {"api_version": _API, "billed_units": _bill(request, texts)},
        "response_type": "embeddings_by_type",
    }
    return build_json(answer)


def _spell(given: str | dict[str, Any]) -> str:
    return given if isinstance(given, str) else msgspec.json.encode(given).decode()


def _bill(request: EmbedRequest, texts: list[str]) -> Json:
    if request.images is not None:
        return {"images": len(request.images)}
    return {"input_tokens": sum(map(count_tokens, texts))}


def _convert(vector: list[float], kind: str) -> Any:
    match kind:
        case "int8":
            return [max(-128, min(127, round(value * 127))) for value in vector]
        case "uint8":
            return [max(0, min(255, round(value * 127) + 128)) for value in vector]
        case "binary" | "ubinary":
            packed = [
                sum((value > 0) << (7 - bit) for bit, value in enumerate(vector[start : start + 8]))
                for start in range(0, len(vector), 8)
            ]
            return [value - 128 for value in packed] if kind == "binary" else packed
        case "base64":
            return base64.b64encode(pack_vector(vector)).decode()
        case _:
            return vector
