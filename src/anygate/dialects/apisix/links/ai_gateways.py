"""ai_gateway.yaml and ai_gateway_external.yaml: models and providers behind the hosts of AI gateways."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

from anygate.diagnostics import Related
from anygate.dialects.apisix.links.ai_proxy import build_proxy
from anygate.dialects.apisix.links.front import Consumer, Front, Node, name_host
from anygate.dialects.apisix.links.gateways import refuse_empty
from anygate.dialects.apisix.links.link_types import AI_EXTERNAL, AI_MODEL
from anygate.dialects.apisix.links.plugins import build_plugins, make_consumer
from anygate.dialects.apisix.links.rules.attributes import ATTRIBUTE_UNUSED, WEIGHT
from anygate.dialects.apisix.links.rules.gateways import AI_CONFLICT, AI_LIMIT_INERT, AI_MERGE
from anygate.dialects.apisix.links.rules.linking import DUPLICATE_LINK
from anygate.dialects.apisix.links.stack import AiLink, Config, Gateway, Options, Stack

Place = tuple[str, str]
"""A host and a path."""


@dataclass(frozen=True, slots=True, eq=False)
class AiGateway:
    """The routes of one AI gateway by the file that they go to."""

    consumer: Consumer | None
    internal: tuple[Front, ...]
    external: tuple[Front, ...]


def build_ai_gateways(stack: Stack, options: Options) -> list[AiGateway]:
    """Every AI gateway that has a backend, sorted by name."""
    links: dict[str, list[AiLink]] = defaultdict(list)
    for link in stack.ai_links:
        links[link.gateway.name].append(link)
    found = []
    for gateway in sorted(stack.ai_gateways, key=lambda one: one.name):
        if gateway.name not in links:
            refuse_empty(gateway, "AI gateway")
            continue
        found.append(_build_gateway(stack, gateway, links[gateway.name], options))
    return found


def _build_gateway(stack: Stack, gateway: Gateway, links: list[AiLink], options: Options) -> AiGateway:
    groups: dict[Place, list[AiLink]] = defaultdict(list)
    for link in links:
        if link.limit is not None and options.ai_mode == "upstream":
            place = link.entry.get("ai_rate_limit") or link.entry
            hint = "use --ai-mode ai-proxy for a real APISIX"
            place.refuse(AI_LIMIT_INERT, "a real APISIX does not enforce this limit", hint=hint)
        if link.ai_model and options.ai_mode == "upstream":
            place = link.entry.get("ai_model") or link.entry
            text = "this has no effect, since requests are passed on as they are"
            place.refuse(ATTRIBUTE_UNUSED, text, hint="use --ai-mode ai-proxy, or drop it")
        if link.subdomain:
            groups[f"{link.subdomain}.{stack.domain}", link.path].append(link)
    internal: list[Front] = []
    external: list[Front] = []
    numbers = {place: number for number, place in enumerate(_list_numbered(groups, options), 1)}
    for where, own in sorted(groups.items(), key=lambda one: one[0]):
        own.sort(key=lambda one: (_node_of(one).host, _node_of(one).port))
        _check_group(own, where, options)
        first = own[0]
        is_external = all(link.type == AI_EXTERNAL for link in own)
        # A provider has a route of its own; those that a plugin chooses between share one.
        prefix = f"{gateway.name}-{first.to}" if is_external and len(own) == 1 else f"{gateway.name}-{numbers[where]}"
        build = _build_proxied if options.ai_mode == "ai-proxy" else _build_front
        (external if is_external else internal).append(build(stack, gateway, prefix, where, own))
    consumer = make_consumer(gateway.name, gateway.attributes, gateway.name)
    return AiGateway(consumer, tuple(internal), tuple(external))


def _list_numbered(groups: dict[Place, list[AiLink]], options: Options) -> list[Place]:
    """The hosts and paths whose routes are told apart by a number."""
    shares = [place for place, own in groups.items() if len(own) > 1 or own[0].type != AI_EXTERNAL]
    return sorted(shares)


def _node_of(link: AiLink) -> Node:
    component = link.component
    if component is None:
        return Node(link.endpoint, link.port)
    if link.type == AI_MODEL:
        host = name_host(link.model, component.namespace, component.cluster_domain)
        return Node(host, 80, link.weight)
    service = component.service or f"{component.name}-router-service"
    return Node(name_host(service, component.namespace, component.cluster_domain), component.port or 80, link.weight)


def _check_group(links: list[AiLink], place: Place, options: Options) -> None:
    where = f"{place[0]}{place[1]}"
    in_order = sorted(links, key=lambda one: one.entry.tree.start())
    externals = [link for link in in_order if link.type == AI_EXTERNAL]
    if externals and len(links) > 1 and options.ai_mode == "upstream":
        second = externals[-1] if len(externals) > 1 else externals[0]
        first = next(link for link in in_order if link is not second)
        hint = "give it a subdomain or a path of its own, or use --ai-mode ai-proxy"
        message = f"the provider shares {where} with another backend"
        second.entry.refuse(AI_CONFLICT, message, hint=hint, related=[Related("the other one", first.entry.span)])
        return
    for first, second in pairwise(in_order):
        differing = [name for name in ("guard", "decorator", "limit") if getattr(first, name) != getattr(second, name)]
        if differing:
            words = {"guard": "patterns", "decorator": "prompt_decorator", "limit": "ai_rate_limit"}
            text = ", ".join(words[name] for name in differing)
            related = [Related("the other link", first.entry.span)]
            hint = "links of one host and path become one route: say the same on each of them"
            second.entry.refuse(
                AI_MERGE, f"{text}: not the same as on another link to {where}", hint=hint, related=related
            )
    for first, second in pairwise(sorted(links, key=lambda one: _node_of(one).host)):
        same = (_node_of(first).host, _node_of(first).port) == (_node_of(second).host, _node_of(second).port)
        if same and first.type != AI_EXTERNAL:
            related = [Related("the other link", first.entry.span)]
            hint = "give one link the sum of the weights"
            second.entry.refuse(DUPLICATE_LINK, f"the backend is linked twice for {where}", hint=hint, related=related)
    if not any(link.weight for link in links):
        spot = links[0].entry.get("weight") or links[0].entry
        spot.refuse(WEIGHT, f"every backend of {where} has the weight 0", hint="give one of them a weight above 0")


def _build_front(stack: Stack, gateway: Gateway, prefix: str, place: Place, links: list[AiLink]) -> Front:
    first = links[0]
    is_external = first.type == AI_EXTERNAL
    plugins = build_plugins(
        gateway.attributes,
        gateway.name,
        stack.apisix.namespace,
        own=_own_plugins(first),
        credential=first.credential if is_external else None,
        provider=first.provider,
    )
    scheme = "https" if is_external else (first.component.scheme if first.component else "") or "http"
    return _make_front(stack, gateway, prefix, place, links, plugins, scheme, "node" if is_external else "")


def _build_proxied(stack: Stack, gateway: Gateway, prefix: str, place: Place, links: list[AiLink]) -> Front:
    proxy, secrets = build_proxy([(link, _node_of(link)) for link in links])
    own = _own_plugins(links[0]) | proxy
    plugins = build_plugins(gateway.attributes, gateway.name, stack.apisix.namespace, own=own, secrets=secrets)
    is_external = links[0].type == AI_EXTERNAL
    return _make_front(stack, gateway, prefix, place, links, plugins, "https" if is_external else "http", "")


def _own_plugins(link: AiLink) -> dict[str, Config | None]:
    return {"ai-prompt-guard": link.guard, "ai-prompt-decorator": link.decorator, "ai-rate-limiting": link.limit}


def _make_front(
    stack: Stack,
    gateway: Gateway,
    prefix: str,
    place: Place,
    links: list[AiLink],
    plugins: tuple[Config, ...],
    scheme: str,
    pass_host: str,
) -> Front:
    attributes = gateway.attributes
    is_own_host = place[0] == f"{attributes.subdomain}.{stack.domain}"
    return Front(
        prefix=prefix,
        component=gateway.name,
        hosts=(place[0],),
        nodes=tuple(_node_of(link) for link in links),
        entry=links[0].entry,
        paths=(place[1],),
        scheme=scheme,
        pass_host=pass_host,
        timeout=attributes.timeout,
        websocket=attributes.websocket,
        plugins=plugins,
        extra_hosts=attributes.extra_hosts if is_own_host else (),
    )
