"""The addresses behind a Service, from EndpointSlices, Endpoints or an external name."""

from collections import defaultdict
from collections.abc import Iterable

from anygate.manifests.core import EndpointPort, Endpoints, EndpointSlice, Service, ServicePort
from anygate.manifests.index import Index
from anygate.model.backend import Endpoint, EndpointGroup


def find_endpoints(index: Index, service: Service, port: ServicePort) -> tuple[EndpointGroup, ...] | None:
    """Endpoints by zone; None when nothing in the manifests says where the Service is."""
    if service.spec.type == "ExternalName" and service.spec.external_name:
        endpoint = Endpoint(host=service.spec.external_name, port=port.port)
        return (EndpointGroup(endpoints=(endpoint,)),)
    slices = index.endpoint_slices(service.namespace, service.name)
    if slices:
        return _from_slices(slices, port)
    legacy = index.endpoints(service.namespace, service.name)
    return _from_endpoints(legacy, port) if legacy else None


def _from_slices(slices: Iterable[EndpointSlice], port: ServicePort) -> tuple[EndpointGroup, ...]:
    zones: dict[str, list[Endpoint]] = defaultdict(list)
    for part in slices:
        number = _port_number(part.ports, port)
        if number is None:
            continue
        for endpoint in part.endpoints:
            # A pod that is going but still serves keeps its sessions and gets no new ones.
            draining = bool(endpoint.conditions.terminating and endpoint.conditions.serving)
            if not endpoint.is_ready and not draining:
                continue
            for address in endpoint.addresses:
                zones[endpoint.zone].append(Endpoint(host=address, port=number, draining=draining))
    return _grouped(zones)


def _from_endpoints(endpoints: Endpoints, port: ServicePort) -> tuple[EndpointGroup, ...]:
    zones: dict[str, list[Endpoint]] = defaultdict(list)
    for subset in endpoints.subsets:
        number = _port_number(subset.ports, port)
        if number is not None:
            zones[""].extend(Endpoint(host=address.ip, port=number) for address in subset.addresses)
    return _grouped(zones)


def _port_number(ports: Iterable[EndpointPort], port: ServicePort) -> int | None:
    """The number of the port that carries the Service port: the one of the same name."""
    return next((one.port for one in ports if one.name == port.name), None)


def _grouped(zones: dict[str, list[Endpoint]]) -> tuple[EndpointGroup, ...]:
    """Groups by zone, weighted by their size so that every endpoint gets the same share."""
    distinct = {zone: tuple(dict.fromkeys(zones[zone])) for zone in sorted(zones)}
    return tuple(EndpointGroup(endpoints=found, zone=zone, weight=len(found)) for zone, found in distinct.items())
