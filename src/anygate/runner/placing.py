"""Which local address and port each listener gets: those of the manifests where a user may have them."""

from dataclasses import dataclass

from anygate.envoy.placement import LOOPBACK, Placement, Socket
from anygate.errors import EnvironmentProblem
from anygate.model import Listener, Model

FIRST_FREE_PORT = 1024
LIFT = 10_000
"""Ports that need privileges are moved up by this much."""

_LAST_PORT = 65_535
_MOST_LOOPBACKS = 250
_BLOCK = 100


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
    get 127.0.0.2 and so on, elsewhere there is only one address and that is an EnvironmentProblem. Of sidecars, whose
    ports nobody wrote, the later ones have all of theirs higher by hundreds.
    """
    taken: dict[tuple[str, int, str], Listener] = {}
    sockets: dict[str, Socket] = {}
    blocks = _find_blocks(model)
    listeners = [listener for gateway in model.gateways for listener in gateway.listeners]
    # Who can have the port that it names comes first: a lifted one has no claim to it.
    for listener in sorted(listeners, key=lambda one: one.port + offset < FIRST_FREE_PORT):
        own = offset + blocks.get(listener.name, 0)
        wanted = Socket(LOOPBACK if listener.loopback else address, _local_port(listener, own))
        socket = _find_free(wanted, listener, taken)
        taken[socket.address, socket.port, listener.transport] = listener
        sockets[listener.name] = socket
    placed = tuple(Placed(listener, sockets[listener.name]) for listener in listeners)
    return Placement(address=address, sockets=sockets, access_log=access_log, exclusive=True), placed


def _find_blocks(model: Model) -> dict[str, int]:
    """How much higher the listeners of each sidecar are, by name: sidecars all have the same ports of their own."""
    sidecars = [one for one in model.gateways if any(listener.local_port for listener in one.listeners)]
    return {listener.name: _BLOCK * number for number, gateway in enumerate(sidecars) for listener in gateway.listeners}


def _local_port(listener: Listener, offset: int) -> int:
    return move_port(listener.name, listener.local_port or listener.port, offset)


def move_port(name: str, written: int, offset: int) -> int:
    """The port that something of that name gets; raises EnvironmentProblem if there is none."""
    port = written + offset
    if port < FIRST_FREE_PORT:
        port += LIFT
    if port > _LAST_PORT:
        raise EnvironmentProblem(f"{name}: port {port} does not exist, lower --port-offset")
    return port


def _find_free(wanted: Socket, listener: Listener, taken: dict[tuple[str, int, str], Listener]) -> Socket:
    socket = wanted
    number = 1
    while (socket.address, socket.port, listener.transport) in taken:
        other = taken[socket.address, socket.port, listener.transport]
        number += 1
        if not wanted.address.startswith("127.") or number > _MOST_LOOPBACKS:
            raise EnvironmentProblem(
                f"{listener.name} and {other.name} both want {socket.address}:{socket.port}; "
                "bind to 127.0.0.1 so that each gateway can have a loopback address of its own"
            )
        socket = Socket(f"127.0.0.{number}", wanted.port)
    return socket
