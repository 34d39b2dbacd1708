"""Where a backend that speaks its clients' own format serves them, so that Envoy can connect both by itself."""

from typing import TYPE_CHECKING, NamedTuple

from anygate.providers.endpoints import anthropic_path, cohere_path, openai_path, unconverted_path
from anygate.providers.formats import Backend, BackendFormat, ClientFormat
from anygate.providers.paths import CLIENT_FORMATS, MULTIPART
from anygate.providers.relay import keeps_body_model

if TYPE_CHECKING:
    from anygate.model.inference import ModelEndpoint

_MODEL = "~model~"
_OPENAI = (BackendFormat.OPENAI, BackendFormat.AZURE_OPENAI, BackendFormat.AWS_OPENAI)


class NativePath(NamedTuple):
    """The path of an endpoint; where `after` is not empty the model stands in between, as one segment."""

    before: str
    after: str = ""


def native_path(backend: Backend, endpoint: "ModelEndpoint") -> NativePath | None:
    """The path at which a backend serves an endpoint in the client's own format; None when it does not."""
    path = _path(backend, endpoint)
    if path is None:
        return None
    before, found, after = path.partition(_MODEL)
    return NativePath(before, after) if found else NativePath(path)


def rewrites_model(backend: Backend, endpoint: "ModelEndpoint") -> bool:
    """Whether an override of the model shows in the body; forms cannot be edited in passing."""
    return endpoint not in MULTIPART and not keeps_body_model(backend.format, CLIENT_FORMATS.get(endpoint))


def _path(backend: Backend, endpoint: "ModelEndpoint") -> str | None:
    client = CLIENT_FORMATS.get(endpoint)
    if client is None:
        return unconverted_path(backend, endpoint, _MODEL)
    if client.is_anthropic:
        if backend.format is not BackendFormat.ANTHROPIC:
            return None
        path = anthropic_path(backend, _MODEL, stream=False)
        return f"{path}/count_tokens" if client is ClientFormat.COUNT_TOKENS else path
    if client is ClientFormat.RERANK:
        return cohere_path(backend, "rerank") if backend.format is BackendFormat.COHERE else None
    return openai_path(backend, client, _MODEL) if backend.format in _OPENAI else None
