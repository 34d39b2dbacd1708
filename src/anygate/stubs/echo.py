"""What an echo stub answers: a pure function from a request to an answer, the same for every HTTP version."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from anygate.stubs.orders import NO_ORDERS, OrderError, Orders, read_orders

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
SLICE = 65_536

_BODILESS = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Backend:
    """The service that a stub stands in for."""

    service: str
    namespace: str

    @property
    def name(self) -> str:
        """How answers name this backend: `<service>.<namespace>`."""
        return f"{self.service}.{self.namespace}"

    @property
    def pod(self) -> str:
        """The name of the one pod that a stub pretends to be."""
        return f"{self.service}-stub-0"


@dataclass(frozen=True, slots=True)
class EchoRequest:
    """The head of a received request: names in the case received, the target whole, no pseudo-headers."""

    method: str
    target: str
    host: str
    proto: str
    headers: tuple[tuple[str, str], ...]

    def first(self, name: str) -> str | None:
        """Return the first value of the header `name`, given in lower case."""
        for received, value in self.headers:
            if received.lower() == name:
                return value
        return None


@dataclass(frozen=True, slots=True)
class ReceivedBody:
    """What arrived after the head; of the bytes themselves only as many as whoever answers wants kept."""

    size: int = 0
    sha256: str = EMPTY_SHA256
    content: bytes = b""


NO_BODY = ReceivedBody()


class _EchoJson(msgspec.Struct):
    service: str
    namespace: str
    pod: str
    path: str
    host: str
    method: str
    proto: str
    headers: dict[str, list[str]]


_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back, when and in which pieces."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    padding: int = 0
    chunks: int | None = None
    delay: float = 0.0
    parts: tuple[bytes, ...] | None = None  # instead of a body: sent one by one, cut nowhere else
    is_cut: bool = False  # the connection is dropped where the body should end

    @property
    def length(self) -> int:
        """How many bytes the body has."""
        if self.parts is not None:
            return sum(map(len, self.parts))
        return len(self.body) + self.padding

    @property
    def is_chunked(self) -> bool:
        """Whether the body leaves piece by piece, each on its own turn."""
        return self.chunks is not None or self.parts is not None

    @property
    def has_length(self) -> bool:
        """Whether the length is announced: not for chunks, nor where the status forbids a body."""
        return not self.is_chunked and self.status not in _BODILESS

    def is_bodiless(self, method: str) -> bool:
        """Whether no body follows the head of this answer to a `method` request."""
        if method == "HEAD" or self.status in _BODILESS:
            return True
        return self.length == 0 and not self.is_cut

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as ordered; no piece is larger than one slice, so that memory stays small."""
        if self.parts is not None:
            yield from filter(None, self.parts)
            return
        total = self.length
        count = min(self.chunks or 1, total)
        for index in range(count):
            start, end = index * total // count, (index + 1) * total // count
            for offset in range(start, end, SLICE):
                yield self._cut(offset, min(end, offset + SLICE))

    def _cut(self, start: int, end: int) -> bytes:
        # Spaces after a JSON value leave it valid, so a padded answer still parses.
        return self.body[start:end].ljust(end - start, b" ")


def build_answer(backend: Backend, request: EchoRequest, body: ReceivedBody = NO_BODY) -> Answer:
    """Return what `backend` answers to `request`, with the orders in its headers obeyed."""
    headers = [
        ("content-type", "application/json"),
        ("x-stub-backend", backend.name),
        ("x-stub-body-bytes", str(body.size)),
        ("x-stub-body-sha256", body.sha256),
    ]
    if request.method == "CONNECT":
        return _refuse(501, "CONNECT: a stub opens no tunnels", headers)
    try:
        orders = read_orders(request.headers, backend.service)
    except OrderError as error:
        return _refuse(400, str(error), headers)
    echoed = _encode(
        _EchoJson(
            backend.service,
            backend.namespace,
            backend.pod,
            request.target,
            request.host,
            request.method,
            request.proto,
            group_headers(request.headers),
        )
    )
    if orders is NO_ORDERS:
        return Answer(200, tuple(headers), echoed)
    return _obey(orders, headers, echoed)


def build_refusal(backend: Backend, status: int, reason: str) -> Answer:
    """Return the answer to a request that `backend` cannot take, with the reason as JSON."""
    headers = [("content-type", "application/json"), ("x-stub-backend", backend.name)]
    return _refuse(status, reason, headers)


def group_headers(headers: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    """Return every value by name; names that differ in case only join under the first one received."""
    grouped: dict[str, list[str]] = {}
    spelled: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower == "host":
            continue  # it has its own key, as in the Gateway API conformance echo
        grouped.setdefault(spelled.setdefault(lower, name), []).append(value)
    return grouped


def _obey(orders: Orders, headers: list[tuple[str, str]], echoed: bytes) -> Answer:
    return Answer(
        200 if orders.status is None else orders.status,
        tuple(headers),
        echoed,
        max(0, orders.body_size - len(echoed)),
        orders.chunks,
        orders.delay,
    )


def _refuse(status: int, reason: str, headers: list[tuple[str, str]]) -> Answer:
    return Answer(status, tuple(headers), _encode({"error": reason}))
