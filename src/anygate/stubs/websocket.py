"""The stub's side of a WebSocket: every text and binary message comes back as it is."""

import base64
import binascii

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, generate_accept_token

from anygate.stubs.echo import EchoRequest
from anygate.stubs.wire import Wire


class HandshakeError(ValueError):
    """A request that asks for a WebSocket without what a handshake needs."""


def build_handshake(request: EchoRequest) -> list[tuple[str, str]]:
    """Return the headers of the 101 answer to `request`; the first subprotocol offered is chosen."""
    if request.method != "GET":
        raise HandshakeError("websocket: the method must be GET")
    if request.first("sec-websocket-version") != "13":
        raise HandshakeError("sec-websocket-version: expected 13")
    key = request.first("sec-websocket-key")
    if key is None or not _is_key(key):
        raise HandshakeError("sec-websocket-key: expected 16 bytes in base64")
    accepted = generate_accept_token(key.encode("ascii")).decode("ascii")
    headers = [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-accept", accepted)]
    offered = (request.first("sec-websocket-protocol") or "").split(",")[0].strip()
    if offered:
        headers.append(("sec-websocket-protocol", offered))
    return headers


class WebSocketEngine:
    """Echoes frames piece by piece, so a message of any size takes little memory."""

    __slots__ = ("_wire", "_ws")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        # No compression: it would cost each connection more memory than everything else here.
        self._ws = Connection(ConnectionType.SERVER)

    def receive(self, chunk: bytes) -> None:
        """Take bytes that arrived."""
        try:
            self._ws.receive_data(chunk)
        except LocalProtocolError:
            return  # already closed; what still arrives means nothing
        for event in self._ws.events():
            if isinstance(event, CloseConnection):
                if self._ws.state is ConnectionState.CLOSED:
                    self._wire.close()
                else:
                    self._close(event)
                return
            if self._ws.state is not ConnectionState.OPEN:
                continue
            if isinstance(event, TextMessage):
                if event.data or event.message_finished:
                    self._send(TextMessage(event.data, message_finished=event.message_finished))
            elif isinstance(event, BytesMessage):
                if event.data or event.message_finished:
                    self._send(BytesMessage(bytes(event.data), message_finished=event.message_finished))
            elif isinstance(event, Ping):
                self._wire.write(self._ws.send(event.response()))

    def end_input(self) -> None:
        """Learn that the peer sends no more."""
        self._wire.close()

    def resume(self) -> None:
        """Nothing waits here: reading stops instead while the peer is behind."""

    def finish(self) -> None:
        """Say goodbye; the peer's answer closes the connection."""
        if self._ws.state is ConnectionState.OPEN:
            goodbye = CloseConnection(code=CloseReason.GOING_AWAY, reason="stub stops")
            self._wire.write(self._ws.send(goodbye))

    def lose(self) -> None:
        """Nothing is kept."""

    def _send(self, message: TextMessage | BytesMessage) -> None:
        self._wire.write(self._ws.send(message))

    def _close(self, event: CloseConnection) -> None:
        if self._ws.state in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
            self._wire.write(self._ws.send(event.response()))
        self._wire.close()


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
