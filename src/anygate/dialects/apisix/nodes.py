"""Where requests go: Services with their ports, and the nodes of ApisixUpstreams, each as a backend of the model."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

import msgspec

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.context import Context, Fault, origin
from anygate.dialects.apisix.findings import BACKEND_DROPPED, DISCOVERY, NO_ENDPOINTS, NOT_FOUND, NOT_HONOURED
from anygate.dialects.apisix.kinds.apisixroute import StreamBackend
from anygate.dialects.apisix.kinds.apisixupstream import ApisixUpstream, ExternalNode, UpstreamSettings
from anygate.dialects.apisix.subsets import keep_subset
from anygate.dialects.apisix.treatment import Scheme, Treatment, read_treatment
from anygate.dialects.endpoints import find_endpoints
from anygate.manifests.core import Service, ServicePort
from anygate.manifests.kind import Kind
from anygate.model.backend import Backend, Endpoint, EndpointGroup

_CLUSTER = ".svc.cluster.local"
_SCHEMES: Mapping[str, Scheme] = {"http": "http", "https": "https", "ws": "http", "wss": "https", "grpc": "grpc"}
_NO_SETTINGS = UpstreamSettings.model_construct()


@dataclass(frozen=True)
class Member:
    """One destination with its share of the requests: a backend that is not yet kept, and how it is talked to.

    `count` is the number of nodes that are known of it. One that `is_missing` is not there at all.
    """

    backend: Backend
    treatment: Treatment
    weight: Fraction
    count: int
    websocket: bool = False
    is_missing: bool = False


class Nodes:
    """Finds destinations; what is said about each object's settings is said once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._treatments: dict[tuple[int, FieldPath, Scheme], Treatment | Fault] = {}
        self._told: set[str] = set()
        self._broken = context.index.broken("ApisixUpstream")

    def find_service(
        self,
        owner: Kind,
        backend: StreamBackend,
        path: FieldPath,
        weight: int = 1,
        connect: timedelta | None = None,
        fallback: Scheme | None = None,
    ) -> Member | Fault:
        """The member that a port of a Service is; one that is not there is a missing one.

        The ApisixUpstream with the name of the Service says how it is talked to.
        """
        context, wanted, said = self._context, backend.service_port, backend.overrides
        namespace = said.namespace or owner.namespace
        service = context.index.service(namespace, backend.service_name)
        port = _find_port(service, wanted)
        number = port.port if port is not None else wanted if isinstance(wanted, int) else 0
        scheme = fallback or said.scheme or _said_scheme(port) or "http"
        treatment = self._service_treatment(owner, namespace, backend.service_name, number, scheme)
        if isinstance(treatment, Fault):
            return treatment if treatment.path else replace(treatment, path=(*path, "serviceName"))
        treatment = _with_connect(treatment, connect)
        if said.retries is not None:
            treatment = replace(treatment, retries=said.retries)
        name = f"apisix/Service/{namespace}/{backend.service_name}/{number or wanted}"
        if treatment.protocol in ("tcp", "udp"):
            name += f"/{treatment.protocol}"
        name += _suffix(backend, connect) + (f"/{said.scheme}" if said.scheme else "")
        groups: tuple[EndpointGroup, ...] | None = None
        if service is not None and port is not None:
            groups = self._locate(service, port, backend, owner, path)
            if groups is None and name not in self._told:
                self._told.add(name)
                text = f"{service.ref} has no endpoints here; its requests are answered with 503"
                hint = f"run with --stub, or with --resolve {service.name}=127.0.0.1:PORT"
                context.note(NO_ENDPOINTS, text, service, (), hint)
        made = Backend(
            origin=origin(service if service is not None else owner, () if service is not None else path),
            name=name,
            service=backend.service_name,
            namespace=namespace,
            port=number,
            protocol=treatment.protocol,  # type: ignore[arg-type]
            groups=groups or (),
            tls=treatment.tls,
            connection=treatment.connection,
        )
        return Member(
            made,
            treatment,
            Fraction(weight),
            sum(len(group.endpoints) for group in made.groups),
            websocket=port is not None and port.app_protocol.removeprefix("kubernetes.io/") in ("ws", "wss"),
            is_missing=port is None,
        )

    def find_upstream(
        self, owner: Kind, name: str, path: FieldPath, weight: int = 1, connect: timedelta | None = None
    ) -> list[Member] | Fault:
        """The nodes of an ApisixUpstream with their shares of its weight."""
        item = self._context.find(ApisixUpstream, owner.namespace, name)
        if item is None:
            written = self._context.index.find(ApisixUpstream, owner.namespace, name)
            absent = "is not valid" if self._is_broken(owner.namespace, name) else "does not exist"
            why = absent if written is None else "is not served"
            return Fault(NOT_FOUND, f"ApisixUpstream {owner.namespace}/{name} {why}", path)
        nodes = item.spec.external_nodes
        if nodes is None and item.spec.discovery is None:
            text = f"ApisixUpstream {owner.namespace}/{name} has no externalNodes and no discovery"
            return Fault(NOT_FOUND, text, path)
        treatment = self._treatment(item, item.spec, ("spec",), "http")
        if isinstance(treatment, Fault):
            return replace(treatment, message=f"{item.ref}: {treatment.message}", path=path)
        treatment = _with_connect(treatment, connect)
        label = f"apisix/ApisixUpstream/{item.namespace}/{item.name}"
        found = self._external(item, treatment, label + _at(connect))
        if isinstance(found, Fault):
            return replace(found, message=f"{item.ref}: {found.message}", path=path)
        whole = sum(member.weight for member in found)
        return [replace(member, weight=weight * member.weight / whole) for member in found if whole]

    def treat(self, item: Kind, settings: UpstreamSettings, path: FieldPath) -> Treatment | Fault:
        """How nodes are talked to whose settings stand at a field of any object."""
        return self._treatment(item, settings, path, "http")

    def make_node(
        self, item: Kind, host: str, port: int, weight: int, treatment: Treatment, name: str, path: FieldPath
    ) -> Member:
        """The member that a host is, with its own server name for TLS where it is shown as host with a port."""
        full = host
        if "." not in host and ":" not in host and host != "localhost":
            full = f"{host}.{item.namespace}{_CLUSTER}"
        hostname = full if port == treatment.default_port else f"{full}:{port}"
        is_shown = treatment.rewrite is not None and treatment.rewrite.host_from_backend
        if treatment.tls is not None and is_shown and hostname != full:
            treatment = replace(treatment, tls=msgspec.structs.replace(treatment.tls, sni=full, auto_sni=False))
        service, namespace = _split(full)
        endpoint = Endpoint(host=full, port=port, hostname=hostname if is_shown else full)
        made = Backend(
            origin=origin(item, path),
            name=name,
            service=service,
            namespace=namespace,
            port=port,
            protocol=treatment.protocol,  # type: ignore[arg-type]
            groups=(EndpointGroup(endpoints=(endpoint,)),),
            tls=treatment.tls,
            connection=treatment.connection,
        )
        return Member(made, treatment, Fraction(weight), 1)

    def _treatment(
        self, item: Kind, settings: UpstreamSettings, path: FieldPath, fallback: Scheme
    ) -> Treatment | Fault:
        key = (id(item), path, fallback)
        if key not in self._treatments:
            self._treatments[key] = read_treatment(self._context, item, settings, path, fallback)
        return self._treatments[key]

    def _service_treatment(
        self, owner: Kind, namespace: str, name: str, port: int, fallback: Scheme
    ) -> Treatment | Fault:
        item = self._context.find(ApisixUpstream, namespace, name)
        if item is None and self._is_broken(namespace, name):
            # It may say that nothing goes there without TLS.
            return Fault(NOT_FOUND, f"ApisixUpstream {namespace}/{name}, which is for this Service, is not valid")
        if item is None:
            return self._treatment(owner, _NO_SETTINGS, (), fallback)
        for index, one in enumerate(item.spec.port_level_settings):
            if one.port == port:
                return self._treatment(item, one, ("spec", "portLevelSettings", index), fallback)
        return self._treatment(item, item.spec, ("spec",), fallback)

    def _is_broken(self, namespace: str, name: str) -> bool:
        return any(one.ref[2:] == (namespace, name) for one in self._broken)

    def _locate(
        self, service: Service, port: ServicePort, backend: StreamBackend, owner: Kind, path: FieldPath
    ) -> tuple[EndpointGroup, ...] | None:
        """The endpoints of a Service, or the Service itself as one."""
        if backend.resolve_granularity == "service" and service.spec.type != "ExternalName":
            address = service.spec.cluster_ip
            host = address if address not in ("", "None") else f"{service.name}.{service.namespace}{_CLUSTER}"
            return (EndpointGroup(endpoints=(Endpoint(host=host, port=port.port, hostname=host),)),)
        groups = find_endpoints(self._context.index, service, port)
        if backend.subset:
            settings = self._context.find(ApisixUpstream, service.namespace, backend.service_name)
            kept = keep_subset(self._context, service, settings, backend.subset, groups or ())
            if isinstance(kept, str):
                self._context.note(NOT_HONOURED, kept, owner, (*path, "subset"))
                return groups
            return kept
        return groups

    def _external(self, item: ApisixUpstream, treatment: Treatment, label: str) -> list[Member] | Fault:
        discovery = item.spec.discovery
        if discovery is not None:
            if discovery.type != "dns":
                text = f"there is no registry of type {discovery.type} to ask here"
                return Fault(DISCOVERY, text, ("spec", "discovery", "type"), "use type dns, or externalNodes")
            if discovery.args:
                path: FieldPath = ("spec", "discovery", "args")
                self._context.note(NOT_HONOURED, "looking up a name takes no arguments", item, path)
            name, _, text = discovery.service_name.partition(":")
            number = int(text) if text.isdecimal() else treatment.default_port
            return [self.make_node(item, name, number, 1, treatment, label, ("spec", "discovery"))]
        found = []
        nodes = item.spec.external_nodes or ()
        for index, node in enumerate(nodes):
            place: FieldPath = ("spec", "externalNodes", index)
            host = self._host_of(item, node, place)
            if host is None or not node.weight:
                continue
            port = node.port or treatment.default_port
            name = label if len(nodes) == 1 else f"{label}/{host}:{port}/{index}"
            found.append(self.make_node(item, host, port, node.weight, treatment, name, place))
        return found

    def _host_of(self, item: ApisixUpstream, node: ExternalNode, path: FieldPath) -> str | None:
        if node.type == "Domain":
            return node.name
        service = self._context.index.service(item.namespace, node.name)
        if service is not None and service.spec.type == "ExternalName" and service.spec.external_name:
            return service.spec.external_name
        text = f"Service {item.namespace}/{node.name} " + (
            "does not exist" if service is None else "is no ExternalName"
        )
        if str(path) + item.name not in self._told:
            self._told.add(str(path) + item.name)
            self._context.note(BACKEND_DROPPED, f"{text}; it is left out", item, (*path, "name"))
        return None


def _find_port(service: Service | None, wanted: Any) -> ServicePort | None:
    if service is None:
        return None
    for port in service.spec.ports:
        if wanted in (port.port, port.name) or str(port.port) == wanted:
            return port
    # An external name has no ports of its own.
    is_free = service.spec.type == "ExternalName" and isinstance(wanted, int)
    return ServicePort.model_construct(port=wanted, name="", app_protocol="") if is_free else None


def _said_scheme(port: ServicePort | None) -> Scheme | None:
    return _SCHEMES.get(port.app_protocol.removeprefix("kubernetes.io/")) if port is not None else None


def _with_connect(treatment: Treatment, connect: timedelta | None) -> Treatment:
    if connect is None:
        return treatment
    return replace(treatment, connection=msgspec.structs.replace(treatment.connection, connect_timeout=connect))


def _suffix(backend: StreamBackend, connect: timedelta | None) -> str:
    """What tells uses of a Service port apart that have to be backends of their own."""
    subset = f"/subset/{backend.subset}" if backend.subset else ""
    return subset + ("/service" if backend.resolve_granularity == "service" else "") + _at(connect)


def _at(connect: timedelta | None) -> str:
    return f"@{connect.total_seconds():g}s" if connect is not None else ""


def _split(host: str) -> tuple[str, str]:
    """The Service and namespace that a name of a cluster means; any other name is a service of its own."""
    first, _, rest = host.partition(".")
    namespace, _, suffix = rest.partition(".")
    return (first, namespace) if suffix in ("svc", "svc.cluster.local") else (host, "")
