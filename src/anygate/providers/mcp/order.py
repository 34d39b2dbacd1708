"""What Envoy tells the MCP gateway about a route, in headers, so that the gateway needs no configuration of its own."""

import base64
import binascii
from collections.abc import Sequence

import msgspec

from anygate.model.mcp import Mcp, McpRules, NameFilter

HEADER = "x-anygate-mcp"
"""Carries the number of pieces of an `McpOrder`; each stands in a header of this name with `-0` and so on after it."""

CLAIMS_HEADER = "x-anygate-mcp-claims"
"""Carries the claims of the client's token as JSON, as Envoy has checked them."""

_PIECE = 12_000
"""Envoy's API bounds the value of a header that a route sets by 16 KiB."""

_MOST_PIECES = 64


class OrderFault(Exception):  # noqa: N818 - whoever sent the headers is not Envoy
    """Headers that hold no order."""


class NamesOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """A `NameFilter`."""

    include: tuple[str, ...] | None = None
    include_regex: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    exclude_regex: tuple[str, ...] | None = None


class ServerOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """An `McpServer`; `egress` is its cluster."""

    name: str
    egress: str
    path: str = "/mcp"
    tools: NamesOrder | None = None
    prompts: NamesOrder | None = None
    forward: tuple[tuple[str, str], ...] = ()
    prefixed: bool = True


class ClaimOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """An `McpClaim`."""

    name: str
    values: tuple[str, ...]
    is_list: bool = False


class RuleOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """An `McpRule`."""

    allow: bool
    scopes: tuple[str, ...] = ()
    claims: tuple[ClaimOrder, ...] = ()
    tools: tuple[tuple[str, str], ...] = ()
    expression: str = ""


class RulesOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """`McpRules`."""

    rules: tuple[RuleOrder, ...] = ()
    allow_by_default: bool = False


class McpOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """An `Mcp`."""

    route: str
    servers: tuple[ServerOrder, ...]
    authorization: RulesOrder | None = None
    selector: RulesOrder | None = None
    with_claims: bool = False
    subject_header: str = ""
    metadata_url: str = ""


def write_order(mcp: Mcp, clusters: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The headers of a route, whose servers are behind `clusters`; one that has none is left out."""
    servers = tuple(
        ServerOrder(
            name=one.name,
            egress=cluster,
            path=one.path,
            tools=_write_names(one.tools),
            prompts=_write_names(one.prompts),
            forward=one.forward,
            prefixed=one.prefixed,
        )
        for one, cluster in zip(mcp.servers, clusters, strict=True)
        if cluster
    )
    order = McpOrder(
        route=mcp.route,
        servers=servers,
        authorization=_write_rules(mcp.authorization),
        selector=_write_rules(mcp.selector),
        with_claims=bool(mcp.jwt_provider),
        subject_header=mcp.subject_header.lower(),
        metadata_url=mcp.metadata_url,
    )
    # Base64, because a piece of JSON could begin or end with a space, and hold what a header must not.
    text = base64.b64encode(msgspec.json.encode(order)).decode()
    pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
    return ((HEADER, str(len(pieces))), *((f"{HEADER}-{at}", piece) for at, piece in enumerate(pieces)))


def join_order(headers: dict[str, str]) -> str:
    """The text of an order, out of the headers of a request; raises OrderFault."""
    count = headers.get(HEADER, "")
    if not (count.isascii() and count.isdigit() and 0 < int(count) <= _MOST_PIECES):
        raise OrderFault("there is no order")
    try:
        return "".join(headers[f"{HEADER}-{at}"] for at in range(int(count)))
    except KeyError as missing:
        raise OrderFault("a piece of the order is missing") from missing


def read_order(text: str) -> McpOrder:
    """The order in a joined text; raises OrderFault."""
    try:
        return msgspec.json.decode(base64.b64decode(text, validate=True), type=McpOrder)
    except (binascii.Error, msgspec.MsgspecError, ValueError) as problem:
        raise OrderFault("the order cannot be read") from problem


def _write_names(names: NameFilter | None) -> NamesOrder | None:
    if names is None:
        return None
    return NamesOrder(names.include, names.include_regex, names.exclude, names.exclude_regex)


def _write_rules(rules: McpRules | None) -> RulesOrder | None:
    if rules is None:
        return None
    return RulesOrder(
        tuple(
            RuleOrder(
                allow=rule.allow,
                scopes=rule.scopes,
                claims=tuple(ClaimOrder(one.name, one.values, one.is_list) for one in rule.claims),
                tools=rule.tools,
                expression=rule.expression,
            )
            for rule in rules.rules
        ),
        rules.allow_by_default,
    )
