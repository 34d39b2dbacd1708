"""gateway.yaml: public hosts, each in front of several backends with weights."""

from collections import defaultdict

from anygate.diagnostics import Related
from anygate.dialects.apisix.links.front import Consumer, Front, Node, name_host
from anygate.dialects.apisix.links.plugins import build_plugins, make_consumer
from anygate.dialects.apisix.links.rules.attributes import WEIGHT
from anygate.dialects.apisix.links.rules.gateways import GATEWAY_EMPTY, GATEWAY_SCHEME
from anygate.dialects.apisix.links.rules.linking import DUPLICATE_LINK
from anygate.dialects.apisix.links.stack import Gateway, GatewayLink, Stack


def build_gateways(stack: Stack) -> list[tuple[Consumer | None, Front]]:
    """Every gateway that has a backend, sorted by name."""
    links: dict[str, list[GatewayLink]] = defaultdict(list)
    for link in stack.gateway_links:
        links[link.gateway.name].append(link)
    found = []
    for gateway in sorted(stack.gateways, key=lambda one: one.name):
        if gateway.name not in links:
            refuse_empty(gateway, "gateway")
            continue
        own = sorted(links[gateway.name], key=lambda one: (one.component.name, one.port))
        _check_links(own)
        consumer = make_consumer(gateway.name, gateway.attributes, gateway.name)
        found.append((consumer, _build_front(stack, gateway, own)))
    return found


def refuse_empty(gateway: Gateway, what: str) -> None:
    """Say that a gateway has no backends; where links could not be read, nobody knows."""
    if gateway.attributes.entry.report.has_errors:
        return
    place = gateway.attributes.entry.get("name") or gateway.attributes.entry
    hint = "add a link from it, or remove it"
    place.refuse(GATEWAY_EMPTY, f'no link goes out from the {what} "{gateway.name}"', hint=hint)


def _check_links(links: list[GatewayLink]) -> None:
    seen: dict[tuple[str, int], GatewayLink] = {}
    for link in sorted(links, key=lambda one: one.entry.tree.start()):
        first = seen.setdefault((link.component.name, link.port), link)
        if first is not link:
            related = [Related("first linked here", first.entry.span)]
            message = f'"{link.component.name}" is already a backend of the gateway "{link.gateway.name}"'
            link.entry.refuse(DUPLICATE_LINK, message, hint="give one link the sum of the weights", related=related)
    if not any(link.weight for link in links):
        place = links[0].entry.get("weight") or links[0].entry
        message = f'every backend of the gateway "{links[0].gateway.name}" has the weight 0'
        place.refuse(WEIGHT, message, hint="give one of them a weight above 0")
    schemes = {link.component.scheme or "http" for link in links}
    if len(schemes) > 1:
        message = f'the backends of the gateway "{links[0].gateway.name}" speak {" and ".join(sorted(schemes))}'
        links[0].entry.refuse(GATEWAY_SCHEME, message, hint="give them one scheme, or use two gateways")


def _build_front(stack: Stack, gateway: Gateway, links: list[GatewayLink]) -> Front:
    attributes = gateway.attributes
    return Front(
        prefix=gateway.name,
        component=gateway.name,
        hosts=(f"{attributes.subdomain}.{stack.domain}",),
        nodes=tuple(_make_node(link) for link in links),
        entry=attributes.entry,
        paths=attributes.paths or ("/*",),
        scheme=links[0].component.scheme or "http",
        timeout=attributes.timeout,
        websocket=attributes.websocket,
        plugins=build_plugins(attributes, gateway.name, stack.apisix.namespace),
        extra_hosts=attributes.extra_hosts,
    )


def _make_node(link: GatewayLink) -> Node:
    component = link.component
    host = name_host(component.service or component.name, component.namespace, component.cluster_domain)
    return Node(host, link.port, link.weight)
