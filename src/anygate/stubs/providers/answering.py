"""Between a connection and a vendor: obeys the orders in the headers, renders errors, spoils streams."""

from anygate.stubs.echo import Answer, Backend, EchoRequest, ReceivedBody
from anygate.stubs.orders import NO_ORDERS, OrderError, Orders, read_orders
from anygate.stubs.providers.call import Call, read_call
from anygate.stubs.providers.outcome import Outcome, Stream, Unary
from anygate.stubs.providers.provider import LARGEST_BODY, Provider
from anygate.stubs.providers.rejection import Rejection

_RETRY_AFTER = "1"

Headers = tuple[tuple[str, str], ...]


class ProviderAnswerer:
    """Lets one vendor answer what arrives on a stub's connections."""

    keeps = LARGEST_BODY + 1
    echoes = False

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def answer(self, backend: Backend, request: EchoRequest, body: ReceivedBody) -> Answer:
        """Return the vendor's answer or its error, never anything else."""
        try:
            orders = read_orders(request.headers, backend.service)
        except OrderError as error:
            call = read_call(request, body, NO_ORDERS)
            rejection = self._provider.reject_status(400, call)
            rejection.message = str(error)
            return self._refuse(backend, rejection, call)
        call = read_call(request, body, orders)
        try:
            if orders.status is not None and orders.status >= 400:
                raise self._provider.reject_status(orders.status, call)
            outcome = self._provider.answer(call)
        except Rejection as rejection:
            return self._refuse(backend, rejection, call)
        headers = (
            ("content-type", outcome.content_type),
            ("x-stub-backend", backend.name),
            *self._provider.list_headers(call, None),
            *outcome.headers,
        )
        return _obey(orders, outcome, headers)

    def refuse(self, backend: Backend, status: int, reason: str) -> Answer:
        """Return the vendor's error for bytes that are no request."""
        rejection = Rejection(status, "invalid_request_error", reason)
        body = self._provider.render_error(rejection, None)
        return Answer(status, (("content-type", "application/json"), ("x-stub-backend", backend.name)), body)

    def _refuse(self, backend: Backend, rejection: Rejection, call: Call) -> Answer:
        headers = [
            ("content-type", "application/json"),
            ("x-stub-backend", backend.name),
            *self._provider.list_headers(call, rejection),
        ]
        if rejection.status == 429:
            headers.append(("retry-after", _RETRY_AFTER))
        outcome = Unary(self._provider.render_error(rejection, call))
        return _obey(call.orders, outcome, tuple(headers), rejection.status)


def _obey(orders: Orders, outcome: Outcome, headers: Headers, status: int | None = None) -> Answer:
    status = status or orders.status or 200
    if isinstance(outcome, Unary):
        return _send_whole(orders, outcome, headers, status)
    parts = outcome.parts
    if orders.garbage and orders.cut is None:
        parts = _spoil(parts, outcome)
    if orders.fail is not None:
        parts = (*parts[: orders.fail], outcome.failure)
    cut = orders.cut is not None and orders.cut <= len(parts)
    return Answer(status, headers, parts=_cut(parts, orders) if cut else parts, is_cut=cut, delay=orders.delay)


def _send_whole(orders: Orders, outcome: Unary, headers: Headers, status: int) -> Answer:
    body = outcome.body
    if orders.garbage:
        body = body[: len(body) // 2]
    whole = Answer(status, headers, body, chunks=orders.chunks, delay=orders.delay)
    if orders.cut is None:
        return whole
    pieces = _split(body, orders.chunks or 2)
    return Answer(status, headers, parts=pieces[: orders.cut], is_cut=orders.cut <= len(pieces), delay=orders.delay)


def _split(body: bytes, count: int) -> tuple[bytes, ...]:
    count = max(1, min(count, len(body)))
    return tuple(body[i * len(body) // count : (i + 1) * len(body) // count] for i in range(count))


def _spoil(parts: tuple[bytes, ...], stream: Stream) -> tuple[bytes, ...]:
    middle = len(parts) // 2
    return (*parts[:middle], stream.garbage, *parts[middle:])


def _cut(parts: tuple[bytes, ...], orders: Orders) -> tuple[bytes, ...]:
    assert orders.cut is not None
    kept = parts[: orders.cut]
    if orders.garbage and orders.cut < len(parts):  # both together: the connection ends inside a frame
        torn = parts[orders.cut]
        kept = (*kept, torn[: len(torn) // 2])
    return kept
