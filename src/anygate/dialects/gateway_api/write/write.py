"""Model to objects: the parts of a conversion in the order in which they must run."""

from dataclasses import dataclass

from anygate.dialects.gateway_api.write.backends import Backends
from anygate.dialects.gateway_api.write.gateways import finish_gateways, write_gateways
from anygate.dialects.gateway_api.write.guests import Guests
from anygate.dialects.gateway_api.write.http_routes import HttpRoutes
from anygate.dialects.gateway_api.write.losses import Loss
from anygate.dialects.gateway_api.write.not_carried import name_losses
from anygate.dialects.gateway_api.write.objects import Document, Errand
from anygate.dialects.gateway_api.write.route_policies import RoutePolicies
from anygate.dialects.gateway_api.write.stream_routes import StreamRoutes
from anygate.dialects.gateway_api.write.tables import list_tables
from anygate.dialects.gateway_api.write.writing import Options, Writing
from anygate.dialects.guest_routes import Guest
from anygate.model.root import Model

__all__ = ["Options", "Written", "write_model"]

_ORDER = (
    "Gateway",
    "ConfigMap",
    "Service",
    "Backend",
    "BackendTLSPolicy",
    "ReferenceGrant",
    "ClientTrafficPolicy",
    "SecurityPolicy",
    "BackendTrafficPolicy",
    "EnvoyExtensionPolicy",
    "HTTPRouteFilter",
    "AIServiceBackend",
    "BackendSecurityPolicy",
    "AIGatewayRoute",
    "GRPCRoute",
    "HTTPRoute",
    "TLSRoute",
    "TCPRoute",
    "UDPRoute",
)
"""What is referred to comes first, and no route is there before what protects it."""


@dataclass(frozen=True)
class Written:
    """The objects in the order in which they are to be applied, what was lost, and what is left to people."""

    documents: tuple[Document, ...]
    losses: tuple[Loss, ...]
    errands: tuple[Errand, ...]


def write_model(model: Model, options: Options | None = None, guest: Guest | None = None) -> Written:
    """Write a model as Gateway API manifests; a guest writes the rules for which the Gateway API has no words."""
    writing = Writing(guest.prepare(model) if guest is not None else model, options or Options())
    backends = Backends(writing)
    policies = RoutePolicies(writing, backends)
    places = write_gateways(writing)
    routes = HttpRoutes(writing, backends, policies)
    guests = Guests(guest, writing, backends, policies)
    for table in list_tables(places, writing.losses):
        routes.write(guests.take(table))
    guests.finish()
    StreamRoutes(writing, backends, policies).write(places)
    policies.finish()
    finish_gateways(places)
    name_losses(writing, guest.carried if guest is not None else None)
    documents = sorted(writing.objects.documents, key=lambda one: (_ORDER.index(one.kind), one.namespace, one.name))
    return Written(tuple(documents), writing.losses.found, writing.objects.errands)
