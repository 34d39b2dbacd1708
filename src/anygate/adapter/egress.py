"""The way out: connections to Envoy's egress listener, kept and used again."""

import asyncio
from typing import Protocol, cast

import httptools

from anygate.providers.exchange import FailKind
from anygate.providers.setting import Headers

IDLE_LIMIT = 512
_NAMES_LIMIT = 1024
_NAMES: dict[bytes, str] = {}


class Asker(Protocol):
    """Who waits for an answer. Called in the order head, bodies, end; `broken` may come instead of any of them."""

    def on_head(self, status: int, headers: Headers) -> None:
        """Status and headers."""

    def on_body(self, chunk: bytes) -> None:
        """Bytes of the body, those of one read together."""

    def on_end(self) -> None:
        """The answer is complete and the connection no longer the asker's."""

    def on_broken(self, kind: FailKind) -> None:
        """The answer will not come to its end."""


class Connection(asyncio.Protocol):
    """One connection to Envoy, for one request at a time."""

    __slots__ = (
        "_asker",
        "_complete",
        "_ends_with_connection",
        "_fault",
        "_final",
        "_has_length",
        "_headers",
        "_keep_alive",
        "_parser",
        "_paused",
        "_pieces",
        "_pool",
        "_status",
        "_transport",
        "is_answering",
        "is_used",
    )

    def __init__(self, pool: "EgressPool") -> None:
        self._pool = pool
        self._asker: Asker | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: Headers = []
        self._pieces: list[bytes] = []
        self._status = 0
        self._final = False
        self._complete = False
        self._keep_alive = False
        self._fault = False
        self._has_length = False
        self._ends_with_connection = False
        self._paused = False
        self.is_used = False
        self.is_answering = False

    def ask(self, asker: Asker, request: bytes) -> None:
        """Send a request."""
        self._asker = asker
        self.is_answering = False
        self._transport.write(request)

    def drop(self) -> None:
        """Give up the request: the connection goes, so that Envoy resets the stream behind it at once."""
        self._asker = None
        self._transport.abort()

    def pause(self) -> None:
        """Read no more for now."""
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._paused:
            self._paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def close(self) -> None:
        """Close an idle connection."""
        self._transport.close()

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Read an answer; all of one read is handed on in one piece."""
        asker = self._asker
        if asker is None:  # an answer that nobody asked for: what follows could be taken for the next one's
            self._transport.abort()
            return
        self.is_answering = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fault = True
        if self._final:
            self._final = False
            headers, self._headers = self._headers, []
            asker.on_head(self._status, headers)
        pieces = self._pieces
        if pieces and self._asker is asker:
            self._pieces = []
            asker.on_body(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if self._asker is not asker:  # it gave up meanwhile
            return
        if self._complete:
            self._release(asker)
        elif self._fault:
            self.drop()
            asker.on_broken("closed")

    def connection_lost(self, exc: Exception | None) -> None:
        """The request in progress fails, unless the end of the connection is the end of its answer."""
        self._pool.forget(self)
        del self._parser  # it holds this object
        asker, self._asker = self._asker, None
        if asker is None:
            return
        if self._ends_with_connection and exc is None and not self._fault:
            asker.on_end()
        else:
            asker.on_broken("closed" if exc is None else "reset")

    def _release(self, asker: Asker) -> None:
        self._asker = None
        # A request that is not wholly sent when its answer ends would become the beginning of the next one.
        is_clean = not self._fault and self._keep_alive and not self._transport.get_write_buffer_size()
        self._complete = False
        self.resume()
        if is_clean:
            self.is_used = True
            self._pool.keep(self)
        else:
            self._transport.abort()
        asker.on_end()

    # Called by the parser.

    def on_message_begin(self) -> None:
        """A second answer in one read is a fault of the other side."""
        if self._complete:
            self._fault = True
        self._headers = []
        self._has_length = False
        self._ends_with_connection = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header; Envoy's own are not the client's business."""
        known = _NAMES.get(name)
        if known is None:
            known = _learn(name)
        if known == "content-length" or known == "transfer-encoding":
            self._has_length = True
        if known:
            self._headers.append((known, value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Status and headers are there; an interim answer (1xx) is not passed on."""
        status = self._parser.get_status_code()
        if self._complete:
            return
        if status >= 200:
            self._status = status
            self._final = True
            self._ends_with_connection = not self._has_length and status not in (204, 304)
        elif status == 101:
            self._fault = True

    def on_body(self, body: bytes) -> None:
        """Collect bytes."""
        if not self._complete:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole, if it is not an interim one."""
        parser = self._parser
        if parser.get_status_code() >= 200:
            self._complete = True
            self._keep_alive = parser.should_keep_alive()  # forgotten once the parser has returned


def _learn(raw: bytes) -> str:
    name = raw.decode("latin-1").lower()
    if name.startswith("x-envoy-"):
        name = ""
    if len(_NAMES) < _NAMES_LIMIT:
        _NAMES[raw] = name
    return name


class EgressPool:
    """Idle connections, the youngest first, and new ones where there is none."""

    def __init__(self, loop: asyncio.AbstractEventLoop, path: str) -> None:
        self._loop = loop
        self._path = path
        self._idle: dict[Connection, None] = {}
        self._connecting: set[asyncio.Task[None]] = set()

    def take(self) -> Connection | None:
        """An idle connection."""
        while self._idle:
            connection, _ = self._idle.popitem()
            return connection
        return None

    def connect(self, opener: "Opener") -> "asyncio.Task[None]":
        """Open a connection for `opener`; the task can be cancelled."""
        task = self._loop.create_task(self._connect(opener))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return task

    async def _connect(self, opener: "Opener") -> None:
        try:
            _, connection = await self._loop.create_unix_connection(lambda: Connection(self), self._path)
        except OSError:
            opener.on_connected(None)
        else:
            opener.on_connected(connection)

    def keep(self, connection: Connection) -> None:
        """A connection is free."""
        if len(self._idle) < IDLE_LIMIT:
            self._idle[connection] = None
        else:
            connection.close()

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._idle.pop(connection, None)

    def close(self) -> None:
        """Close what is idle."""
        for connection in list(self._idle):
            connection.close()
        self._idle.clear()


class Opener(Protocol):
    """Who waits for a connection."""

    def on_connected(self, connection: Connection | None) -> None:
        """It is there, or cannot be had."""
