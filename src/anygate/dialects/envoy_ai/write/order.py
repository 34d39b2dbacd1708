"""Whether rules of AIGatewayRoutes are asked in the order of the source: more headers first, and then as written."""

from collections.abc import Sequence

from anygate.dialects.envoy_ai.write.findings import MODEL_ROUTING
from anygate.dialects.envoy_ai.write.groups import Group
from anygate.dialects.guest_routes import Host
from anygate.model.match import HttpMatch

_Headers = list[dict[str, str]]


_Row = tuple[Group, HttpMatch, _Headers]


def settle(
    host: Host, groups: Sequence[tuple[Group, dict[HttpMatch, _Headers]]]
) -> list[tuple[Group, dict[HttpMatch, _Headers]]]:
    """The rules without conditions that leave nothing to ask; those that would take what is another's are named."""
    kept: list[_Row] = []
    for row in ((group, match, headers) for group, matches in groups for match, headers in matches.items()):
        if any(_leaves_nothing(one, row) for one in kept):
            continue
        for one in kept:
            _name_unsettled(host, one, row)
        kept.append(row)
    found = [(group, {match: headers for one, match, headers in kept if one is group}) for group, _ in groups]
    return [(group, matches) for group, matches in found if matches]


def _leaves_nothing(one: _Row, other: _Row) -> bool:
    group, match, headers = one
    return _takes_all(headers, other[2]) and other[0].paths[other[1]].keys() <= group.paths[match].keys()


def _name_unsettled(host: Host, one: _Row, other: _Row) -> None:
    (group, match, headers), (later, behind, asked) = one, other
    if group is later or _are_apart(headers, asked):
        return
    if len(asked) > len(headers) or (len(asked) == len(headers) and later.route.name < group.route.name):
        text = f"{group.origin.object} is asked before {later.origin.object} ({behind.origin.place}), which comes "
        host.lose(MODEL_ROUTING, match.origin, f"{text}first in AIGatewayRoutes: by its headers, or by its name")
    elif _takes_all(headers, asked):
        text = f"only paths tell it from {group.origin.object} ({match.origin.place}), which takes its requests"
        host.lose(MODEL_ROUTING, behind.origin, text)


def _are_apart(one: _Headers, other: _Headers) -> bool:
    """Whether no request meets both: a header would need two values."""
    known = {each["name"].lower(): each["value"] for each in one if each["type"] == "Exact"}
    return any(
        known.get(each["name"].lower(), each["value"]) != each["value"] for each in other if each["type"] == "Exact"
    )


def _takes_all(one: _Headers, other: _Headers) -> bool:
    """Whether all that meets the second meets the first."""
    return all(each in other for each in one)
