"""The ids that the ingress controller gives to what it makes of an ApisixRoute.

Its releases call the route of a rule `namespace_route_rule`; those from 2.0 on also make a service of each rule, and
call it by the rule's place. The id of either is the CRC-32 of that name in hexadecimal digits.
https://github.com/apache/apisix-ingress-controller
"""

import re
from zlib import crc32

from anygate.dialects.apisix.plugins.plugin import RouteIds
from anygate.model.route import HttpRule

_PLACE = re.compile(r"spec\.http\[(\d+)\]")


def ids_of(rule: HttpRule) -> RouteIds:
    """The ids of a rule as it was written, before plugins have split it."""
    here = rule.origin
    place = _PLACE.fullmatch(here.path)
    if here.kind != "ApisixRoute" or place is None:
        return RouteIds()
    route, service = (f"{here.namespace}_{here.name}_{last}" for last in (rule.name, place[1]))
    return RouteIds((_hash(route), route), (_hash(service), service))


def _hash(name: str) -> str:
    return f"{crc32(name.encode()):x}"
