"""The direct links, `apisix-*`: one or more routes from hosts of their own to one component."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from anygate.dialects.apisix.links.front import Consumer, Front, Node, name_host
from anygate.dialects.apisix.links.link_types import KEYCLOAK_X, MULTI_PORT, TARGETS, Target
from anygate.dialects.apisix.links.plugins import build_plugins, make_consumer
from anygate.dialects.apisix.links.rules.ports import NO_HTTP_PORT, POSTGRESQL_HTTP, UDP_NOT_ROUTED
from anygate.dialects.apisix.links.stack import Component, DirectLink, Options, Port, Stack


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """What one link is written as. `streams` are those ports of its component that this link routes."""

    link: DirectLink
    fronts: tuple[Front, ...]
    consumer: Consumer | None
    streams: tuple[Port, ...]


def build_direct(stack: Stack, options: Options) -> list[Instance]:
    """Every direct link, sorted by component."""
    number: dict[str, int] = defaultdict(int)
    has_streams: set[str] = set()
    instances = []
    for link in stack.direct:
        name = link.component.name
        number[name] += 1
        # Objects of a second link to one component are told apart by its subdomain.
        subdomain = link.attributes.subdomain
        prefix = name if number[name] == 1 or not subdomain else f"{name}-{subdomain}"
        streams = () if name in has_streams else _list_streams(link)
        has_streams |= {name} if streams else set()
        instances.append(_build_instance(stack, link, prefix, streams, options))
    return sorted(instances, key=lambda one: one.link.component.name)


def _build_instance(
    stack: Stack, link: DirectLink, prefix: str, streams: tuple[Port, ...], options: Options
) -> Instance:
    fronts: tuple[Front, ...] = ()
    consumer = None
    _check_ports(link)
    if link.attributes.subdomain:
        plugins = build_plugins(link.attributes, prefix, stack.apisix.namespace)
        fronts = tuple(
            replace(front, plugins=plugins, extra_hosts=() if number else link.attributes.extra_hosts)
            for number, front in enumerate(_list_fronts(stack, link, prefix, options))
        )
        consumer = make_consumer(prefix, link.attributes, link.component.name)
    return Instance(link, fronts, consumer, streams)


def _list_fronts(stack: Stack, link: DirectLink, prefix: str, options: Options) -> Iterator[Front]:
    component, subdomain = link.component, link.attributes.subdomain
    if component.type == MULTI_PORT:
        for number, port in enumerate(list_http_ports(link)):
            target = Target("{n}", port.number, port.name if number else "", f"{port.name}-{{}}" if number else "{}")
            scheme = component.scheme if component.scheme and not number else infer_scheme(port.name, component)
            yield _make_front(stack, link, prefix, target, scheme, subdomain)
        return
    targets = KEYCLOAK_X if component.type == "keycloak" and "keycloak-x" in component.tag else TARGETS[component.type]
    for target in targets:
        if target.suffix == "alertmanager" and not component.alertmanager:
            continue
        host = subdomain
        if target.suffix == "pipelines":
            host = link.attributes.pipelines_subdomain
            target = replace(target, host="{}")  # noqa: PLW2901 - the host is the link's own
            if not host:
                continue
        if target.suffix == "api" and options.layout == "stacktic":
            target = replace(target, host="api.{}")  # noqa: PLW2901 - as the original names it
        yield _make_front(stack, link, prefix, target, component.scheme or "http", host)


def _make_front(stack: Stack, link: DirectLink, prefix: str, target: Target, scheme: str, subdomain: str) -> Front:
    component, attributes = link.component, link.attributes
    service = target.service.format(n=component.name, kafka=component.kafka)
    # What a component says about its Service holds for others only where they are ports of the same Service.
    is_first = not target.suffix
    if component.service and (is_first or target.service == "{n}"):
        service = component.service
    port = component.port if component.port is not None and is_first else target.port
    host = name_host(service, component.namespace, component.cluster_domain)
    return Front(
        prefix=f"{prefix}-{target.suffix}" if target.suffix else prefix,
        component=component.name,
        hosts=(f"{target.host.format(subdomain)}.{stack.domain}",),
        nodes=(Node(host, port),),
        entry=attributes.entry,
        paths=attributes.paths or ("/*",),
        scheme=scheme if is_first or component.type == MULTI_PORT else "http",
        timeout=attributes.timeout,
        websocket=attributes.websocket,
    )


def list_http_ports(link: DirectLink) -> list[Port]:
    """The ports of a component that get an HTTP route: the first TCP port, and the others with route_all."""
    component = link.component
    found = [port for port in component.ports if port.protocol == "TCP" and not port.is_stream]
    if not found and component.port is not None:
        found = [Port("http", component.port, "TCP", is_stream=False, span=link.attributes.entry.span)]
    return found if link.attributes.route_all else found[:1]


def _list_streams(link: DirectLink) -> tuple[Port, ...]:
    if not link.attributes.route_all:
        return ()
    component = link.component
    return (*(port for port in component.ports if port.is_stream), *component.stream_ports)


def infer_scheme(name: str, component: Component) -> str:
    """What a port speaks, from its name."""
    if component.infer_scheme:
        for scheme in ("grpc", "https"):
            if name == scheme or name.startswith(f"{scheme}-") or name.endswith(f"-{scheme}"):
                return scheme
    return "http"


def _check_ports(link: DirectLink) -> None:
    component, attributes = link.component, link.attributes
    if component.type == "postgresql" and component.port is None:
        place = attributes.entry.get("link") or attributes.entry.get("type") or attributes.entry
        hint = "give the component the port of its HTTP front, or use stream_ports with route_all"
        place.refuse(POSTGRESQL_HTTP, "PostgreSQL does not speak HTTP", hint=hint)
    if component.type != MULTI_PORT or not component.is_sound:
        return
    if attributes.route_all:
        _check_udp(component.ports, component)
    if not list_http_ports(link) and not _list_streams(link):
        place = attributes.entry.get("to") or attributes.entry.get("target") or attributes.entry
        has_streams = any(port.is_stream for port in component.ports) or component.stream_ports
        hint = "set route_all: true to route its streams" if has_streams else "add a port such as http:8000:TCP"
        place.refuse(NO_HTTP_PORT, f'"{component.name}" has no TCP port for HTTP', hint=hint)


def _check_udp(ports: Sequence[Port], component: Component) -> None:
    place = component.entry.get("ports")
    for port in ports:
        if port.protocol == "UDP" and not port.is_stream and place is not None:
            hint = f"write {port.name}:{port.number}:UDP:stream"
            message = f'the UDP port "{port.name}" is not routed, since it is not a stream'
            place.refuse(UDP_NOT_ROUTED, message, span=port.span, hint=hint)
