"""What one pair of order and endpoint means, worked out once and kept."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from anygate.providers import Exchange
from anygate.providers.conversion import write_error
from anygate.providers.conversions import is_passthrough
from anygate.providers.edits import BodyEdits
from anygate.providers.formats import Backend, ClientFormat
from anygate.providers.order import EGRESS_HEADER, read_order
from anygate.providers.passage import Passage
from anygate.providers.paths import CLIENT_FORMATS, ENDPOINT_PATHS
from anygate.providers.refusal import ErrorReply

if TYPE_CHECKING:
    from anygate.model.inference import ModelEndpoint

ROUTE_LIMIT = 4096
_ENDPOINTS: "Mapping[bytes, ModelEndpoint]" = {endpoint.encode(): endpoint for endpoint in ENDPOINT_PATHS}


class Unroutable(Exception):  # noqa: N818 - an answer for the client, not a defect
    """The order or the endpoint cannot be read; both come from Envoy, so the configuration is wrong."""


class Route:
    """Where requests of one kind go and how they are converted. `labels` are those of the metrics."""

    __slots__ = ("backend", "client", "counted", "edits", "endpoint", "head", "labels", "passes")

    def __init__(self, endpoint: "ModelEndpoint", order: bytes, *, counted: bool = False) -> None:
        try:
            read = read_order(order)
            self.edits = BodyEdits(read.set, read.remove) if read.set or read.remove else None
        except (msgspec.MsgspecError, UnicodeError) as problem:
            raise Unroutable(f"the order cannot be read: {problem}") from None
        self.endpoint: ModelEndpoint = endpoint
        self.counted = counted
        self.backend: Backend = read.backend
        self.client: ClientFormat | None = CLIENT_FORMATS.get(endpoint)
        by_chat = read.chat_only and self.client is ClientFormat.RESPONSES
        self.passes = self.client is None or (not by_chat and is_passthrough(self.client, self.backend.format))
        self.head = f" HTTP/1.1\r\nhost: egress\r\n{EGRESS_HEADER}: {read.egress}\r\n"
        self.labels = (self.client or endpoint, self.backend.format.value)

    def open(self, headers: Mapping[str, str]) -> Exchange | Passage:
        """The conversion of one request."""
        if self.passes or self.client is None:
            return Passage(self.endpoint, self.client, self.backend, headers, self.edits, counted=self.counted)
        return Exchange(self.client, self.backend, headers=headers, lowered=True, counted=self.counted)


class Routes:
    """The routes seen so far; Envoy sends the same few orders again and again."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, bytes], Route] = {}

    def find(self, endpoint: bytes, order: bytes) -> Route:
        """The route for what Envoy said in its headers; raises Unroutable."""
        route = self._known.get((endpoint, order))
        if route is None:
            said, _, counted = endpoint.partition(b" ")
            name = _ENDPOINTS.get(said)
            if name is None or not order:
                raise Unroutable("the request has no order of the gateway")
            route = Route(name, order, counted=counted == b"true")
            if len(self._known) >= ROUTE_LIMIT:
                self._known.clear()
            self._known[endpoint, order] = route
        return route


def write_local_error(endpoint: bytes, status: int, message: str) -> bytes:
    """An error before any conversion was found, in the format of the endpoint if that is known."""
    name = _ENDPOINTS.get(endpoint.partition(b" ")[0])
    client = CLIENT_FORMATS.get(name, ClientFormat.CHAT) if name is not None else ClientFormat.CHAT
    return write_error(client, ErrorReply(status, message))
