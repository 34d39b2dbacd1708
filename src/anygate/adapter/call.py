"""One request from its last byte to the end of its answer: converted, sent, and its answer converted back."""

from time import perf_counter
from typing import TYPE_CHECKING

from anygate.adapter.defects import report_defect
from anygate.adapter.egress import Connection
from anygate.adapter.heads import END_OF_CHUNKS, frame_chunk, render_answer, render_request
from anygate.adapter.incoming import Incoming
from anygate.adapter.route import Route
from anygate.providers import Refusal, render_losses
from anygate.providers.exchange import Exchange, FailKind
from anygate.providers.passage import Passage
from anygate.providers.refusal import Refused
from anygate.providers.rewrite import name_model
from anygate.providers.setting import Headers

if TYPE_CHECKING:
    import asyncio

    from anygate.adapter.client import ClientConnection
    from anygate.adapter.worker import Worker

LOSSES_HEADER = "x-anygate-losses"
_BODILESS = (204, 304)


class Call:
    """Callbacks only: a task for each request would cost as much as everything else here."""

    __slots__ = (
        "_client",
        "_connection",
        "_exchange",
        "_has_begun",
        "_is_chunked",
        "_is_over",
        "_keep_alive",
        "_opening",
        "_outcome",
        "_request",
        "_retried",
        "_route",
        "_version",
        "_worker",
    )

    def __init__(self, worker: "Worker", client: "ClientConnection", incoming: Incoming, route: Route) -> None:
        self._worker = worker
        self._client = client
        self._route = route
        self._version = incoming.version
        self._keep_alive = incoming.keep_alive
        self._exchange: Exchange | Passage = route.open(incoming.headers)
        self._connection: Connection | None = None
        self._opening: asyncio.Task[None] | None = None
        self._request = b""
        self._outcome = ""
        self._retried = False
        self._has_begun = False
        self._is_chunked = False
        self._is_over = False
        worker.tally.open_calls += 1

    def start(self, body: bytes) -> None:
        """Convert the request and send it, or refuse it."""
        started = perf_counter()
        exchange, model = self._exchange, self._route.backend.model
        try:
            # Whose model is not the client's to choose need not name one.
            upstream = exchange.convert_request(name_model(body, model) if model else body)
            if isinstance(upstream, Refusal):
                self._refuse(upstream)
                return
            content = upstream.body
            edits = self._route.edits
            if edits is not None and not self._route.passes:
                content = edits.apply(content)
        except Refused as refused:
            self._refuse(exchange.refuse(refused.reply.status, refused.reply.message))
            return
        except Exception as defect:
            self._answer_defect(defect)
            return
        finally:
            self._worker.tally.converting += perf_counter() - started
        head = render_request(upstream.method, upstream.path, self._route.head, upstream.headers, len(content))
        self._request = head + content
        connection = self._worker.pool.take()
        if connection is not None:
            self.on_connected(connection)
        else:
            self._opening = self._worker.pool.connect(self)

    def on_connected(self, connection: Connection | None) -> None:
        """Send over a connection, or answer that there is none."""
        self._opening = None
        if connection is None:
            self.on_broken("connect")
        elif self._is_over:
            connection.close()
        else:
            self._connection = connection
            connection.ask(self, self._request)

    # Called by the connection.

    def on_head(self, status: int, headers: Headers) -> None:
        """Status and headers; they go to the client at once when they are settled."""
        self._request = b""
        try:
            self._exchange.start_response(status, headers)
        except Exception as defect:
            self._answer_defect(defect)
            return
        if status >= 400:
            self._outcome = "provider_error"
        if not self._exchange.buffered:
            self._begin_stream()

    def on_body(self, chunk: bytes) -> None:
        """Bytes of the answer, converted and written together."""
        exchange = self._exchange
        started = perf_counter()
        try:
            out = exchange.feed(chunk)
            if exchange.buffered and exchange.is_over:
                self._hang_up()
                self.on_end()
                return
        except Exception as defect:
            self._answer_defect(defect)
            return
        finally:
            self._worker.tally.converting += perf_counter() - started
        if out and self._has_begun:
            self._client.write(frame_chunk(out) if self._is_chunked else out)
            if self._client.is_blocked and self._connection is not None:
                self._connection.pause()

    def on_end(self) -> None:
        """The answer is complete."""
        self._connection = None
        exchange = self._exchange
        started = perf_counter()
        try:
            out = exchange.finish()
        except Exception as defect:
            self._answer_defect(defect)
            return
        finally:
            self._worker.tally.converting += perf_counter() - started
        if exchange.buffered and exchange.status >= 500 and not self._outcome:
            self._outcome = "unreadable"
        self._end(out)

    def on_broken(self, kind: FailKind) -> None:
        """The upstream died: once more if only a kept connection did, otherwise a well-formed end for the client."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.is_used and not connection.is_answering and not self._retried:
            self._retried = True
            self._worker.tally.retries += 1
            self._opening = self._worker.pool.connect(self)
            return
        try:
            out = self._exchange.fail(kind)
        except Exception as defect:
            self._answer_defect(defect)
            return
        self._outcome = "failed"
        if type(self._exchange) is Passage and self._exchange.cut:
            self._close()
            self._client.abort()
            return
        self._end(out)

    # Called by the client's connection.

    def abandon(self) -> None:
        """The client has gone: so does the request to the provider, at once."""
        if not self._is_over:
            self._outcome = "abandoned"
            self._hang_up()
            self._close()

    def resume(self) -> None:
        """The client reads again."""
        if self._connection is not None:
            self._connection.resume()

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None

    def _begin_stream(self) -> None:
        headers = self._exchange.response_headers
        self._has_begun = True
        has_length = type(self._exchange) is Passage and any(name == "content-length" for name, _ in headers)
        framing = ""
        if not has_length and self._exchange.status not in _BODILESS:
            self._is_chunked = self._version == "1.1"
            framing = "transfer-encoding: chunked\r\n" if self._is_chunked else ""
            self._keep_alive = self._keep_alive and self._is_chunked
        self._worker.tally.open_streams += 1
        # The loop sends what is written in one turn together, so the head costs no packet of its own.
        self._client.write(self._render_head(framing))

    def _end(self, out: bytes) -> None:
        if not self._has_begun:
            self._client.write_all(self._render_head(f"content-length: {len(out)}\r\n"), out)
        elif self._is_chunked:
            self._client.write((frame_chunk(out) if out else b"") + END_OF_CHUNKS)
        elif out:
            self._client.write(out)
        self._close()
        self._client.end_call(self._keep_alive)

    def _render_head(self, framing: str) -> bytes:
        exchange = self._exchange
        headers = exchange.response_headers
        losses = exchange.losses
        if losses:
            headers = [*headers, (LOSSES_HEADER, render_losses(losses))]
        if not self._keep_alive or self._worker.is_draining:
            self._keep_alive = False
            framing += "connection: close\r\n"
        return render_answer(exchange.status, headers, framing)

    def _refuse(self, refusal: Refusal) -> None:
        self._outcome = "refused"
        self._worker.tally.count_refusal(self._route.labels[0], refusal.status)
        self._client.write_error(refusal.status, refusal.body, self._keep_alive)
        self._close()
        self._client.end_call(self._keep_alive and not self._worker.is_draining)

    def _answer_defect(self, defect: Exception) -> None:
        """A conversion failed in a way that it never should: this request fails, no other does."""
        report_defect(defect)
        self._hang_up()
        self._outcome = "defect"
        if self._has_begun:
            self._close()
            self._client.abort()
            return
        refusal = self._exchange.refuse(500, "the gateway could not convert this request")
        self._client.write_error(500, refusal.body, keep_alive=False)
        self._close()
        self._client.end_call(keep_alive=False)

    def _close(self) -> None:
        self._is_over = True
        self._request = b""
        tally = self._worker.tally
        tally.open_calls -= 1
        if self._has_begun:
            tally.open_streams -= 1
        tally.count_request(self._route.labels, self._outcome or "answered")
        losses = self._exchange.losses
        if losses:
            tally.count_losses(self._route.labels, losses)
