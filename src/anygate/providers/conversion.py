"""The shape of every conversion: a request out, an answer or a stream back, errors in the client's format."""

from abc import ABC, abstractmethod

import msgspec

from anygate.providers.anthropic import errors as anthropic_errors
from anygate.providers.cohere import read_answer as cohere_answers
from anygate.providers.formats import BackendFormat, ClientFormat
from anygate.providers.openai_chat import errors as openai_errors
from anygate.providers.refusal import ErrorReply, shorten
from anygate.providers.setting import Setting, Upstream

_LABELS = {
    BackendFormat.AWS_BEDROCK: "AWSBedrock",
    BackendFormat.AWS_ANTHROPIC: "AWSBedrock",
    BackendFormat.AWS_OPENAI: "AWSBedrock",
    BackendFormat.GCP_VERTEX_AI: "GCPVertexAI",
    BackendFormat.GCP_ANTHROPIC: "GCP",
    BackendFormat.AZURE_OPENAI: "OpenAI",
}


class StreamPipe(ABC):
    """A stream on its way: upstream bytes in, client bytes out."""

    @abstractmethod
    def feed(self, chunk: bytes) -> bytes:
        """What the client gets for these bytes."""

    @abstractmethod
    def finish(self) -> bytes:
        """What the client still gets now that the upstream has closed."""

    @abstractmethod
    def fail(self, error: ErrorReply) -> bytes:
        """How the client's stream ends when the upstream died."""


class Conversion(ABC):
    """One request from one client format to one backend format."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    @abstractmethod
    def convert_request(self, body: bytes) -> Upstream:
        """The request for the backend; raises Refused."""

    @abstractmethod
    def convert_answer(self, body: bytes) -> bytes:
        """A whole successful answer for the client; raises Refused."""

    @abstractmethod
    def open_stream(self) -> StreamPipe:
        """The pipe for a successful streamed answer."""

    @abstractmethod
    def read_error(self, status: int, body: bytes) -> ErrorReply | None:
        """The backend's own error, or None when the body is not in its format."""

    def relays_error(self, status: int, body: bytes) -> bool:
        """Whether the backend's error is already in the client's format."""
        return False


class ModelOnly(msgspec.Struct):
    """The two top-level fields that a passthrough reads from a request."""

    model: str
    stream: bool | None = None


def write_error(client: ClientFormat, error: ErrorReply) -> bytes:
    """An error body in the client's format."""
    if client.is_anthropic:
        return anthropic_errors.write_error(error)
    if client is ClientFormat.RERANK:
        return cohere_answers.write_error(error)
    return openai_errors.write_error(error)


def wrap_foreign(backend: BackendFormat, status: int, body: bytes) -> ErrorReply:
    """An error page that is no JSON of the backend's format (spec C5)."""
    label = _LABELS.get(backend, backend.value)
    text = body.decode("utf-8", "replace").strip()
    return ErrorReply(
        status, shorten(text) or f"the provider answered with status {status}", kind=f"{label}BackendError"
    )
