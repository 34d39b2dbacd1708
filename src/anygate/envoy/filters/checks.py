"""Checks that a service of ours makes."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import build
from anygate.envoy.check_orders import ORDER_KEY, order_file_name, write_order
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.names import SERVICES
from anygate.envoy.refusal import CannotBuild
from anygate.model.checks import Check, CsrfCheck, HmacCheck
from anygate.model.listener import Server
from anygate.model.route import HttpRule

NAME = "anygate/checks"
_EXT_AUTHZ = "envoy.extensions.filters.http.ext_authz.v3"
_PATIENCE = timedelta(seconds=40)
"""Longer than the service takes for the slowest check: a wolf server is asked three times, for 10 s each."""

_UNAVAILABLE = 503


class ChecksFilter:
    """One entry, with the name of an order on each route: nothing else about it stands in Envoy's settings.

    Tried on Envoy 1.40: a route can say how much of a body is sent, but only the entry that it is sent as it is.
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/ext_authz_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry where a rule has checks; a chain without it refuses such a rule (`filters/jwt.py`)."""
        del server
        if not any(rule.security and rule.security.checks for rule in rules):
            return []
        config = build(
            f"{_EXT_AUTHZ}.ExtAuthz",
            transport_api_version="V3",
            grpc_service={"envoy_grpc": {"cluster_name": SERVICES}, "timeout": _PATIENCE},
            status_on_error={"code": _UNAVAILABLE},
            with_request_body={"max_request_bytes": 1, "pack_as_bytes": True},
            encode_raw_headers=True,
            validate_mutations=True,
            stat_prefix="checks",
        )
        return [ChainEntry(NAME, config, disabled=True)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the name of the rule's order, and whether the service gets to see bodies."""
        checks = rule.security.checks if rule.security else ()
        if not checks:
            return {}
        for one in checks:
            if not isinstance(one, CsrfCheck) and scope.server and one.header not in scope.server.http.caller_headers:
                raise CannotBuild(one.origin, f"clients could send {one.header} themselves")
        settings: dict[str, Any] = {
            "context_extensions": {ORDER_KEY: order_file_name(write_order(checks, scope.reveal))}
        }
        limit = _body_limit(checks)
        if limit:
            settings["with_request_body"] = {"max_request_bytes": limit}
        else:
            settings["disable_request_body_buffering"] = True
        return {NAME: build(f"{_EXT_AUTHZ}.ExtAuthzPerRoute", check_settings=settings)}


def _body_limit(checks: Sequence[Check]) -> int:
    """How much of a body the service is sent; nothing where no check looks at it."""
    return min((one.body_limit for one in checks if isinstance(one, HmacCheck) and one.body_limit), default=0)
