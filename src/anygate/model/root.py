"""The whole of what the manifests ask for."""

from anygate.model.backend import Backend
from anygate.model.listener import Gateway
from anygate.model.origin import Node
from anygate.model.tls import Secret


class Model(Node, frozen=True):
    """The root: gateways with their listeners and routes, the backends they name, the secrets both name."""

    gateways: tuple[Gateway, ...] = ()
    backends: tuple[Backend, ...] = ()
    secrets: tuple[Secret, ...] = ()
