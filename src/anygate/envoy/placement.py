"""Where listeners are bound, which differs between a laptop and a fleet while the manifests stay the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from anygate.model.listener import Listener

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - a gateway listens on every interface unless it is placed elsewhere


class Socket(NamedTuple):
    """An address and a port to bind."""

    address: str
    port: int


@dataclass(frozen=True)
class Placement:
    """Where each listener is bound, and whether requests are logged.

    `sockets` places single listeners by name; any other is bound to its own port on `address`. `access_log` is the path
    of a file that gets one JSON object for each request; empty means none, and `/dev/stdout` is a path too.
    """

    address: str = ANY_ADDRESS
    sockets: Mapping[str, Socket] = field(default_factory=lambda: MappingProxyType({}))
    access_log: str = ""

    def socket(self, listener: Listener) -> Socket:
        """The address and port to bind for a listener."""
        return self.sockets.get(listener.name) or Socket(self.address, listener.port)


AS_WRITTEN = Placement()
"""Every listener on the port that the manifests name, on every interface."""
