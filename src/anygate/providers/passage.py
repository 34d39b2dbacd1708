"""A request whose answer needs no conversion: the backend speaks the client's format, and its answer passes as it is.

Such requests come to the adapter only for what Envoy cannot do to their bodies: edits, and the model in a form.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from anygate.providers import endpoints
from anygate.providers.conversion import write_error
from anygate.providers.edits import BodyEdits
from anygate.providers.exchange import FAILURES, Exchange, FailKind
from anygate.providers.formats import Backend, ClientFormat
from anygate.providers.forms import read_form_model, rewrite_form
from anygate.providers.losses import Loss
from anygate.providers.paths import MULTIPART
from anygate.providers.refusal import ErrorReply, Refused
from anygate.providers.relay import read_model
from anygate.providers.rewrite import rewrite_top_level
from anygate.providers.setting import Headers, Refusal, Upstream
from anygate.providers.stream_ends import end_stream

if TYPE_CHECKING:
    from anygate.model.inference import ModelEndpoint

_HOP = frozenset(("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"))
_REPLACED = _HOP | {"host", "content-length", "expect", "authorization", "x-api-key", "api-key", "x-goog-api-key"}
_EVENT_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")
_EDITS_SKIPPED = Loss("body", "edits of the body only apply to JSON")


class Passage:
    """One request and its answer, used as an `Exchange` is.

    `cut` tells, after `fail`, that the answer had begun and has no well-formed end: the connection must break, as it
    does where Envoy connects client and backend.
    """

    def __init__(
        self,
        endpoint: "ModelEndpoint",
        client: ClientFormat | None,
        backend: Backend,
        headers: Mapping[str, str],
        edits: BodyEdits | None = None,
        *,
        counted: bool = False,
    ) -> None:
        self.status = 0
        self.response_headers: Headers = []
        self.buffered = True
        self.cut = False
        self._endpoint = endpoint
        self._client = client or ClientFormat.CHAT
        self._backend = backend
        self._headers = headers
        self._edits = edits
        self._exchange = Exchange(client, backend, headers=headers, counted=counted) if client is not None else None
        self._relayed = False
        self._is_stream = False
        self._tail = b""
        self._losses: tuple[Loss, ...] = ()

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What could not be carried."""
        return self._losses

    @property
    def is_over(self) -> bool:
        """Whether nothing that the backend still sends can matter."""
        return self._relayed and self._exchange is not None and self._exchange.is_over

    def convert_request(self, body: bytes) -> Upstream | Refusal:
        """The request with another model, path and body where the backend wants them, otherwise byte for byte."""
        try:
            if self._exchange is not None:
                upstream = self._exchange.convert_request(body)
                if isinstance(upstream, Refusal):
                    return upstream
            else:
                upstream = self._write_unconverted(body)
            body = self._edit(upstream.body)
        except Refused as refused:
            return self._refuse(refused.reply)
        headers = {name: value for name, value in self._headers.items() if name not in _REPLACED}
        for name, value in upstream.headers:
            headers.setdefault(name, value)
        return Upstream(upstream.method, upstream.path, list(headers.items()), body, upstream.stream, self._losses)

    def _write_unconverted(self, body: bytes) -> Upstream:
        model = self._backend.model
        if self._endpoint in MULTIPART:
            content_type = self._headers.get("content-type", "")
            named = model or read_form_model(body, content_type)
            if model:
                body = rewrite_form(body, content_type, model)
        else:
            named = read_model(body).model
            if model and model != named:
                body = rewrite_top_level(body, model=model)
            named = model or named
        path = endpoints.unconverted_path(self._backend, self._endpoint, named)
        if path is None:
            kind = self._backend.format.value
            raise Refused(422, f"the backend schema {kind} cannot serve {self._endpoint} requests")
        return Upstream("POST", path, [], body, False)

    def _edit(self, body: bytes) -> bytes:
        if self._edits is None:
            return body
        if self._endpoint in MULTIPART:
            self._losses = (_EDITS_SKIPPED,)
            return body
        return self._edits.apply(body)

    def refuse(self, status: int, message: str) -> Refusal:
        """A local error in the client's format."""
        return self._refuse(ErrorReply(status, message))

    def _refuse(self, error: ErrorReply) -> Refusal:
        return Refusal(error.status, [("content-type", "application/json")], write_error(self._client, error))

    def start_response(self, status: int, headers: Headers) -> tuple[int, Headers]:
        """Status and headers for the client; errors are read whole, so that a page of HTML becomes an error."""
        if status >= 400 and self._exchange is not None:
            self._relayed = True
            self.status, self.response_headers = self._exchange.start_response(status, headers)
            return self.status, self.response_headers
        self.status = status
        self.response_headers = [(name, value) for name, value in headers if name not in _HOP]
        self.buffered = False
        for name, value in headers:
            if name == "content-type":
                self._is_stream = value.startswith("text/event-stream")
        if any(name in ("content-encoding", "content-length") for name, _ in headers):
            self._is_stream = False
        return status, self.response_headers

    def feed(self, chunk: bytes) -> bytes:
        """The same bytes."""
        if self._relayed and self._exchange is not None:
            return self._exchange.feed(chunk)
        if self._is_stream:
            self._tail = (self._tail + chunk)[-4:] if len(chunk) < 4 else chunk[-4:]
        return chunk

    def finish(self) -> bytes:
        """Nothing more, except of an error."""
        if not self._relayed or self._exchange is None:
            return b""
        body = self._exchange.finish()
        self.status, self.response_headers = self._exchange.status, self._exchange.response_headers
        return body

    def fail(self, kind: FailKind) -> bytes:
        """The upstream died: an error, or the stream's own bad end if it stands between two events."""
        error = FAILURES[kind]
        if self.buffered:
            self.status, self.response_headers = error.status, [("content-type", "application/json")]
            return write_error(self._client, error)
        if self._is_stream and (not self._tail or self._tail.endswith(_EVENT_ENDS)):
            return end_stream(self._client, error, 0)
        self.cut = True
        return b""
