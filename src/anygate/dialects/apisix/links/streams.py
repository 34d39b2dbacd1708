"""The L4 routes of stream ports, each with a port of the load balancer of its own."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from anygate.diagnostics import Related
from anygate.dialects.apisix.links.direct import Instance
from anygate.dialects.apisix.links.front import ObjectWriter, Written
from anygate.dialects.apisix.links.rules.ports import STREAM_PORT_RESERVED, STREAM_PORT_TAKEN
from anygate.dialects.apisix.links.stack import Component, Options, Port


def write_stream_upstream(instance: Instance, writer: ObjectWriter, options: Options) -> Iterator[Written]:
    """One ApisixUpstream for all streams of a component; the controller finds it by the name of the Service."""
    component = instance.link.component
    # A setting of a port has one scheme, so that none can be given for a number that both transports use.
    uses = Counter(port.number for port in instance.streams)
    single = sorted(port.number for port in instance.streams if uses[port.number] == 1)
    protocols = {port.number: port.protocol.lower() for port in instance.streams}
    spec: dict[str, Any] = {"portLevelSettings": [{"port": one, "scheme": protocols[one]} for one in single]}
    if options.controller != "2.2":
        # Releases before 2.2 know neither tcp nor udp.
        spec = {"loadbalancer": {"type": "roundrobin"}}
    elif not single:
        return
    name = name_service(component)
    yield writer.write(
        "ApisixUpstream", name, spec, component.name, instance.link.attributes.entry, component.namespace
    )


def write_stream_routes(instance: Instance, writer: ObjectWriter) -> Iterator[Written]:
    """One ApisixRoute for each stream, beside the Service that it goes to."""
    component, attributes = instance.link.component, instance.link.attributes
    for port in instance.streams:
        rule: dict[str, Any] = {
            "name": port.name,
            "protocol": port.protocol,
            "match": {"ingressPort": port.number},
            "backend": {"serviceName": name_service(component), "servicePort": port.number},
        }
        if attributes.whitelist:
            config = {"whitelist": list(attributes.whitelist)}
            rule["plugins"] = [{"name": "ip-restriction", "enable": True, "config": config}]
        name = f"{component.name}-{port.name}-stream"
        spec = {"stream": [rule]}
        yield writer.write("ApisixRoute", name, spec, component.name, attributes.entry, component.namespace)


def name_service(component: Component) -> str:
    """The Service of a component's streams."""
    return component.service or component.name


def check_stream_ports(instances: Iterable[Instance], reserved: frozenset[int]) -> None:
    """Report every stream port that another component has, or APISIX itself."""
    owners: dict[int, tuple[Component, Port]] = {}
    for instance in sorted(instances, key=_find_place):
        component = instance.link.component
        for port in instance.streams:
            place = component.entry.get("ports" if port in component.ports else "stream_ports") or component.entry
            if port.number in reserved:
                hint = f"choose another one; reserved are {', '.join(map(str, sorted(reserved)))}"
                message = f"stream port {port.number} ({port.name}) is reserved for APISIX"
                place.refuse(STREAM_PORT_RESERVED, message, span=port.span, hint=hint)
                continue
            owner, first = owners.setdefault(port.number, (component, port))
            if owner is not component:
                message = f"stream port {port.number} ({port.name}) is already used by {owner.name} ({first.name})"
                related = [Related("first used here", first.span)]
                hint = "every stream port belongs to one component of the stack"
                place.refuse(STREAM_PORT_TAKEN, message, span=port.span, hint=hint, related=related)


def _find_place(instance: Instance) -> tuple[int, int]:
    """Where the component stands in the file, so that the second of two is the one that is refused."""
    return instance.link.component.entry.tree.start()
