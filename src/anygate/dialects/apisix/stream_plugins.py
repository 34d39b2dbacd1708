"""The plugins of stream rules. https://apisix.apache.org/docs/apisix/stream-proxy/"""

from fractions import Fraction
from math import lcm
from typing import Literal, TypeVar

import msgspec
from pydantic import Field, ValidationError

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.context import Context, Fault, origin
from anygate.dialects.apisix.findings import APPROXIMATED, PLUGIN_CONFIG, PLUGIN_SKIPPED
from anygate.dialects.apisix.inline import read_inline
from anygate.dialects.apisix.kinds.apisixroute import ApisixRoute, StreamRule
from anygate.dialects.apisix.nodes import Nodes
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.entries import Entry, list_written
from anygate.dialects.apisix.plugins.traffic.traffic_split import SplitRule, TrafficSplitConfig
from anygate.dialects.apisix.sources import read_sources
from anygate.dialects.apisix.treatment import Scheme
from anygate.manifests.faults import report_faults
from anygate.manifests.kind import Node
from anygate.model.route import BackendTarget, StreamRoute

_ALIKE = frozenset(("server_addr", "server_port"))
"""What is the same for all connections of a port."""
_LEFT_OUT = {
    "mqtt-proxy": "connections are passed on whether or not they are MQTT, and no client id chooses the node",
    "syslog": "nothing is sent to a log server",
}
_C = TypeVar("_C", bound=Node)


class StreamLimitConfig(Config):
    """How many connections at a time, how many more that have to wait, and how long those wait in seconds."""

    conn: int = Field(gt=0)
    burst: int = Field(ge=0)
    default_conn_delay: float = Field(gt=0)
    only_use_default_delay: bool = False
    key: str = Field(min_length=1)
    key_type: Literal["var", "var_combination"] = "var"
    allow_degradation: bool = False


def apply_plugins(
    context: Context, nodes: Nodes, item: ApisixRoute, rule: StreamRule, path: FieldPath, route: StreamRoute
) -> StreamRoute | Fault:
    """The stream as its plugins make it. What decides who may connect, or where to, closes it if it cannot be had."""
    for entry in list_written(item, (*path, "plugins"), rule.plugins):
        found: StreamRoute | Fault | str
        if entry.name == "ip-restriction":
            found = _restrict(context, entry, route)
        elif entry.name == "limit-conn":
            found = _limit(context, entry, rule, route)
        elif entry.name == "traffic-split":
            found = _split(context, nodes, entry, rule, route)
        else:
            found = _LEFT_OUT.get(entry.name, "nothing does that for streams here")
        if isinstance(found, Fault):
            return found
        if isinstance(found, str):
            context.note(PLUGIN_SKIPPED, f"{entry.name} is left out: {found}", item, (*entry.path, "name"))
        else:
            route = found
    return route


def _restrict(context: Context, entry: Entry, route: StreamRoute) -> StreamRoute | Fault:
    sources = read_sources(context, entry)
    if isinstance(sources, Fault):
        return sources
    return msgspec.structs.replace(route, allowed_sources=sources.allowed, denied_sources=sources.denied)


def _limit(context: Context, entry: Entry, rule: StreamRule, route: StreamRoute) -> StreamRoute | str:
    """Envoy counts the connections of a port or a server name, and closes those beyond the limit."""
    config = _read(context, entry, StreamLimitConfig)
    if config is None:
        return "its configuration is not valid"
    if rule.protocol == "UDP":
        return "datagrams are no connections"
    names = config.key.replace("$", " ").split() if config.key_type == "var_combination" else [config.key]
    if not _ALIKE.issuperset(names):
        return f"connections are counted for a whole port, not by {config.key}"
    if config.burst:
        text = f"the {config.burst} connections beyond {config.conn} do not wait for default_conn_delay"
        context.note(APPROXIMATED, text, entry.owner, (*entry.config_path, "burst"))
    return msgspec.structs.replace(route, connection_limit=config.conn + config.burst)


def _split(context: Context, nodes: Nodes, entry: Entry, rule: StreamRule, route: StreamRoute) -> StreamRoute | Fault:
    """Other targets for all connections: the first rule that asks for nothing decides."""
    config = _read(context, entry, TrafficSplitConfig)
    if config is None:
        return Fault(PLUGIN_CONFIG, "the configuration of traffic-split is not valid", entry.path)
    for index, split in enumerate(config.rules):
        place: FieldPath = (*entry.config_path, "rules", index)
        if any(match.vars for match in split.match):
            text = "nothing of a connection can be asked for but its port and its server name; it is closed"
            return Fault(PLUGIN_CONFIG, text, (*place, "match"))
        targets = _read_targets(context, nodes, entry, rule, route, split, (*place, "weighted_upstreams"))
        return targets if isinstance(targets, Fault) else msgspec.structs.replace(route, targets=targets)
    return route


def _read_targets(
    context: Context,
    nodes: Nodes,
    entry: Entry,
    rule: StreamRule,
    route: StreamRoute,
    split: SplitRule,
    path: FieldPath,
) -> tuple[BackendTarget, ...] | Fault:
    """The targets of a split; what names no upstream stands for the backend of the stream."""
    shares: list[tuple[BackendTarget, Fraction]] = []
    total = sum(target.weight for target in route.targets)
    for index, one in enumerate(split.weighted_upstreams):
        place = (*path, index)
        if one.upstream_id is not None:
            hint = "write the upstream, or use the backend of the stream"
            return Fault(PLUGIN_CONFIG, "nothing here has ids", (*place, "upstream_id"), hint)
        if one.upstream is None:
            shares += [(target, Fraction(one.weight * target.weight, total or 1)) for target in route.targets]
            continue
        fallback: Scheme = "tcp" if rule.protocol == "TCP" else "udp"
        name = read_inline(context, nodes, entry.owner, one.upstream, (*place, "upstream"), fallback)
        if isinstance(name, Fault):
            return name
        target = BackendTarget(origin=origin(entry.owner, place), backend=name)
        shares.append((target, Fraction(one.weight)))
    scale = lcm(*(share.denominator for _, share in shares))
    return tuple(msgspec.structs.replace(target, weight=int(share * scale)) for target, share in shares)


def _read(context: Context, entry: Entry, wanted: type[_C]) -> _C | None:
    if entry.secret:
        return None
    try:
        return wanted.model_validate(entry.config)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        report_faults(entry.owner.manifest, wanted, faults, context.report, entry.config_path)
        return None
