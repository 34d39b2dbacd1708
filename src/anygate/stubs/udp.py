"""A UDP stub: every datagram goes back to its sender; asked for its name, it says which backend it is."""

import asyncio
from typing import Any, cast

from anygate.stubs.request_log import RequestLog
from anygate.stubs.tcp import NAME_QUESTION


class UdpEcho(asyncio.DatagramProtocol):
    """One bound UDP port."""

    __slots__ = ("_blocked", "_log", "_transport")

    def __init__(self, log: RequestLog) -> None:
        self._log = log
        self._blocked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Send the datagram back, or the name if it asks for it."""
        self._log.count += 1
        if data == NAME_QUESTION:
            data = f"{self._log.backend.name}\n".encode()
        if not self._blocked:  # UDP may lose datagrams; memory must not grow instead
            self._transport.sendto(data, addr)

    def error_received(self, exc: Exception) -> None:
        """Ignore it: a sender that is gone already concerns nobody."""

    def pause_writing(self) -> None:
        """Drop datagrams while the socket takes none."""
        self._blocked = True

    def resume_writing(self) -> None:
        """Go on."""
        self._blocked = False
