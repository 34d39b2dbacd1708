"""Embeddings between OpenAI's format and the backends'."""

import struct
from base64 import b64encode
from typing import Any

import msgspec

from anygate.providers import endpoints
from anygate.providers.bedrock import read_answer as bedrock
from anygate.providers.cohere import read_answer as cohere
from anygate.providers.conversion import Conversion, StreamPipe
from anygate.providers.embeddings.request import EmbeddingRequest, read_request
from anygate.providers.formats import BackendFormat
from anygate.providers.gemini import read_answer as gemini
from anygate.providers.json_text import parse_answer, parse_request, render
from anygate.providers.openai_chat.read_messages import strip_values
from anygate.providers.refusal import ErrorReply, bad_answer, not_expressible
from anygate.providers.setting import Setting, Upstream
from anygate.providers.usage import Usage

_JSON = [("content-type", "application/json")]
_EMBED_CONTENT = "gemini-embedding-"


class _Values(msgspec.Struct):
    values: list[float] = []
    statistics: dict[str, Any] | None = None


class _Prediction(msgspec.Struct):
    embeddings: _Values = msgspec.field(default_factory=_Values)


class _Floats(msgspec.Struct):
    vectors: list[list[float]] | None = msgspec.field(name="float", default=None)


class _EmbeddingShape(msgspec.Struct):
    """All backends' answers in one: their fields do not collide but for `embeddings`."""

    embedding: list[float] | _Values | None = None
    embeddings: list[_Values] | _Floats | None = None
    predictions: list[_Prediction] | None = None
    inputTextTokenCount: int | None = None  # noqa: N815
    usageMetadata: dict[str, Any] | None = None  # noqa: N815
    meta: dict[str, Any] | None = None


_SHAPE = msgspec.json.Decoder(_EmbeddingShape)


class EmbeddingConversion(Conversion):
    """One embeddings request."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._as_base64 = False

    def convert_request(self, body: bytes) -> Upstream:
        """The backend's own embeddings call."""
        setting = self.setting
        request = read_request(parse_request(body), setting.losses)
        model = setting.choose_model(request.model)
        self._as_base64 = request.as_base64
        kind = setting.backend.format
        if kind is BackendFormat.AWS_BEDROCK:
            path, written = endpoints.bedrock_path(model, "invoke"), self._write_titan(request)
        elif kind is BackendFormat.COHERE:
            path, written = endpoints.cohere_path(setting.backend, "embed"), self._write_cohere(request, model)
        elif kind is BackendFormat.GEMINI:
            path = endpoints.gemini_path(setting.backend, model, "batchEmbedContents")
            written = self._write_batch(request, model)
        elif model.startswith(_EMBED_CONTENT) and model != "gemini-embedding-001":
            path = endpoints.gemini_path(setting.backend, model, "embedContent")
            written = self._write_content(request)
        else:
            path = endpoints.gemini_path(setting.backend, model, "predict")
            written = self._write_predict(request)
        return Upstream("POST", path, list(_JSON), render(written), False)

    def _report_extras(self, request: EmbeddingRequest, *, task: bool) -> None:
        for name, value in (("title", request.title), ("auto_truncate", request.truncate)):
            if value is not None:
                self.setting.losses.add(name, "a setting of Gemini")
        if task and request.task is not None:
            self.setting.losses.add("task_type", "the target has no task types")

    def _write_titan(self, request: EmbeddingRequest) -> dict[str, Any]:
        """Amazon Titan Embeddings: one text per call."""
        if len(request.texts) != 1:
            raise not_expressible("input", "Titan embeds one text per request")
        self._report_extras(request, task=True)
        return strip_values({"inputText": request.texts[0], "dimensions": request.dimensions})

    def _write_cohere(self, request: EmbeddingRequest, model: str) -> dict[str, Any]:
        """Cohere Embed v2, which wants to know what the texts are for."""
        self._report_extras(request, task=False)
        return strip_values(
            {
                "model": model,
                "texts": request.texts,
                "input_type": (request.task or "search_document").lower(),
                "embedding_types": ["float"],
                "output_dimension": request.dimensions,
            }
        )

    def _write_batch(self, request: EmbeddingRequest, model: str) -> dict[str, Any]:
        """AI Studio's batchEmbedContents."""
        if request.truncate is not None:
            self.setting.losses.add("auto_truncate", "a setting of Vertex AI")
        settings = strip_values(
            {"outputDimensionality": request.dimensions, "taskType": request.task, "title": request.title}
        )
        name = model if model.startswith("models/") else f"models/{model}"
        return {
            "requests": [{"model": name, "content": {"parts": [{"text": text}]}, **settings} for text in request.texts]
        }

    def _write_content(self, request: EmbeddingRequest) -> dict[str, Any]:
        """Vertex embedContent: one text per call."""
        if len(request.texts) != 1:
            raise not_expressible("input", "this model embeds one text per request")
        settings = strip_values(
            {
                "outputDimensionality": request.dimensions,
                "autoTruncate": request.truncate,
                "taskType": request.task,
                "title": request.title,
            }
        )
        content = {"content": {"parts": [{"text": request.texts[0]}]}}
        return {**content, "embedContentConfig": settings} if settings else content

    def _write_predict(self, request: EmbeddingRequest) -> dict[str, Any]:
        """Vertex predict; a title only stands with documents."""
        title = request.title if request.task == "RETRIEVAL_DOCUMENT" else None
        if request.title is not None and title is None:
            self.setting.losses.add("title", "a title needs the task type RETRIEVAL_DOCUMENT")
        instances = [
            strip_values({"content": text, "task_type": request.task, "title": title}) for text in request.texts
        ]
        settings = {"outputDimensionality": request.dimensions, "auto_truncate": request.truncate}
        parameters = strip_values(settings)
        return {"instances": instances, "parameters": parameters} if parameters else {"instances": instances}

    def convert_answer(self, body: bytes) -> bytes:
        """OpenAI's list; official clients ask for base64 by default."""
        shape = parse_answer(_SHAPE, body)
        vectors = _read_vectors(shape)
        usage = self.setting.usage
        usage.replace_with(_read_usage(shape))
        count = usage.input or 0
        entries = [
            {"object": "embedding", "index": at, "embedding": self._encode(vector)} for at, vector in enumerate(vectors)
        ]
        return render(
            {
                "object": "list",
                "data": entries,
                "model": self.setting.model,
                "usage": {"prompt_tokens": count, "total_tokens": count},
            }
        )

    def _encode(self, vector: list[float]) -> Any:
        if not self._as_base64:
            return vector
        try:
            return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        except (struct.error, OverflowError):
            raise bad_answer("a number does not fit a 32-bit float") from None

    def open_stream(self) -> StreamPipe:
        """Embeddings do not stream."""
        raise bad_answer("embeddings came as a stream")

    def read_error(self, status: int, body: bytes) -> ErrorReply | None:
        """The backend's error."""
        kind = self.setting.backend.format
        if kind is BackendFormat.AWS_BEDROCK:
            return bedrock.read_error(status, body, self.setting.answer_headers.get("x-amzn-errortype", ""))
        return cohere.read_error(status, body) if kind is BackendFormat.COHERE else gemini.read_error(status, body)


def _read_vectors(shape: _EmbeddingShape) -> list[list[float]]:
    if isinstance(shape.embedding, _Values):
        return [shape.embedding.values]
    if shape.embedding is not None:
        return [shape.embedding]
    if isinstance(shape.embeddings, _Floats):
        return shape.embeddings.vectors or []
    if shape.embeddings is not None:
        return [entry.values for entry in shape.embeddings]
    if shape.predictions is not None:
        return [entry.embeddings.values for entry in shape.predictions]
    raise bad_answer("it has no embeddings")


def _read_usage(shape: _EmbeddingShape) -> Usage:
    count: Any = shape.inputTextTokenCount
    if shape.predictions is not None:
        counts = [(entry.embeddings.statistics or {}).get("token_count") for entry in shape.predictions]
        known = [int(value) for value in counts if isinstance(value, int | float)]
        count = sum(known) if known else None
    elif shape.usageMetadata is not None:
        count = shape.usageMetadata.get("promptTokenCount")
    elif shape.meta is not None:
        billed = shape.meta.get("billed_units")
        count = billed.get("input_tokens") if type(billed) is dict else None
    tokens = int(count) if isinstance(count, int | float) else None
    return Usage(input=tokens, total=tokens)
