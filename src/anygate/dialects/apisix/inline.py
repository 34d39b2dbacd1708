"""Upstreams that stand in a plugin's configuration, in the words of APISIX's Admin API."""

from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction
from typing import Any, Literal

from pydantic import Field, ValidationError

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.context import Context, Fault, origin
from anygate.dialects.apisix.findings import PLUGIN_CONFIG
from anygate.dialects.apisix.kinds.apisixupstream import LoadBalancer, UpstreamSettings
from anygate.dialects.apisix.kinds.values import Timeouts
from anygate.dialects.apisix.nodes import Member, Nodes
from anygate.dialects.apisix.targets import make_shares
from anygate.dialects.apisix.treatment import Scheme
from anygate.manifests.faults import report_faults
from anygate.manifests.fields import Port
from anygate.manifests.kind import Kind, Node

_KINDS: Mapping[Scheme, str] = {"tcp": "connections", "tls": "connections", "udp": "datagrams"}
"""What schemes are for that are not for requests."""


class InlineNode(Node):
    """A node with its weight."""

    host: str = Field(min_length=1)
    port: Port | None = None
    weight: int = Field(default=1, ge=0)
    priority: int = 0


class InlineTimeouts(Node):
    """Seconds."""

    connect: float = Field(default=60.0, gt=0)
    send: float = Field(default=60.0, gt=0)
    read: float = Field(default=60.0, gt=0)


class InlineUpstream(Node):
    """An upstream: `nodes` are a list, or weights by `host:port`."""

    name: str = ""
    desc: str = ""
    type: Literal["roundrobin", "chash", "ewma", "least_conn"] = "roundrobin"
    nodes: Any
    scheme: Scheme | None = None
    hash_on: Literal["vars", "header", "cookie", "consumer", "vars_combinations"] = Field("vars", alias="hash_on")
    key: str = ""
    retries: int | None = Field(default=None, ge=0)
    timeout: InlineTimeouts | None = None
    pass_host: Literal["pass", "node", "rewrite"] = Field("pass", alias="pass_host")
    upstream_host: str | None = Field(default=None, alias="upstream_host")


def read_inline(
    context: Context, nodes: Nodes, item: Kind, spec: Any, path: FieldPath, fallback: Scheme = "http"
) -> str | Fault:
    """The name of the backend that an inline upstream at `path` of an object is; `fallback` is its scheme if it names
    none, and tells whether it is for requests, connections or datagrams."""
    try:
        written = InlineUpstream.model_validate(spec)
        found = _read_nodes(written.nodes)
    except ValidationError as error:
        report_faults(item.manifest, InlineUpstream, error.errors(include_url=False), context.report, path)
        return Fault(PLUGIN_CONFIG, "the upstream is not valid", path)
    if isinstance(found, str):
        return Fault(PLUGIN_CONFIG, found, (*path, "nodes"))
    scheme = written.scheme or fallback
    if _KINDS.get(scheme) != _KINDS.get(fallback):
        return Fault(PLUGIN_CONFIG, f"the scheme {scheme} is for something else", (*path, "scheme"))
    treatment = nodes.treat(item, _settings_of(written, scheme), path)
    if isinstance(treatment, Fault):
        return treatment
    place = origin(item, path)
    label = f"apisix/{place.object}/{place.path}"
    members: list[Member] = []
    for number, node in enumerate(found):
        port = node.port or treatment.default_port
        name = label if len(found) == 1 else f"{label}/{node.host}:{port}/{number}"
        members.append(nodes.make_node(item, node.host, port, node.weight, treatment, name, path))
    if not any(member.weight != Fraction(0) for member in members):
        return Fault(PLUGIN_CONFIG, "no node has a weight", (*path, "nodes"))
    shares = make_shares(context, members, label, place)
    if len(shares) > 1:
        return Fault(PLUGIN_CONFIG, "the nodes cannot be talked to in one way", (*path, "nodes"))
    return shares[0].target.backend


def _read_nodes(written: Any) -> list[InlineNode] | str:
    if isinstance(written, list) and written:
        return [InlineNode.model_validate(one) for one in written]
    if not isinstance(written, dict) or not written:
        return 'expected a list of nodes, or weights by "host:port"'
    found = []
    for place, weight in written.items():
        host, _, port = str(place).rpartition(":")
        if not host or not port.isdecimal():
            host, port = str(place), ""
        number = int(port) if port else None
        found.append(InlineNode.model_validate({"host": host, "port": number, "weight": weight}))
    return found


def _settings_of(written: InlineUpstream, scheme: Scheme) -> UpstreamSettings:
    timeout = written.timeout
    times = None
    if timeout is not None:
        times = Timeouts.model_construct(
            connect=timedelta(seconds=timeout.connect),
            send=timedelta(seconds=timeout.send),
            read=timedelta(seconds=timeout.read),
        )
    return UpstreamSettings.model_construct(
        scheme=scheme,
        loadbalancer=LoadBalancer.model_construct(type=written.type, hash_on=written.hash_on, key=written.key),
        retries=written.retries,
        timeout=times,
        pass_host=written.pass_host,
        upstream_host=written.upstream_host,
    )
