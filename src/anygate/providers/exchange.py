"""One request and its answer, sans-IO: bytes in, bytes out, nothing raised, whatever the bytes."""

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Literal

from anygate.providers.conversion import Conversion, StreamPipe, wrap_foreign, write_error
from anygate.providers.conversions import find_conversion
from anygate.providers.formats import Backend, ClientFormat
from anygate.providers.framing import Decompressor, FramingFault
from anygate.providers.losses import Loss
from anygate.providers.refusal import ErrorReply, Refused
from anygate.providers.setting import Headers, Refusal, Setting, Upstream
from anygate.providers.usage import Usage

ANSWER_LIMIT = 64 * 1024 * 1024
FailKind = Literal["closed", "reset", "timeout", "connect"]
FAILURES: dict[FailKind, ErrorReply] = {
    "closed": ErrorReply(502, "the provider closed the connection before its answer was complete", kind="api_error"),
    "reset": ErrorReply(502, "the connection to the provider was reset", kind="api_error"),
    "timeout": ErrorReply(504, "the provider did not answer in time", kind="timeout_error"),
    "connect": ErrorReply(503, "the provider could not be reached", kind="api_error"),
}
# Hop-by-hop fields, credentials (Envoy adds the backend's own), and what describes the client's own body or library.
_NOT_FORWARDED = frozenset(
    {
        *(
            "connection",
            "keep-alive",
            "proxy-authenticate",
            "proxy-authorization",
            "te",
            "trailer",
            "transfer-encoding",
        ),
        *(
            "upgrade",
            "host",
            "content-length",
            "content-type",
            "content-encoding",
            "accept-encoding",
            "accept",
            "expect",
        ),
        *("authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "origin", "referer"),
        *("anthropic-version", "anthropic-beta", "anthropic-dangerous-direct-browser-access"),
        *("openai-organization", "openai-project", "openai-beta", "user-agent"),
    }
)
_PRIVATE = (":", "x-stainless-", "x-ai-eg-")
_NOT_RETURNED = frozenset(
    {
        *("content-length", "content-encoding", "content-type", "transfer-encoding", "connection", "keep-alive"),
        *("trailer", "upgrade", "set-cookie", "alt-svc", "etag", "digest", "content-md5", "accept-ranges"),
    }
)
_STREAM_TYPES = ("text/event-stream", "application/vnd.amazon.eventstream")


class Exchange:
    """One request from a client in one format to a backend in another.

    Call `convert_request`; send what it returns; then `start_response`, `feed` for every chunk and `finish`, or
    `fail` when the upstream dies. While `buffered` is true nothing may go to the client before `finish` or `fail`:
    only they settle `status` and `response_headers`, because an answer that cannot be read becomes a 502. `counted`
    makes streams tell their usage also to clients that do not want to know.
    """

    def __init__(
        self,
        client: ClientFormat,
        backend: Backend,
        path: str = "",
        headers: Mapping[str, str] | None = None,
        *,
        lowered: bool = False,
        counted: bool = False,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self.path = path
        self.status = 0
        self.response_headers: Headers = []
        self.buffered = True
        self._headers = (
            headers if lowered and headers else {name.lower(): value for name, value in (headers or {}).items()}
        )
        self._setting = Setting(client, backend, self._headers, int(clock()), lambda prefix: prefix + new_id())
        self._setting.counted = counted
        factory = find_conversion(client, backend.format, chat_only=backend.chat_only)
        self._conversion: Conversion | None = factory(self._setting) if factory else None
        self._stream_asked = False
        self._pipe: StreamPipe | None = None
        self._decompressor: Decompressor | None = None
        self._held: list[bytes] = []
        self._held_size = 0
        self._over: ErrorReply | None = None
        self._done = False

    @property
    def usage(self) -> Usage:
        """What the provider reported so far; `usage.known` says whether it did."""
        return self._setting.usage

    @property
    def response_model(self) -> str:
        """The model as the backend named it, or as it was asked for."""
        return self._setting.model

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What could not be carried, in both directions so far."""
        return self._setting.losses.listed()

    @property
    def is_over(self) -> bool:
        """Whether nothing that the backend still sends can matter."""
        return self._over is not None

    def convert_request(self, body: bytes) -> Upstream | Refusal:
        """The request for the backend, or the answer for the client when there is none."""
        setting = self._setting
        if self._conversion is None:
            client, backend = setting.client.value, setting.backend.format.value
            return self.refuse(422, f"the backend schema {backend} cannot serve {client} requests")
        try:
            upstream = self._conversion.convert_request(body)
        except Refused as refused:
            return self._refuse(refused.reply)
        self._stream_asked = upstream.stream
        headers = [
            (name, value)
            for name, value in self._headers.items()
            if name not in _NOT_FORWARDED and not name.startswith(_PRIVATE)
        ]
        accept = "text/event-stream" if upstream.stream else "application/json"
        headers.append(("accept", accept))
        headers += upstream.headers
        losses = setting.losses.listed()
        return Upstream(upstream.method, upstream.path, headers, upstream.body, upstream.stream, losses)

    def refuse(self, status: int, message: str) -> Refusal:
        """A local error of the adapter (unknown model, too large a body) in the client's format."""
        return self._refuse(ErrorReply(status, message))

    def start_response(self, status: int, headers: Headers) -> tuple[int, Headers]:
        """Status and headers for the client; settled at once only for a stream (see `buffered`)."""
        known = {name.lower(): value for name, value in headers}
        self._setting.answer_headers = known
        self.status = status
        encoding = known.get("content-encoding")
        if encoding and encoding.strip().lower() not in ("", "identity"):
            try:
                self._decompressor = Decompressor(encoding)
            except FramingFault as fault:
                self._over = ErrorReply(502, str(fault), kind="api_error")
        streamed = self._stream_asked and 200 <= status < 300 and _is_stream(known.get("content-type", ""))
        kept = [(name, value) for name, value in headers if name.lower() not in _NOT_RETURNED]
        if streamed and self._conversion is not None and self._over is None:
            self._pipe = self._conversion.open_stream()
            self.buffered = False
            kept += [("content-type", "text/event-stream"), ("cache-control", "no-cache")]
        else:
            kept.append(("content-type", "application/json"))
        self.response_headers = kept
        return status, kept

    def feed(self, chunk: bytes) -> bytes:
        """Client bytes for upstream bytes; empty while the answer is buffered."""
        if self._done or self._over is not None:
            return b""
        if self._decompressor is not None:
            try:
                chunk = self._decompressor.feed(chunk)
            except FramingFault as fault:
                self._over = ErrorReply(502, str(fault), kind="api_error")
                return self._pipe.fail(self._over) if self._pipe is not None else b""
        if self._pipe is not None:
            return self._pipe.feed(chunk)
        self._held_size += len(chunk)
        if self._held_size > ANSWER_LIMIT:
            self._over = ErrorReply(502, f"the provider's answer is larger than {ANSWER_LIMIT} bytes", kind="api_error")
            self._held.clear()
        else:
            self._held.append(chunk)
        return b""

    def finish(self) -> bytes:
        """The last client bytes, the whole body when it was buffered."""
        if self._done:
            return b""
        self._done = True
        if self._pipe is not None:
            return self._pipe.finish()
        body = b"".join(self._held)
        self._held.clear()
        if self._over is not None:
            return self._settle(self._over)
        if self._conversion is None:
            return body
        if not 200 <= self.status < 300:
            return self._finish_error(self._conversion, body)
        try:
            return self._conversion.convert_answer(body)
        except Refused as refused:
            return self._settle(refused.reply)

    def fail(self, kind: FailKind) -> bytes:
        """The upstream died: a well-formed end of the stream, or a whole error body when nothing was sent yet."""
        if self._done:
            return b""
        self._done = True
        self._held.clear()
        error = FAILURES[kind]
        return self._pipe.fail(error) if self._pipe is not None else self._settle(error)

    def _finish_error(self, conversion: Conversion, body: bytes) -> bytes:
        """The status stays, the body takes the client's shape (spec C5)."""
        if conversion.relays_error(self.status, body):
            return body
        error = conversion.read_error(self.status, body)
        if error is None:
            error = wrap_foreign(self._setting.backend.format, self.status, body)
        return write_error(self._setting.client, error)

    def _settle(self, error: ErrorReply) -> bytes:
        self.status = error.status
        if not self.response_headers:
            self.response_headers = [("content-type", "application/json")]
        return write_error(self._setting.client, error)

    def _refuse(self, error: ErrorReply) -> Refusal:
        body = write_error(self._setting.client, error)
        return Refusal(error.status, [("content-type", "application/json")], body)


def _is_stream(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind in _STREAM_TYPES or not kind
