"""Upstream paths per backend format."""

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from anygate.providers.formats import Backend, BackendFormat, ClientFormat
from anygate.providers.refusal import not_expressible

if TYPE_CHECKING:  # the adapter starts in half the time without the model
    from anygate.model.inference import ModelEndpoint

SEGMENT_MARKS = ":$&+=@"
"""What stands in a path segment as it is, besides letters, digits and `_.-~`."""

_OPENAI = {
    ClientFormat.CHAT: "chat/completions",
    ClientFormat.RESPONSES: "responses",
    ClientFormat.RESPONSES_INPUT_TOKENS: "responses/input_tokens",
    ClientFormat.COMPLETIONS: "completions",
    ClientFormat.EMBEDDINGS: "embeddings",
}
_UNCONVERTED: "dict[ModelEndpoint, str]" = {
    "images": "images/generations",
    "image_edits": "images/edits",
    "speech": "audio/speech",
    "transcription": "audio/transcriptions",
    "translation": "audio/translations",
}
_DEFAULT_PREFIX = {BackendFormat.AWS_OPENAI: "openai/v1"}


def openai_path(backend: Backend, endpoint: ClientFormat, model: str) -> str:
    """OpenAI and its look-alikes; Azure names the deployment in the path except for responses (spec AZ1, AZ3)."""
    if backend.path:
        return backend.path
    name = _OPENAI[endpoint]
    if backend.format is BackendFormat.AZURE_OPENAI:
        query = "?" + urlencode({"api-version": backend.version}) if backend.version else ""
        if endpoint in (ClientFormat.RESPONSES, ClientFormat.RESPONSES_INPUT_TOKENS):
            return f"/openai/{name}{query}"
        return f"/openai/deployments/{escape_segment(model)}/{name}{query}"
    prefix = backend.prefix.strip("/") or _DEFAULT_PREFIX.get(backend.format, "v1")
    return f"/{prefix}/{name}"


def unconverted_path(backend: Backend, endpoint: "ModelEndpoint", model: str) -> str | None:
    """OpenAI's endpoints that no other vendor's format reaches; None where the backend lacks one."""
    if backend.format is BackendFormat.OPENAI and endpoint == "tokenize":
        return "/tokenize"
    name = _UNCONVERTED.get(endpoint)
    if name is None or backend.format not in (BackendFormat.OPENAI, BackendFormat.AZURE_OPENAI):
        return None
    if backend.format is BackendFormat.AZURE_OPENAI:
        query = "?" + urlencode({"api-version": backend.version}) if backend.version else ""
        return f"/openai/deployments/{escape_segment(model)}/{name}{query}"
    return f"/{backend.prefix.strip('/') or 'v1'}/{name}"


def anthropic_path(backend: Backend, model: str, stream: bool) -> str:
    """Claude at Anthropic, on Bedrock InvokeModel and on Vertex rawPredict (spec OA1, AA1-AA3)."""
    if backend.path:
        return backend.path
    if backend.format is BackendFormat.AWS_ANTHROPIC:
        return f"/model/{escape_segment(model)}/" + ("invoke-with-response-stream" if stream else "invoke")
    if backend.format is BackendFormat.GCP_ANTHROPIC:
        action = "streamRawPredict" if stream else "rawPredict"
        return f"{vertex_root(backend)}/publishers/anthropic/models/{escape_segment(model)}:{action}"
    return f"/{backend.prefix.strip('/') or 'v1'}/messages"


def vertex_count_path(backend: Backend) -> str:
    """Where Vertex counts for Claude; the model stands in the body (spec TC1)."""
    return f"{vertex_root(backend)}/publishers/anthropic/models/count-tokens:rawPredict"


def bedrock_path(model: str, action: str) -> str:
    """Amazon Bedrock Runtime: `/model/{modelId}/{action}`."""
    return f"/model/{escape_segment(model)}/{action}"


def gemini_path(backend: Backend, model: str, action: str) -> str:
    """Gemini on Vertex AI or in AI Studio; AI Studio also accepts the `models/` form of a name."""
    query = "?alt=sse" if action == "streamGenerateContent" else ""
    if backend.format is BackendFormat.GCP_VERTEX_AI:
        return f"{vertex_root(backend)}/publishers/google/models/{escape_segment(model)}:{action}{query}"
    root = backend.prefix.strip("/") or backend.version or "v1beta"
    return f"/{root}/models/{escape_segment(model.removeprefix('models/'))}:{action}{query}"


def cohere_path(backend: Backend, endpoint: str) -> str:
    """Cohere: `/{version}/{endpoint}`, v2 unless told otherwise."""
    return f"/{backend.version or 'v2'}/{endpoint}"


def vertex_root(backend: Backend) -> str:
    """`/v1/projects/{project}/locations/{region}`, or `/v1` for Vertex in express mode, which has neither."""
    if not backend.project or not backend.region:
        return "/v1"
    return f"/v1/projects/{escape_segment(backend.project)}/locations/{escape_segment(backend.region)}"


def escape_segment(name: str) -> str:
    """A model id as one path segment; Bedrock's ARNs hold slashes, and dots alone would climb."""
    if name in ("", ".", ".."):
        raise not_expressible("model", "the model name cannot stand in a path")
    return quote(name, safe=SEGMENT_MARKS)
