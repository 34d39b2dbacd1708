"""What APISIX calls a route, in what it tells about requests.

The controller makes one route and one service of each rule, `NAMESPACE_NAME_RULE` and `NAMESPACE_NAME_NUMBER`; their
ids are the CRC-32 of the names.
https://github.com/apache/apisix-ingress-controller/blob/master/api/adc/types.go
"""

import re
from typing import NamedTuple
from zlib import crc32

from anygate.model.route import HttpRule

_NUMBER = re.compile(r"\[(\d+)\]")


class Observed(NamedTuple):
    """The names of a route and of its service."""

    route: str
    service: str

    @property
    def route_id(self) -> str:
        """The id of the route."""
        return _id(self.route)

    @property
    def service_id(self) -> str:
        """The id of the service."""
        return _id(self.service)


def observe(rule: HttpRule) -> Observed:
    """The names of a rule's route; empty for the rule that takes what no route does."""
    here = rule.origin
    if not here.namespace:
        return Observed("", "")
    stem = f"{here.namespace}_{here.name}"
    number = _NUMBER.search(here.path)
    return Observed(f"{stem}_{rule.name}", f"{stem}_{number[1] if number else rule.name}")


def _id(name: str) -> str:
    return f"{crc32(name.encode()):x}" if name else ""
