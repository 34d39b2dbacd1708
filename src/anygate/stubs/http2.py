"""The stub's side of an HTTP/2 connection: many streams at once, flow-controlled both ways."""

import asyncio
import base64
import binascii

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from hyperframe.exceptions import HyperframeError
from hyperframe.frame import GoAwayFrame

from anygate.stubs.echo import EchoRequest
from anygate.stubs.grpc import is_grpc
from anygate.stubs.orders import is_reset_ordered
from anygate.stubs.request_log import RequestLog
from anygate.stubs.stream import AnswerStream, CallStream, Stream
from anygate.stubs.wire import Wire

_STREAM_WINDOW = 262_144
# Far above what streams use: a call whose echo nobody reads must not stall the others.
_CONNECTION_WINDOW = 16 * 1_048_576
_MOST_STREAMS = 256
_LARGEST_HEAD = 65_536
_ROUNDS_PER_TURN = 16


def is_settings_header(text: str) -> bool:
    """Whether `text` is a usable HTTP2-Settings header: base64 of whole six-byte settings."""
    try:
        decoded = base64.b64decode(_pad(text), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(decoded) % 6 == 0


class Http2Engine:
    """One HTTP/2 connection; each stream is answered on its own."""

    __slots__ = ("_finishing", "_h2", "_log", "_streams", "_turn", "_wire")

    def __init__(self, wire: Wire, log: RequestLog) -> None:
        self._wire = wire
        self._log = log
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self._streams: dict[int, Stream] = {}
        self._turn: asyncio.Handle | None = None
        self._finishing = False
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.INITIAL_WINDOW_SIZE: _STREAM_WINDOW,
                SettingCodes.MAX_CONCURRENT_STREAMS: _MOST_STREAMS,
                SettingCodes.MAX_HEADER_LIST_SIZE: _LARGEST_HEAD,
            },
        )

    def start(self) -> None:
        """Greet a client that speaks HTTP/2 from its first byte."""
        self._h2.initiate_connection()
        self._widen()

    def start_upgraded(self, settings: str, request: EchoRequest) -> None:
        """Greet a client that upgraded from HTTP/1.1 and answer its request on stream 1."""
        try:
            self._h2.initiate_upgrade_connection(_pad(settings))
        except (H2Error, HyperframeError, ValueError):
            self._fail()
            return
        self._widen()
        self._open(1, EchoRequest(request.method, request.target, request.host, "HTTP/2.0", request.headers))
        self._end(1)
        self._pump()

    def receive(self, chunk: bytes) -> None:
        """Take bytes that arrived."""
        try:
            events = self._h2.receive_data(chunk)
        except (H2Error, HyperframeError):
            self._fail()
            return
        for event in events:
            try:
                self._take(event)
            except H2Error:
                # A stream that the same bytes opened and reset: nobody waits for its answer.
                self._drop(getattr(event, "stream_id", 0))
        self._pump()

    def end_input(self) -> None:
        """Learn that the peer sends no more: without its window updates nothing can be completed."""
        self._wire.close()

    def resume(self) -> None:
        """Go on sending."""
        self._pump()

    def finish(self) -> None:
        """Announce the end, complete the open streams, then close."""
        self._finishing = True
        # Written by hand: after its own GOAWAY the library refuses to complete the streams still open.
        last = GoAwayFrame(0, last_stream_id=self._h2.highest_inbound_stream_id)
        self._wire.write(self._h2.data_to_send() + last.serialize())
        self._close_when_done()

    def lose(self) -> None:
        """Forget every stream."""
        for stream in self._streams.values():
            stream.cancel()
        self._streams.clear()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    def _widen(self) -> None:
        self._h2.increment_flow_control_window(_CONNECTION_WINDOW - 65_535)
        self._flush()

    def _take(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._open(event.stream_id, _read_request(event), ended=event.stream_ended is not None)
        elif isinstance(event, DataReceived):
            self._accept(event)
        elif isinstance(event, StreamEnded):
            self._end(event.stream_id)
        elif isinstance(event, StreamReset):
            self._drop(event.stream_id)
        elif isinstance(event, ConnectionTerminated):
            self._drain(event.error_code)

    def _open(self, stream_id: int, request: EchoRequest, ended: bool = True) -> None:
        if self._finishing:
            self._h2.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
        elif is_reset_ordered(request.headers, self._log.backend.service):
            self._log.add(request)
            self._h2.reset_stream(stream_id, ErrorCodes.INTERNAL_ERROR)
        elif self._is_call(request):
            self._log.add(request)
            call = CallStream(self._h2, stream_id, self._log.backend, request)
            self._streams[stream_id] = call
            call.start(self._pump)
        else:
            self._streams[stream_id] = AnswerStream(self._h2, stream_id, request, self._wire.answerer.keeps)
            if not ended and (request.first("expect") or "").lower() == "100-continue":
                self._h2.send_headers(stream_id, [(":status", "100")])

    def _is_call(self, request: EchoRequest) -> bool:
        if not self._wire.answerer.echoes or request.method != "POST":
            return False
        return is_grpc(request.first("content-type"))

    def _accept(self, event: DataReceived) -> None:
        stream = self._streams.get(event.stream_id)
        held = stream.feed(event.data) if stream is not None else 0
        done = event.flow_controlled_length - held
        if done:
            self._h2.acknowledge_received_data(done, event.stream_id)

    def _end(self, stream_id: int) -> None:
        stream = self._streams.get(stream_id)
        if isinstance(stream, CallStream):
            stream.end()
        elif isinstance(stream, AnswerStream):
            received = stream.meter.read()
            self._log.add(stream.request, received)
            answer = self._wire.answerer.answer(self._log.backend, stream.request, received)
            stream.start(answer, self._pump)

    def _drop(self, stream_id: int) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            stream.cancel()
            if stream.held:
                # The stream is gone, but its share of the connection's window must come back.
                self._h2.acknowledge_received_data(stream.held, stream_id)

    def _drain(self, error_code: int | None) -> None:
        if error_code:
            self.lose()
            self._wire.close()
            return
        # The client only opens no more streams; the library would refuse to complete those it opened.
        self._h2.state_machine.state = ConnectionState.SERVER_OPEN
        self._finishing = True

    def _pump(self) -> None:
        """Send a piece of every stream in turn until nothing can go, or the others deserve a turn."""
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        for _ in range(_ROUNDS_PER_TURN):
            moved = False
            for stream_id, stream in list(self._streams.items()):
                if self._wire.blocked:
                    break
                try:
                    moved = stream.send() or moved
                except H2Error:
                    stream.is_done = True
                if stream.is_done:
                    self._drop(stream_id)
            self._flush()
            if not moved or self._wire.blocked:
                break
        else:
            self._turn = asyncio.get_running_loop().call_soon(self._pump)
        self._close_when_done()

    def _flush(self) -> None:
        self._wire.write(self._h2.data_to_send())

    def _close_when_done(self) -> None:
        if self._finishing and not self._streams:
            self._wire.close()

    def _fail(self) -> None:
        self.lose()
        self._flush()  # the library has queued a GOAWAY that names the violation
        self._wire.close()


def _read_request(event: RequestReceived) -> EchoRequest:
    pseudo: dict[str, str] = {}
    headers: list[tuple[str, str]] = []
    for raw_name, raw_value in event.headers:
        name, value = bytes(raw_name).decode("latin-1"), bytes(raw_value).decode("latin-1")
        if name[:1] == ":":
            pseudo[name] = value
        else:
            headers.append((name, value))
    host = pseudo.get(":authority") or next((value for name, value in headers if name == "host"), "")
    return EchoRequest(pseudo.get(":method", ""), pseudo.get(":path", ""), host, "HTTP/2.0", tuple(headers))


def _pad(text: str) -> bytes:
    return (text + "=" * (-len(text) % 4)).encode("latin-1")
