"""The path on which a load balancer in front of us asks whether this Envoy takes traffic."""

from collections.abc import Sequence

from google.protobuf.message import Message

from anygate.envoy.api import bool_value, build
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.filters.matches import HEADER, exact
from anygate.model.listener import Server
from anygate.model.route import HttpRule

NAME = "envoy.filters.http.health_check"


class HealthCheck:
    """Answers 200 (503 while draining) on `server.http.health_check_path`, whatever the routes say.

    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/health_check_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry where the server names a path; it is on for all routes."""
        del rules
        path = server.http.health_check_path
        if not path:
            return []
        config = build(
            "envoy.extensions.filters.http.health_check.v3.HealthCheck",
            pass_through_mode=bool_value(False),
            headers=[build(HEADER, name=":path", string_match=exact(path))],
        )
        return [ChainEntry(NAME, config)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return nothing: the check does not depend on routes."""
        del rule, scope
        return {}
