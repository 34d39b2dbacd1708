"""What Envoy is to be given: serialised resources by type and name, each with a version of its content."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from types import MappingProxyType

LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105
TYPES = (SECRET, CLUSTER, ENDPOINTS, LISTENER, ROUTES)
"""Every resource type we serve, in the order in which a change is made safe: what is referred to comes first."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One Envoy resource. `body` is the serialised message and may hold secrets, so it is never shown."""

    type_url: str
    name: str
    body: bytes = field(repr=False)
    version: str


def resource(type_url: str, name: str, body: bytes) -> Resource:
    """Make a resource whose version is a digest of its content."""
    return Resource(type_url, name, body, blake2b(body, digest_size=10).hexdigest())


class Snapshot:
    """All resources of one compile: `snapshot[type_url][name]`. Immutable; equal content is equal."""

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        by_type: dict[str, dict[str, Resource]] = {type_url: {} for type_url in TYPES}
        for item in resources:
            if item.name in by_type[item.type_url]:
                raise ValueError(f"two {item.type_url} resources are called {item.name}")
            by_type[item.type_url][item.name] = item
        self._by_type = {type_url: MappingProxyType(found) for type_url, found in by_type.items()}

    def __getitem__(self, type_url: str) -> Mapping[str, Resource]:
        return self._by_type[type_url]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and self._by_type == other._by_type

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[Resource]:
        for found in self._by_type.values():
            yield from found.values()
