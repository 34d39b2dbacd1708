"""Which local address and port each listener gets: those of the manifests where a user may have them."""

from dataclasses import dataclass

from anygate.envoy.placement import Placement, Socket
from anygate.errors import EnvironmentProblem
from anygate.model import Listener, Model

FIRST_FREE_PORT = 1024
LIFT = 10_000
"""Ports that need privileges are moved up by this much."""


@dataclass(frozen=True)
class Placed:
    """Where one listener is bound; `moved` says that the port is not the one in the manifest."""

    listener: Listener
    socket: Socket

    @property
    def moved(self) -> bool:
        """Whether the port differs from the manifest's."""
        return self.socket.port != self.listener.port


def place(model: Model, address: str, offset: int, access_log: str = "") -> tuple[Placement, tuple[Placed, ...]]:
    """Choose a socket for every listener.

    Two gateways may want one port, for in a cluster each has an address of its own; on loopback the later ones
    get 127.0.0.2 and so on, elsewhere there is only one address and that is an EnvironmentProblem.
    """
    taken: dict[tuple[str, int, str], Listener] = {}
    placed = []
    for gateway in model.gateways:
        for listener in gateway.listeners:
            port = listener.port + offset
            if port < FIRST_FREE_PORT:
                port += LIFT
            if port > 65535:
                raise EnvironmentProblem(f"{listener.name}: port {port} does not exist, lower --port-offset")
            socket = _find_free(Socket(address, port), listener, taken)
            taken[socket.address, socket.port, listener.transport] = listener
            placed.append(Placed(listener, socket))
    sockets = {one.listener.name: one.socket for one in placed}
    return Placement(address=address, sockets=sockets, access_log=access_log), tuple(placed)


def _find_free(
    wanted: Socket, listener: Listener, taken: dict[tuple[str, int, str], Listener]
) -> Socket:
    socket = wanted
    number = 1
    while (socket.address, socket.port, listener.transport) in taken:
        other = taken[socket.address, socket.port, listener.transport]
        number += 1
        if not wanted.address.startswith("127.") or number > 250:
            raise EnvironmentProblem(
                f"{listener.name} and {other.name} both want {socket.address}:{socket.port}; "
                "bind to 127.0.0.1 so that each gateway can have a loopback address of its own"
            )
        socket = Socket(f"127.0.0.{number}", wanted.port)
    return socket
