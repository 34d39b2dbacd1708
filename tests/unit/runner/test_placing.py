"""Where listeners are bound on one machine."""

import pytest

from anygate.envoy.placement import Placement, Socket
from anygate.errors import EnvironmentProblem
from anygate.model import Model
from anygate.model.listener import Gateway, Listener
from anygate.model.origin import Origin
from anygate.runner.placing import place

ORIGIN = Origin("Gateway", "default", "web")


def gateway(name: str, *listeners: Listener) -> Gateway:
    return Gateway(origin=ORIGIN, name=name, listeners=listeners)


def listener(name: str, port: int, local: int = 0, *, loopback: bool = False) -> Listener:
    return Listener(
        origin=ORIGIN, name=name, port=port, transport="tcp", servers=(), local_port=local, loopback=loopback
    )


def sidecar(name: str, *further: Listener) -> Gateway:
    own = (listener(f"{name}/in", 8080, 15000), listener(f"{name}/out", 80, 15001, loopback=True))
    return gateway(name, *own, *further)


def sockets(address: str, offset: int, *gateways: Gateway) -> dict[str, str]:
    placement, _ = place(Model(gateways=gateways), address, offset)
    return {name: f"{socket.address}:{socket.port}" for name, socket in placement.sockets.items()}


def test_sidecars_have_all_their_ports_in_hundreds_of_their_own() -> None:
    further = listener("b/further", 81, 15002, loopback=True)
    assert sockets("127.0.0.1", 0, sidecar("a"), sidecar("b", further)) == {
        "a/in": "127.0.0.1:15000",
        "a/out": "127.0.0.1:15001",
        "b/in": "127.0.0.1:15100",
        "b/out": "127.0.0.1:15101",
        "b/further": "127.0.0.1:15102",
    }


def test_what_leaves_a_workload_is_taken_on_loopback_wherever_the_rest_listens() -> None:
    assert sockets("0.0.0.0", 5, sidecar("a")) == {"a/in": "0.0.0.0:15005", "a/out": "127.0.0.1:15006"}
    assert Placement().socket(listener("out", 80, 15001, loopback=True)) == Socket("127.0.0.1", 15001)
    assert Placement().socket(listener("in", 80, 15000)) == Socket("0.0.0.0", 15000)


def test_gateways_that_want_one_port_have_addresses_of_their_own() -> None:
    both = (gateway("a", listener("a/80", 80)), gateway("b", listener("b/80", 80)))
    assert sockets("127.0.0.1", 0, *both) == {"a/80": "127.0.0.1:10080", "b/80": "127.0.0.2:10080"}
    with pytest.raises(EnvironmentProblem, match="both want"):
        sockets("0.0.0.0", 0, *both)
