"""Whether rules of AIGatewayRoutes are asked in the order of the source: more headers first, and then as written."""

from collections.abc import Sequence

from anygate.dialects.envoy_ai.write.findings import MODEL_ROUTING
from anygate.dialects.envoy_ai.write.groups import Group
from anygate.dialects.guest_routes import Host
from anygate.model.match import HttpMatch

_Headers = list[dict[str, str]]


def name_unsettled(host: Host, groups: Sequence[tuple[Group, dict[HttpMatch, _Headers]]]) -> None:
    """Name rules that take requests which the source gives to another one."""
    rows = [(group, match, headers) for group, matches in groups for match, headers in matches.items()]
    for at, (one, match, headers) in enumerate(rows):
        for other, behind, asked in rows[at + 1 :]:
            if one is other or _are_apart(headers, asked):
                continue
            if len(asked) > len(headers) or (len(asked) == len(headers) and other.route.name < one.route.name):
                text = (
                    f"{one.origin.object} is asked before {other.origin.object} ({behind.origin.place}), which comes "
                )
                host.lose(
                    MODEL_ROUTING, match.origin, f"{text}first in AIGatewayRoutes: by its headers, or by its name"
                )
            elif _takes_all(headers, asked) and other.paths[behind].keys() - one.paths[match].keys():
                text = f"only paths tell it from {one.origin.object} ({match.origin.place}), which takes its requests"
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
