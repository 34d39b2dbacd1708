"""Where listeners are bound, which differs between a laptop and a fleet while the manifests stay the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from anygate.envoy.recording import AS_USUAL, Recording, Tracing
from anygate.model.listener import Listener

LOOPBACK = "127.0.0.1"
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - a gateway listens on every interface unless it is placed elsewhere


class Socket(NamedTuple):
    """An address and a port to bind."""

    address: str
    port: int


SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian, Ubuntu, Alpine and Envoy's own images keep the authorities that the machine trusts."""

CREDENTIALS = "/run/anygate/credentials"
"""Where files with keys are unless the placement says otherwise."""


@dataclass(frozen=True)
class Placement:
    """Where each listener is bound, and what else depends on the machine that Envoy runs on.

    `sockets` places single listeners by name; any other is bound to its own port on `address`, or on loopback if it
    is for this machine only. `access_log` is the path of a file that gets one JSON object for each request; empty
    means none, and `/dev/stdout` is a path too. `system_authorities` is the file of the authorities that the machine
    trusts. `exclusive` makes a TCP port that another process listens on an error, where Envoy would otherwise share it
    with another Envoy of the same user.

    The rest are paths of Unix sockets: `egress` is where Envoy takes what the adapter has translated, `adapters` are
    the adapter's own, one for each of its workers, `mcp` are those of the MCP gateway's workers, `services` is where
    the gRPC services listen that Envoy calls, and `sandbox` where the one does that runs plugins. Without them nothing
    is translated, no MCP endpoint answers, plugins and checks close their rules, and nothing else needs the services.
    `credentials` is the folder of files with keys that Envoy signs with. `recording` and `tracing` say what the
    services are told of AI requests.
    """

    address: str = ANY_ADDRESS
    sockets: Mapping[str, Socket] = field(default_factory=lambda: MappingProxyType({}))
    access_log: str = ""
    system_authorities: str = SYSTEM_AUTHORITIES
    exclusive: bool = False
    egress: str = ""
    adapters: tuple[str, ...] = ()
    services: str = ""
    mcp: tuple[str, ...] = ()
    sandbox: str = ""
    credentials: str = CREDENTIALS
    recording: Recording = AS_USUAL
    tracing: Tracing | None = None

    @property
    def recorded(self) -> Recording | None:
        """What is recorded of AI requests; nothing without the services that keep it."""
        return self.recording if self.services else None

    @property
    def traced(self) -> Tracing | None:
        """How AI requests are traced; not at all without the services that pass the spans on."""
        return self.tracing if self.services else None

    def socket(self, listener: Listener) -> Socket:
        """The address and port to bind for a listener."""
        address = LOOPBACK if listener.loopback else self.address
        return self.sockets.get(listener.name) or Socket(address, listener.local_port or listener.port)


AS_WRITTEN = Placement()
"""Every listener on the port that the manifests name, on every interface."""
