"""The way in: one connection from Envoy, with one request after the other."""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools

from anygate.adapter.call import Call
from anygate.adapter.heads import CONTINUE, render_answer
from anygate.adapter.incoming import KNOWN_NAMES, Incoming
from anygate.adapter.route import Unroutable, write_local_error

if TYPE_CHECKING:
    from anygate.adapter.worker import Worker

WRITE_LIMIT = 64 * 1024
HEAD_LIMIT = 1024 * 1024
_JOIN_LIMIT = 64 * 1024
_LINGER_BYTES = 256 * 1024 * 1024
_LINGER_SECONDS = 5.0
_JSON = ("content-type", "application/json")


class ClientConnection(asyncio.Protocol):
    """Reads requests, which wait for their turn when they are pipelined, and writes answers."""

    __slots__ = (
        "_call",
        "_closing",
        "_head_size",
        "_in_head",
        "_incoming",
        "_limit",
        "_lingering",
        "_parser",
        "_paused",
        "_pumping",
        "_transport",
        "_waiting",
        "_worker",
        "is_blocked",
    )

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self._parser = httptools.HttpRequestParser(self)
        self._incoming: Incoming | None = None
        self._waiting: deque[Incoming] = deque()
        self._call: Call | None = None
        self._pumping = False
        self._paused = False
        self._closing = False
        self._lingering = -1
        self._limit: asyncio.TimerHandle | None = None
        self._head_size = 0
        self._in_head = True
        self.is_blocked = False

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(WRITE_LIMIT)
        self._worker.clients.add(self)

    def data_received(self, data: bytes) -> None:
        """Read requests."""
        if self._closing:
            self._drop_unread(data)
            return
        if self._in_head:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._reject(400, "the connection cannot change its protocol")
            return
        except httptools.HttpParserError:
            self._reject(400, "the request is not HTTP/1.1")
            return
        if self._head_size > HEAD_LIMIT:
            self._reject(431, "the request's headers are too large")
        elif self._waiting or (self._incoming is not None and self._incoming.refused):
            self._pump()

    def pause_writing(self) -> None:
        """The client falls behind: read no more from the provider."""
        self.is_blocked = True

    def resume_writing(self) -> None:
        """Go on."""
        self.is_blocked = False
        if self._call is not None:
            self._call.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._closing = True
        if self._limit is not None:
            self._limit.cancel()  # it would keep this object until then
        del self._parser  # it holds this object: without the cycle both go at once, not when garbage is collected
        self._worker.forget(self)
        self._waiting.clear()
        self._incoming = None
        call, self._call = self._call, None
        if call is not None:
            call.abandon()

    # Called by the parser.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._incoming = Incoming()

    def on_url(self, url: bytes) -> None:
        """Its target; it may come in pieces."""
        if self._incoming is not None:
            self._incoming.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; nearly all of them are known and come once."""
        incoming = self._incoming
        if incoming is None:
            return
        known = KNOWN_NAMES.get(name)
        if known and known not in incoming.headers:
            incoming.headers[known] = value.decode("latin-1")
        else:
            incoming.add_header(name, value)

    def on_headers_complete(self) -> None:
        """Everything but the body."""
        incoming, parser = self._incoming, self._parser
        self._head_size = 0
        self._in_head = False
        if incoming is None:
            return
        incoming.method = parser.get_method()
        incoming.version = parser.get_http_version()
        incoming.keep_alive = parser.should_keep_alive()
        headers = incoming.headers
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self._worker.limit:
            incoming.refused = 413
        elif "expect" in headers and headers.pop("expect").lower() == "100-continue" and self._call is None:
            self._transport.write(CONTINUE)

    def on_body(self, body: bytes) -> None:
        """Bytes of the body, as many as are allowed."""
        incoming = self._incoming
        if incoming is None or incoming.refused:
            return
        incoming.size += len(body)
        if incoming.size > self._worker.limit:
            incoming.refused = 413
            incoming.parts = []
        else:
            incoming.parts.append(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        incoming, self._incoming = self._incoming, None
        self._in_head = True
        if incoming is not None:
            incoming.complete = True
            self._waiting.append(incoming)

    # Called by calls.

    def write(self, chunk: bytes) -> None:
        """Send bytes; `is_blocked` turns true when the client falls behind."""
        if not self._closing:
            self._transport.write(chunk)

    def write_all(self, head: bytes, body: bytes) -> None:
        """Send a whole answer; a small one in one piece."""
        if len(body) < _JOIN_LIMIT:
            self.write(head + body)
        else:
            self.write(head)
            self.write(body)

    def write_error(self, status: int, body: bytes, keep_alive: bool, allow: str = "") -> None:
        """Send a whole error."""
        headers = [_JSON, ("allow", allow)] if allow else [_JSON]
        framing = f"content-length: {len(body)}\r\n"
        if not keep_alive or self._worker.is_draining:
            framing += "connection: close\r\n"
        self.write_all(render_answer(status, headers, framing), body)

    def end_call(self, keep_alive: bool) -> None:
        """The answer is written."""
        self._call = None
        if not keep_alive or self._worker.is_draining:
            self._close()
        elif not self._pumping:
            self._pump()

    def abort(self) -> None:
        """Break the connection: the answer on it has no good end."""
        self._closing = True
        self._call = None
        self._transport.abort()

    def drain(self) -> None:
        """Take no further request."""
        if self._call is None and self._incoming is None and not self._waiting:
            self._close()

    def _pump(self) -> None:
        """Take up requests as long as they are answered at once; a loop, so that pipelining cannot recurse."""
        self._pumping = True
        try:
            while self._call is None and not self._closing:
                if self._waiting:
                    self._take_up(self._waiting.popleft())
                elif self._incoming is not None and self._incoming.refused:
                    self._take_up(self._incoming)
                else:
                    break
        finally:
            self._pumping = False
        if self._waiting and not self._paused and not self._closing:
            self._paused = True
            self._transport.pause_reading()
        elif self._paused and not self._waiting and not self._closing:
            self._paused = False
            self._transport.resume_reading()

    def _take_up(self, incoming: Incoming) -> None:
        if incoming.refused:
            self._refuse(incoming, incoming.refused, f"the request is larger than {self._worker.limit} bytes")
        elif incoming.method == b"GET" and incoming.target == b"/metrics" and not incoming.order:
            text = self._worker.tally.render()
            framing = f"content-length: {len(text)}\r\n"
            self.write(render_answer(200, [("content-type", "text/plain; version=0.0.4")], framing) + text)
            self.end_call(incoming.keep_alive)
        elif incoming.method != b"POST":
            self._refuse(incoming, 405, "only POST is served here")
        else:
            try:
                route = self._worker.routes.find(incoming.endpoint, incoming.order)
            except Unroutable as problem:
                self._refuse(incoming, 400, str(problem))
                return
            call = self._call = Call(self._worker, self, incoming, route)
            call.start(incoming.take_body())

    def _refuse(self, incoming: Incoming, status: int, message: str) -> None:
        """Answer without a call; a request that is not read to its end cannot be followed by another."""
        keep_alive = incoming.keep_alive and incoming.complete
        body = write_local_error(incoming.endpoint, status, message)
        self._worker.tally.count_refusal(incoming.endpoint.decode("latin-1")[:40] or "unknown", status)
        if incoming.method == b"HEAD":
            framing = f"content-length: {len(body)}\r\n"
            self.write(render_answer(status, [_JSON], framing))
        else:
            self.write_error(status, body, keep_alive, allow="POST" if status == 405 else "")
        if keep_alive:
            self.end_call(keep_alive)
        elif incoming.complete:
            self._close()
        else:
            self._linger()

    def _reject(self, status: int, message: str) -> None:
        """Answer what is no request; not in the middle of another answer."""
        self._waiting.clear()
        if self._call is not None:
            call, self._call = self._call, None
            call.abandon()
            self.abort()
            return
        endpoint = self._incoming.endpoint if self._incoming is not None else b""
        self._worker.tally.count_refusal("unknown", status)
        self.write_error(status, write_local_error(endpoint, status, message), keep_alive=False)
        self._linger()

    def _linger(self) -> None:
        """Read on for a while before closing: a close with unread bytes could take the answer away from the client."""
        self._closing = True
        self._lingering = 0
        self._incoming = None
        self._limit = self._worker.loop.call_later(_LINGER_SECONDS, self._transport.abort)
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _drop_unread(self, data: bytes) -> None:
        if self._lingering >= 0:
            self._lingering += len(data)
            if self._lingering > _LINGER_BYTES:
                self._transport.abort()

    def _close(self) -> None:
        self._closing = True
        self._transport.close()
