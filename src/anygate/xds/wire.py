"""Between the bytes of the delta ADS protocol and its values."""

from dataclasses import dataclass

from anygate.envoy import api
from anygate.xds.messages import Request, Response

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
_REQUEST = "envoy.service.discovery.v3.DeltaDiscoveryRequest"
_RESPONSE = "envoy.service.discovery.v3.DeltaDiscoveryResponse"


@dataclass(frozen=True, slots=True)
class Node:
    """Who a client says it is: the `node` of its bootstrap."""

    id: str
    cluster: str


def parse_request(raw: bytes) -> tuple[Request, Node | None]:
    """Return the request in a message, and the node if it names one; the first of a stream does."""
    found = api.message(_REQUEST).FromString(raw)
    request = Request(
        type_url=found.type_url,
        subscribe=tuple(found.resource_names_subscribe),
        unsubscribe=tuple(found.resource_names_unsubscribe),
        initial_versions=dict(found.initial_resource_versions),
        nonce=found.response_nonce,
        error=found.error_detail.message if found.HasField("error_detail") else None,
    )
    node = Node(found.node.id, found.node.cluster) if found.HasField("node") else None
    return request, node


def serialise_response(response: Response) -> bytes:
    """Return the message of a response."""
    made = api.message(_RESPONSE)(type_url=response.type_url, nonce=response.nonce)
    made.removed_resources.extend(response.removed)
    for item in response.resources:
        entry = made.resources.add(name=item.name, version=item.version)
        entry.resource.type_url = item.type_url
        entry.resource.value = item.body
    return bytes(made.SerializeToString())
