"""The streams of one HTTP/2 connection: what each still has to send and when."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

from h2.connection import H2Connection
from h2.errors import ErrorCodes

from anygate.stubs.body_meter import BodyMeter
from anygate.stubs.echo import Answer, Backend, EchoRequest
from anygate.stubs.grpc import INVALID_ARGUMENT, OK, GrpcEcho, build_metadata, build_status
from anygate.stubs.orders import OrderError, Orders, read_orders


class Stream(ABC):
    """One exchange; it sends only what the peer's windows allow."""

    __slots__ = ("_h2", "_id", "_timer", "held", "is_done", "request")

    def __init__(self, h2: H2Connection, stream_id: int, request: EchoRequest) -> None:
        self._h2 = h2
        self._id = stream_id
        self._timer: asyncio.TimerHandle | None = None
        self.request = request
        self.held = 0
        self.is_done = False

    @abstractmethod
    def feed(self, chunk: bytes) -> int:
        """Take request bytes; return how many of them are held back from the flow-control window."""

    @abstractmethod
    def send(self) -> bool:
        """Send at most one frame of the body; return whether there may be more to send at once."""

    def cancel(self) -> None:
        """Forget the answer."""
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self, delay: float, wake: Callable[[], None]) -> None:
        def end_delay() -> None:
            self._timer = None
            wake()

        self._timer = asyncio.get_running_loop().call_later(delay, end_delay)

    def _room(self) -> int:
        return min(self._h2.local_flow_control_window(self._id), self._h2.max_outbound_frame_size)


class AnswerStream(Stream):
    """An HTTP request, answered when it is complete."""

    __slots__ = ("_answer", "_piece", "_pieces", "_sent_head", "meter")

    def __init__(self, h2: H2Connection, stream_id: int, request: EchoRequest, keeps: int = 0) -> None:
        super().__init__(h2, stream_id, request)
        self.meter = BodyMeter(keeps)
        self._answer: Answer | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._piece = b""
        self._sent_head = False

    def feed(self, chunk: bytes) -> int:
        """Measure request bytes; none is held."""
        self.meter.feed(chunk)
        return 0

    def start(self, answer: Answer, wake: Callable[[], None]) -> None:
        """Begin to answer, after the delay that was ordered; `wake` is called when it is over."""
        self._answer = answer
        self._pieces = answer.pieces()
        if answer.delay:
            self._wait(answer.delay, wake)

    def send(self) -> bool:
        """Send the head, or a frame of the body."""
        if self._answer is None or self._timer is not None:
            return False
        if not self._sent_head:
            self._send_head(self._answer)
            if self.is_done:
                return True
        if not self._piece and self._answer.is_cut:
            self._h2.reset_stream(self._id, ErrorCodes.INTERNAL_ERROR)
            self.is_done = True
            return True
        room = self._room()
        if room <= 0:
            return False
        chunk, self._piece = self._piece[:room], self._piece[room:]
        if not self._piece:
            self._piece = next(self._pieces, b"")
        self.is_done = not self._piece and not self._answer.is_cut
        self._h2.send_data(self._id, chunk, end_stream=self.is_done)
        return True

    def _send_head(self, answer: Answer) -> None:
        headers = [(":status", str(answer.status)), *answer.headers]
        if answer.has_length:
            headers.append(("content-length", str(answer.length)))
        self.is_done = answer.is_bodiless(self.request.method)
        self._h2.send_headers(self._id, headers, end_stream=self.is_done)
        self._sent_head = True
        if not self.is_done:
            self._piece = next(self._pieces, b"")


class CallStream(Stream):
    """A gRPC call: metadata at once, messages back as they come, the status last."""

    __slots__ = ("_backend", "_call", "_orders", "_refusal", "_sent_head")

    def __init__(self, h2: H2Connection, stream_id: int, backend: Backend, request: EchoRequest) -> None:
        super().__init__(h2, stream_id, request)
        self._backend = backend
        self._sent_head = False
        self._refusal: list[tuple[str, str]] | None = None
        self._orders = Orders()
        try:
            self._orders = read_orders(request.headers, backend.service, grpc=True)
        except OrderError as error:
            self._refusal = [(":status", "200"), *build_status(INVALID_ARGUMENT, str(error))]
        self._call = GrpcEcho()
        status = self._orders.status
        if status is not None and status >= 200 and status != 200:
            self._refusal = [(":status", str(status))]
        elif status is not None and OK < status <= 16:
            self._refusal = [(":status", "200"), *build_status(status, "ordered by x-stub-status")]

    def start(self, wake: Callable[[], None]) -> None:
        """Begin to answer, after the delay that was ordered; `wake` is called when it is over."""
        if self._orders.delay:
            self._wait(self._orders.delay, wake)

    def feed(self, chunk: bytes) -> int:
        """Keep request bytes until they are sent back."""
        if self._refusal is not None:
            return 0
        self._call.feed(chunk)
        self.held += len(chunk)
        return len(chunk)

    def end(self) -> None:
        """Learn that the request is complete."""
        self._call.end()

    def send(self) -> bool:
        """Send the metadata, messages or the status."""
        if self._timer is not None:
            return False
        if self._refusal is not None:
            self._refuse(self._refusal)
            return True
        if not self._sent_head:
            headers = [(":status", "200"), *build_metadata(self._backend, self.request)]
            self._h2.send_headers(self._id, headers)
            self._sent_head = True
        chunk = self._call.take(self._room())
        if chunk:
            self._h2.send_data(self._id, chunk)
            # Only now may the peer send more: what it does not read back does not pile up here.
            self.held -= len(chunk)
            self._h2.acknowledge_received_data(len(chunk), self._id)
        if self._call.is_complete:
            self._h2.send_headers(self._id, self._call.build_trailers(), end_stream=True)
            self.is_done = True
        return bool(chunk)

    def _refuse(self, status: list[tuple[str, str]]) -> None:
        named = [("content-type", "application/grpc"), ("x-stub-backend", self._backend.name)]
        self._h2.send_headers(self._id, [status[0], *named, *status[1:]], end_stream=True)
        self.is_done = True
