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


SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian, Ubuntu, Alpine and Envoy's own images keep the authorities that the machine trusts."""


@dataclass(frozen=True)
class Placement:
    """Where each listener is bound, and what else depends on the machine that Envoy runs on.

    `sockets` places single listeners by name; any other is bound to its own port on `address`. `access_log` is the
    path of a file that gets one JSON object for each request; empty means none, and `/dev/stdout` is a path too.
    `system_authorities` is the file of the authorities that the machine trusts. `exclusive` makes a TCP port that
    another process listens on an error, where Envoy would otherwise share it with another Envoy of the same user.
    """

    address: str = ANY_ADDRESS
    sockets: Mapping[str, Socket] = field(default_factory=lambda: MappingProxyType({}))
    access_log: str = ""
    system_authorities: str = SYSTEM_AUTHORITIES
    exclusive: bool = False

    def socket(self, listener: Listener) -> Socket:
        """The address and port to bind for a listener."""
        return self.sockets.get(listener.name) or Socket(self.address, listener.port)


AS_WRITTEN = Placement()
"""Every listener on the port that the manifests name, on every interface."""
