"""Where nodes are: by DNS, or, for those of AWS Cloud Map, at what the manifests know of their pods."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.context import Context, Member
from anygate.dialects.app_mesh.findings import CLOUD_MAP
from anygate.dialects.app_mesh.kinds.virtualnode import CloudMap
from anygate.dialects.app_mesh.shape_findings import NOT_HONOURED, SHORT_NAME
from anygate.manifests.core import Service
from anygate.manifests.selector import LabelSelector, selects
from anygate.model.backend import Endpoint

Family = Literal["", "v4", "v6", "v4_preferred", "v6_preferred"]
_FAMILIES: dict[str, Family] = {
    "IPv6_ONLY": "v6",
    "IPv4_ONLY": "v4",
    "IPv6_PREFERRED": "v6_preferred",
    "IPv4_PREFERRED": "v4_preferred",
}
_ADDRESS_TYPES: dict[Family, str] = {"v4": "IPv4", "v6": "IPv6"}


class Discovery(NamedTuple):
    """How a node is found: a name that is also what its certificate is for, and addresses where they are known.

    With `one_endpoint` all addresses of the name are one endpoint.
    """

    hostname: str
    one_endpoint: bool
    family: Family
    addresses: tuple[str, ...] = ()

    def list_endpoints(self, port: int) -> tuple[Endpoint, ...]:
        """The addresses, or the name, at a port of the node."""
        places = self.addresses or (self.hostname,)
        return tuple(Endpoint(host=place, port=port, hostname=self.hostname) for place in places)


def read_discovery(context: Context, node: Member) -> Discovery:
    """How a node with listeners is found."""
    found = node.spec.service_discovery
    if found.dns is None:
        return _read_registry(context, node)
    name = found.dns.name
    field = "hostname" if found.dns.hostname is not None else "hostName"
    if "." not in name and name != "localhost":
        full = f"{name}.{node.namespace}.svc.cluster.local"
        context.note(SHORT_NAME, f"{name} is read as {full}", node.kind, ("spec", "serviceDiscovery", "dns", field))
        name = full
    family = _read_family(context, node, found.dns.ip_preference)
    return Discovery(name, found.dns.response_type != "ENDPOINTS", family)


def _read_family(context: Context, node: Member, preference: str | None) -> Family:
    """The node's preference, which App Mesh's API has, or else that of its mesh."""
    mesh = context.meshes[node.ref].spec.mesh_service_discovery
    preference = preference or (mesh.ip_preference if mesh is not None else None)
    return _FAMILIES[preference] if preference else ""


def _read_registry(context: Context, node: Member) -> Discovery:
    """A node of AWS Cloud Map, where App Mesh wrote down the pods that the node selects, with their labels."""
    registry: CloudMap = node.spec.service_discovery.registry
    field = "awsCloudMap" if node.spec.service_discovery.aws_cloud_map is not None else "cloudMap"
    path: FieldPath = ("spec", "serviceDiscovery", field)
    name = f"{registry.service_name}.{registry.namespace_name}"
    family = _read_family(context, node, registry.ip_preference)
    services = [*_list_services(context, node, registry)]
    wanted = _ADDRESS_TYPES.get(family)
    slices = [one for service in services for one in context.index.endpoint_slices(service.namespace, service.name)]
    addresses = (
        address
        for part in slices
        if wanted in (None, part.address_type)
        for endpoint in part.endpoints
        if endpoint.is_ready
        for address in endpoint.addresses
    )
    known = tuple(dict.fromkeys(addresses))
    if known:
        names = " and ".join(f"Service {one.name}" for one in services)
        context.note(CLOUD_MAP, f"its instances are the endpoints of {names}", node.kind, path)
        return Discovery(name, False, family, known)
    hint = f"run with --resolve {name}=ADDRESS:PORT, or add the EndpointSlices of a Service that selects its pods"
    context.note(CLOUD_MAP, f"{name} is looked up in DNS", node.kind, path, hint)
    if registry.attributes:
        text = "instances are not told apart by attributes"
        context.note(NOT_HONOURED, text, node.kind, (*path, "attributes"))
    return Discovery(name, False, family)


def _list_services(context: Context, node: Member, registry: CloudMap) -> Iterator[Service]:
    """The Services of the node's namespace that select pods of the node and no others."""
    attributes = {one.key: one.value for one in registry.attributes}
    chosen = node.spec.pod_selector
    if chosen is None and not attributes:
        return
    by_labels = LabelSelector.model_construct(match_labels=attributes)
    for service in context.index.every(Service):
        labels = service.spec.selector
        # What does not stand in a Service's selector is not known of its pods.
        known = labels and all(one.operator in ("In", "Exists") for one in (chosen.match_expressions if chosen else ()))
        if service.namespace == node.namespace and known and selects(chosen or by_labels, labels):
            yield service
