"""Who calls a node: a listener of a gateway, or the sidecar of another node; and what it asks of the connection."""

from typing import NamedTuple

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.context import Member
from anygate.dialects.app_mesh.kinds.connections import GatewayConnectionPool
from anygate.dialects.app_mesh.kinds.tls import BackendDefaults, ClientPolicy, ClientTls
from anygate.dialects.app_mesh.kinds.virtualgateway import GatewayListener


class Caller(NamedTuple):
    """A client of nodes.

    `policy` is its TLS, which stands at `path`; `pool` are its bounds. `own` tells its backends from those of others
    where it has either.
    """

    member: Member
    own: str = ""
    policy: ClientTls | None = None
    path: FieldPath = ()
    pool: GatewayConnectionPool | None = None


def gateway_caller(gateway: Member, listener: GatewayListener) -> Caller:
    """A listener of a gateway."""
    own, pool = f"@{gateway.namespace}/{gateway.name}", listener.connection_pool
    policy = _default_policy(gateway.spec.backend_defaults)
    if pool is not None:
        own = f"{own}/{listener.port_mapping.port}"
    return Caller(gateway, own if policy or pool else "", policy, _DEFAULTS, pool)


def sidecar_caller(node: Member, service: Member, number: int, given: ClientPolicy | None) -> Caller:
    """The sidecar of a node towards a service, its backend of that number; a policy that is given for it replaces the
    node's own as a whole."""
    own = f"@{node.namespace}/{node.name}"
    if given is None:
        policy = _default_policy(node.spec.backend_defaults)
        return Caller(node, own if policy else "", policy, _DEFAULTS)
    path = ("spec", "backends", number, "virtualService", "clientPolicy", "tls")
    return Caller(node, f"{own}/{service.aws_name}" if given.tls else "", given.tls, path)


def _default_policy(defaults: BackendDefaults | None) -> ClientTls | None:
    return defaults.client_policy.tls if defaults is not None and defaults.client_policy is not None else None


_DEFAULTS = ("spec", "backendDefaults", "clientPolicy", "tls")
