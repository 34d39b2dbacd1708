"""Rules whose requests are counted: what their routes say of themselves, and what the access log says of requests.

Nothing of it is in the way of a request: Envoy streams an entry to the services when the request is over.

Tried on Envoy 1.40: `xds.virtual_host_name` tells the domain that was chosen whatever the request's host has become on
its way, and a filter of the access log may look into the metadata of the route. The bytes on the wire are those of the
request and of its answer alone, also on a connection that has many. `%UPSTREAM_HOST%` tells an endpoint that could not
be connected to as well, and the address of the connection does not.
"""

import json
from collections.abc import Sequence
from typing import Any

from anygate.envoy.api import serialise, struct, typed
from anygate.envoy.names import METERED, ORIGIN, PATH_KEY
from anygate.envoy.wire import part, text_entry
from anygate.model.match import HttpMatch
from anygate.model.route import HttpRoute, HttpRule

METER_TAG, PATH_TAG, HOST_TAG, NODE_TAG, CALLER_TAG = "meter", "path", "host", "node", "caller"
"""The tags of an entry: the facts of its rule as JSON, the path that the row asks for, the virtual host, the address of
the endpoint, and who called."""

_TOLD = "told"
_CEL = "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"


def metering_metadata(rule: HttpRule, route: HttpRoute) -> bytes:
    """What the metadata of a rule's routes says for counting: one entry of `filter_metadata`, or nothing."""
    if rule.metering is None:
        return b""
    facts = {"route": rule.metering.route, "service": rule.metering.service, "hosts": list(route.hostnames)}
    told = struct({_TOLD: json.dumps(facts, separators=(",", ":"))})
    return part(1, part(1, METERED.encode()) + part(2, serialise(told)))


def path_entry(rule: HttpRule, match: HttpMatch | None) -> bytes:
    """What the metadata of a row says of the path that it asks for, in the namespace of origins; a regular expression
    is told as it is."""
    if rule.metering is None and rule.trace is None:
        return b""
    path = match.path if match is not None else None
    if path is None:
        return text_entry(PATH_KEY, "/*")
    return text_entry(PATH_KEY, f"{path.value}*" if path.kind == "string_prefix" else path.value)


def is_metered() -> dict[str, Any]:
    """Build the filter of the access log for requests that are counted."""
    expression = f"'{METERED}' in xds.route_metadata.filter_metadata"
    return {"extension_filter": {"name": "metered", "typed_config": typed(_CEL, expression=expression)}}


def metering_tags(rules: Sequence[HttpRule]) -> list[dict[str, Any]]:
    """Build the tags of entries; none unless a rule is counted."""
    metered = [rule.metering for rule in rules if rule.metering is not None]
    if not metered:
        return []
    callers = sorted({one.caller for one in metered if one.caller})
    return [
        _route_tag(METER_TAG, METERED, _TOLD),
        _route_tag(PATH_TAG, ORIGIN, PATH_KEY),
        {"tag": HOST_TAG, "value": "%CEL(xds.virtual_host_name)%"},
        {"tag": NODE_TAG, "value": "%UPSTREAM_HOST%"},
        *({"tag": CALLER_TAG, "request_header": {"name": name}} for name in callers),
    ]


def _route_tag(tag: str, namespace: str, key: str) -> dict[str, Any]:
    return {"tag": tag, "metadata": {"kind": {"route": {}}, "metadata_key": {"key": namespace, "path": [{"key": key}]}}}
