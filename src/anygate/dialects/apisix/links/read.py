"""A stack file's text to a stack."""

from collections.abc import Mapping
from dataclasses import replace

from anygate.diagnostics import Related, Report, SourceFile
from anygate.dialects.apisix.links.ai_links import list_ai_fields, read_ai_link, read_weight
from anygate.dialects.apisix.links.apisix_block import read_apisix, read_gateways
from anygate.dialects.apisix.links.attributes import COMMON, VLLM_ALIASES, Setting, read_attributes
from anygate.dialects.apisix.links.components import read_components
from anygate.dialects.apisix.links.entry import Entry
from anygate.dialects.apisix.links.link_types import AI_LINKS, API_KEY_TYPES, GATEWAY_LINK, LINK_TYPES
from anygate.dialects.apisix.links.linking import Targets, find_alias, find_component, find_gateway
from anygate.dialects.apisix.links.names import read_domain, read_name, read_object_name
from anygate.dialects.apisix.links.rules.linking import UNKNOWN_LINK
from anygate.dialects.apisix.links.rules.ports import ROUTE_ALL
from anygate.dialects.apisix.links.rules.shape import DOMAIN, MISSING_FIELD, NAME, SHAPE
from anygate.dialects.apisix.links.secrets import mask_secrets, mask_text
from anygate.dialects.apisix.links.stack import AiLink, Component, DirectLink, GatewayLink, Stack
from anygate.manifests.found import describe_type
from anygate.manifests.names import suggest_word
from anygate.manifests.tree import Tree
from anygate.manifests.yaml import parse_documents

_FIELDS = ("domain", "stack", "namespace", "apisix", "components", "links")
_LINK_FIELDS = ("link", "type", "to", "target")
_LONGEST_LABEL = 63
Link = DirectLink | GatewayLink | AiLink


def read_stack(source: SourceFile, environment: Mapping[str, str], report: Report) -> Stack | None:
    """Read a stack; None when there is none to speak of. What it says is sound only if nothing was reported."""
    found = list(parse_documents(source, unread := Report()))
    _adopt(unread, source, report)
    documents = [tree for tree in found if tree.value is not None]
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        if not report.has_errors:
            _refuse_shape(source, documents, report)
        return None
    if report.has_errors:
        return None
    tree = documents[0]
    shown = Tree(tree.value, mask_secrets(tree), tree.offset, tree.slots, tree.at)
    return _read(Entry(tree.value, shown, (), report, source), environment)


def _adopt(unread: Report, source: SourceFile, report: Report) -> None:
    """Take over what is wrong with the YAML itself, whose lines may hold a secret."""
    if not unread.diagnostics:
        return
    shown = mask_text(source)
    report.extend(
        [
            replace(
                one,
                span=replace(one.span, file=shown) if one.span is not None else None,
                related=tuple(Related(other.message, replace(other.span, file=shown)) for other in one.related),
            )
            for one in unread.diagnostics
        ]
    )


def _refuse_shape(source: SourceFile, documents: list[Tree], report: Report) -> None:
    hint = "see `anygate new stack NAME` for one to start from"
    if not documents:
        report.add(SHAPE, "the stack file is empty", source.span(0, 0), hint=hint)
    elif len(documents) > 1:
        message = "expected one document, found a second one"
        report.add(SHAPE, message, documents[1].span(), hint="a stack is one mapping; objects go to other files")
    else:
        message = f"expected a mapping, found {describe_type(documents[0].value)}"
        report.add(SHAPE, message, documents[0].span(), hint=hint)


def _read(entry: Entry, environment: Mapping[str, str]) -> Stack:
    entry.check_keys(_FIELDS)
    place = entry.get("domain")
    if place is None:
        entry.refuse(DOMAIN, 'missing field "domain"', hint='add "domain: NAME"; hosts are made of it')
    domain = (read_domain(place) if place is not None else None) or "domain.invalid"
    name = _read_stack_name(entry)
    default = entry.get("namespace")
    namespace = read_name(default) if default is not None else None
    apisix = read_apisix(entry)
    setting = Setting(domain, apisix, environment)
    components = read_components(entry, namespace or "default")
    gateways = read_gateways(entry, "gateways", setting)
    ai_gateways = read_gateways(entry, "ai_gateways", setting)
    broken = frozenset(one.name for one in components if not one.type)
    targets = Targets({one.name: one for one in components}, gateways, ai_gateways, broken)
    links = _read_links(entry, targets, setting)
    return Stack(
        domain=domain,
        name=name or domain.split(".")[0],
        apisix=apisix,
        components=components,
        gateways=gateways,
        ai_gateways=ai_gateways,
        direct=tuple(one for one in links if isinstance(one, DirectLink)),
        gateway_links=tuple(one for one in links if isinstance(one, GatewayLink)),
        ai_links=tuple(one for one in links if isinstance(one, AiLink)),
    )


def _read_stack_name(entry: Entry) -> str | None:
    """The name of the stack, which becomes the value of a label."""
    found = entry.get("stack")
    name = read_object_name(found) if found is not None else None
    if found is None or name is None or len(name) <= _LONGEST_LABEL:
        return name
    message = f"the name of the stack has {len(name)} characters"
    found.refuse(NAME, message, hint=f"the value of a label has at most {_LONGEST_LABEL}")
    return None


def _read_links(stack: Entry, targets: Targets, setting: Setting) -> list[Link]:
    found = stack.get("links")
    items = found.sequence() if found is not None else None
    links = [_read_link(item, targets, setting) for item in items.items()] if items is not None else []
    return [link for link in links if link is not None]


def _read_link(item: Entry, targets: Targets, setting: Setting) -> Link | None:
    link = item.mapping()
    place = find_alias(link, "link", "type") if link is not None else None
    if link is None or place is None:
        if link is not None:
            link.refuse(MISSING_FIELD, 'missing field "link"', hint="the type of the link, such as apisix-fastapi")
        return None
    link_type = place.text()
    if link_type is None:
        return None
    if link_type not in LINK_TYPES:
        hint = suggest_word(link_type, LINK_TYPES) or suggest_word(f"apisix-{link_type}", LINK_TYPES)
        hint = hint or "direct links begin with apisix-, those of gateways with gateway- or ai_gateway-"
        place.refuse(UNKNOWN_LINK, f'"{link_type[:60]}" is not a type of link', hint=hint)
        return None
    if link_type in AI_LINKS:
        link.check_keys((*_LINK_FIELDS, *list_ai_fields(link_type)))
        return read_ai_link(link, link_type, targets, setting)
    if link_type == GATEWAY_LINK:
        link.check_keys((*_LINK_FIELDS, "from", "weight", "port"))
        return _read_gateway_link(link, targets)
    return _read_direct_link(link, link_type.removeprefix("apisix-"), targets, setting)


def _read_direct_link(link: Entry, component_type: str, targets: Targets, setting: Setting) -> DirectLink | None:
    link.check_keys((*_LINK_FIELDS, *list_direct_fields(component_type)))
    component = find_component(link, component_type, targets)
    needs_subdomain = component is None or not _has_only_streams(link, component)
    attributes = read_attributes(link, setting, needs_subdomain=needs_subdomain)
    if component is None:
        return None
    if attributes.route_all and component_type != "image_base" and not component.stream_ports:
        place = link.get("route_all") or link
        hint = "leave it out, or list stream_ports on the component"
        if component.entry.get("stream_ports") is None:
            place.refuse(ROUTE_ALL, f"a component of type {component_type} has no list of ports", hint=hint)
    return DirectLink(f"apisix-{component_type}", component, attributes)


def list_direct_fields(component_type: str) -> tuple[str, ...]:
    """The attributes of a type of direct link."""
    fields: tuple[str, ...] = (*COMMON, "paths", "route_all")
    if component_type in API_KEY_TYPES:
        fields += ("api_key",)
    if component_type == "vllm":
        fields += VLLM_ALIASES
    return (*fields, "pipelines_subdomain") if component_type == "open-webui" else fields


def _has_only_streams(link: Entry, component: Component) -> bool:
    """Whether a link needs no host: every routed port of its component is a stream."""
    route_all = link.get("route_all")
    if component.type != "image_base" or route_all is None or not route_all.as_flag():
        return False
    routed = [port for port in component.ports if port.is_stream or port.protocol == "TCP"]
    streams = [*(port for port in routed if port.is_stream), *component.stream_ports]
    return bool(streams) and all(port.is_stream for port in routed) and component.port is None


def _read_gateway_link(link: Entry, targets: Targets) -> GatewayLink | None:
    gateway = find_gateway(link, targets.gateways, "gateway", targets)
    component = find_component(link, "external_source_code", targets)
    weight = read_weight(link)
    place = link.get("port")
    port = place.number(1, 65535) if place is not None else None
    if gateway is None or component is None:
        return None
    return GatewayLink(gateway, component, weight, port or component.port or 80, link)
