"""The whole of what the manifests ask for."""

from collections.abc import Iterator

from anygate.model.backend import Backend
from anygate.model.listener import Gateway
from anygate.model.origin import Node
from anygate.model.route import HttpRule
from anygate.model.tls import Secret


class Model(Node, frozen=True):
    """The root: gateways with their listeners and routes, the backends they name, the secrets both name."""

    gateways: tuple[Gateway, ...] = ()
    backends: tuple[Backend, ...] = ()
    secrets: tuple[Secret, ...] = ()


def list_rules(model: Model) -> Iterator[HttpRule]:
    """Every rule for HTTP, in every place where it stands, those of stages included."""
    for gateway in model.gateways:
        servers = [server for listener in gateway.listeners for server in listener.servers]
        servers += [stage.server for stage in gateway.stages]
        for route in (route for server in servers for route in server.routes):
            yield from route.rules
