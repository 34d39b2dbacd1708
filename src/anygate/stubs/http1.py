"""The stub's side of an HTTP/1.1 connection: keep-alive, pipelining, chunks, upgrades, malformed input."""

import asyncio
from collections.abc import Iterator
from http import HTTPStatus

import h11

from anygate.stubs.body_meter import BodyMeter
from anygate.stubs.echo import Answer, EchoRequest, build_refusal
from anygate.stubs.orders import is_reset_ordered
from anygate.stubs.request_log import RequestLog
from anygate.stubs.wire import Engine, Wire

_LARGEST_HEAD = 65_536
_PIECES_PER_TURN = 8
_PHRASES = {int(status): status.phrase for status in HTTPStatus}


class Http1Engine:
    """Answers one request after the other; what is pipelined waits unread."""

    __slots__ = (
        "_answering",
        "_finishing",
        "_h11",
        "_is_cut",
        "_log",
        "_meter",
        "_one_per_turn",
        "_pieces",
        "_request",
        "_timer",
        "_wire",
    )

    def __init__(self, wire: Wire, log: RequestLog) -> None:
        self._wire = wire
        self._log = log
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGEST_HEAD)
        self._meter = BodyMeter()
        self._is_cut = False
        self._request: EchoRequest | None = None
        self._pieces: Iterator[bytes] | None = None
        self._timer: asyncio.Handle | None = None
        self._answering = False
        self._one_per_turn = False
        self._finishing = False

    def receive(self, chunk: bytes) -> None:
        """Take bytes that arrived."""
        self._h11.receive_data(chunk)
        if self._answering:
            self._wire.hold()
        else:
            self._advance()

    def end_input(self) -> None:
        """Learn that the peer sends no more; what it asked before is still answered."""
        self._h11.receive_data(b"")
        if not self._answering:
            self._advance()

    def resume(self) -> None:
        """Go on sending the answer that waited for room."""
        if self._pieces is not None and self._timer is None:
            self._send_pieces()

    def finish(self) -> None:
        """Close now if nothing is in progress, otherwise after the current answer."""
        self._finishing = True
        if self._request is None and not self._h11.trailing_data[0]:
            self._wire.close()

    def lose(self) -> None:
        """Forget the answer in progress."""
        self._pieces = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _advance(self) -> None:
        while not self._answering:
            try:
                event = self._h11.next_event()
            except h11.RemoteProtocolError as error:
                self._reject(error.error_status_hint, str(error))
                return
            if event is h11.NEED_DATA:
                if self._h11.they_are_waiting_for_100_continue:
                    self._send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))
                self._wire.release()
                return
            if isinstance(event, h11.Data):
                self._meter.feed(event.data)
            elif isinstance(event, h11.Request):
                self._begin(event)
            elif isinstance(event, h11.EndOfMessage):
                self._answer()
            elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
                self._wire.close()
                return

    def _begin(self, event: h11.Request) -> None:
        if event.http_version[:2] != b"1.":
            self._reject(505, "an HTTP/1 request line names another version")
            return
        self._meter = BodyMeter(self._wire.answerer.keeps)
        self._request = _read_request(event)
        if is_reset_ordered(self._request.headers, self._log.backend.service):
            self._log.add(self._request)
            self._answering = True
            self._wire.abort()

    def _answer(self) -> None:
        request = self._request
        assert request is not None
        received = self._meter.read()
        self._log.add(request, received)
        answer = self._wire.answerer.answer(self._log.backend, request, received)
        self._answering = True
        if answer.delay:
            self._timer = asyncio.get_running_loop().call_later(answer.delay, self._send_later, answer)
        else:
            self._send_answer(answer)

    def _send_later(self, answer: Answer) -> None:
        self._timer = None
        self._send_answer(answer)
        if not self._answering:
            self._advance()

    def _send_answer(self, answer: Answer) -> None:
        request = self._request
        assert request is not None
        if answer.status == 200 and self._wire.answerer.echoes and self._upgrade(request):
            return
        headers: list[tuple[str, str]] = list(answer.headers)
        if answer.has_length:
            headers.append(("content-length", str(answer.length)))
        if self._finishing:
            headers.append(("connection", "close"))
        head = self._h11.send(_build_head(answer.status, headers)) or b""
        if answer.is_bodiless(request.method):
            self._complete(head)
        elif not answer.is_chunked and not answer.padding:
            # One write for the usual answer: it is half the system calls.
            self._complete(head + (self._h11.send(h11.Data(data=answer.body)) or b""))
        else:
            self._wire.write(head)
            self._one_per_turn = answer.is_chunked
            self._is_cut = answer.is_cut
            self._pieces = answer.pieces()
            self._send_pieces(advance=False)

    def _send_pieces(self, advance: bool = True) -> None:
        self._timer = None
        for _ in range(1 if self._one_per_turn else _PIECES_PER_TURN):
            if self._wire.blocked or self._pieces is None:
                return
            piece = next(self._pieces, None)
            if piece is None:
                self._pieces = None
                if self._is_cut:
                    self._wire.close()  # the end of the body never comes
                    return
                self._complete(b"")
                if advance:
                    self._advance()
                return
            self._send(h11.Data(data=piece))
        # Let the loop turn: chunks leave one by one, and a large body does not keep others waiting.
        if not self._wire.blocked:
            self._timer = asyncio.get_running_loop().call_soon(self._send_pieces)

    def _complete(self, last: bytes) -> None:
        self._wire.write(last + (self._h11.send(h11.EndOfMessage()) or b""))
        self._answering = False
        self._request = None
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        else:
            self._answering = True  # nothing follows on this connection
            self._wire.close()

    def _upgrade(self, request: EchoRequest) -> bool:
        wanted = (request.first("upgrade") or "").lower()
        if wanted == "websocket":
            return self._upgrade_to_websocket(request)
        if wanted == "h2c" and self._meter.read().size == 0:
            return self._upgrade_to_http2(request)
        return False

    def _upgrade_to_websocket(self, request: EchoRequest) -> bool:
        from anygate.stubs.websocket import HandshakeError, WebSocketEngine, build_handshake

        try:
            headers = build_handshake(request)
        except HandshakeError as error:
            answer = build_refusal(self._log.backend, 400, str(error))
            self._send_answer(answer)
            return True
        headers.append(("x-stub-backend", self._log.backend.name))
        self._send_switch(headers)
        engine = WebSocketEngine(self._wire)
        self._wire.switch(engine)
        if self._finishing:
            engine.finish()
        self._hand_over(engine)
        return True

    def _upgrade_to_http2(self, request: EchoRequest) -> bool:
        from anygate.stubs.http2 import Http2Engine, is_settings_header

        settings = request.first("http2-settings")
        if settings is None or not is_settings_header(settings):
            return False
        self._send_switch([("connection", "upgrade"), ("upgrade", "h2c")])
        engine = Http2Engine(self._wire, self._log)
        self._wire.switch(engine)
        engine.start_upgraded(settings, request)
        if self._finishing:
            engine.finish()
        self._hand_over(engine)
        return True

    def _send_switch(self, headers: list[tuple[str, str]]) -> None:
        self._send(h11.InformationalResponse(status_code=101, headers=headers, reason=b"Switching Protocols"))

    def _hand_over(self, engine: Engine) -> None:
        early, ended = self._h11.trailing_data
        self._wire.release()
        if early:
            engine.receive(early)
        if ended:
            engine.end_input()

    def _send(self, event: h11.Event) -> None:
        self._wire.write(self._h11.send(event) or b"")

    def _reject(self, status: int, reason: str) -> None:
        self._answering = True
        if self._h11.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = self._wire.answerer.refuse(self._log.backend, status, reason)
            headers = [
                *answer.headers,
                ("content-length", str(answer.length)),
                ("connection", "close"),
            ]
            self._send(_build_head(answer.status, headers))
            self._send(h11.Data(data=answer.body))
        self._wire.close()


def _build_head(status: int, headers: list[tuple[str, str]]) -> h11.Response:
    return h11.Response(status_code=status, headers=headers, reason=_PHRASES.get(status, ""))


def _read_request(event: h11.Request) -> EchoRequest:
    headers = tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in event.headers.raw_items())
    host = next((value for name, value in headers if name.lower() == "host"), "")
    return EchoRequest(
        event.method.decode("ascii"),
        event.target.decode("latin-1"),
        host,
        f"HTTP/{event.http_version.decode('ascii')}",
        headers,
    )
