"""Answers that are kept: by a service beside Envoy, which is asked before the backend is."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

from google.protobuf.message import Message

from anygate.envoy.api import build
from anygate.envoy.cache_order import DETAILS, ORDER_KEY, REQUEST_ATTRIBUTES, write_order
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.names import SERVICES
from anygate.model.listener import Server
from anygate.model.route import HttpRule

NAME = "anygate/cache"
_EXT_PROC = "envoy.extensions.filters.http.ext_proc.v3"
_PATIENCE = timedelta(seconds=1)
"""Long enough for a machine that is busy; the service itself answers within a millisecond or so."""


class CacheFilter:
    """An entry for the caches of one strategy, with the order of the cache on each route.

    Tried on Envoy 1.40: neither of its own cache filters will do, not even in front of a second listener that has the
    rewrites and retries. They keep no answer to POST, none to a request with Authorization, and none with 500 whatever
    it says; they hand PURGE to the backend; their key is host and path, with no place for a caller's name; and an
    answer that is fetched anew looks like one that was never kept.

    Without the service requests go to the backend, and their answers say nothing of a cache.
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/ext_proc_filter
    """

    def __init__(self, strategy: Literal["memory", "disk"]) -> None:
        self._strategy = strategy
        self._name = f"{NAME}/{strategy}"

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry, if some rule needs it."""
        del server
        if not any(rule.cache and rule.cache.strategy == self._strategy for rule in rules):
            return []
        config = build(
            f"{_EXT_PROC}.ExternalProcessor",
            grpc_service={"envoy_grpc": {"cluster_name": SERVICES}},
            failure_mode_allow=True,
            processing_mode=_MODE,
            # A body is only asked for once its headers say that it may be kept.
            allow_mode_override=True,
            request_attributes=REQUEST_ATTRIBUTES,
            response_attributes=[DETAILS],
            message_timeout=_PATIENCE,
            route_cache_action="RETAIN",
            stat_prefix="cache",
        )
        return [ChainEntry(self._name, config, disabled=True, inert=True)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the route's order."""
        del scope
        if rule.cache is None or rule.cache.strategy != self._strategy:
            return {}
        metadata = [{"key": ORDER_KEY, "value": write_order(rule.origin, rule.cache)}]
        return {self._name: build(f"{_EXT_PROC}.ExtProcPerRoute", overrides={"grpc_initial_metadata": metadata})}


_MODE: dict[str, Any] = {
    "request_header_mode": "SEND",
    "response_header_mode": "SEND",
    "request_body_mode": "NONE",
    "response_body_mode": "NONE",
    "request_trailer_mode": "SKIP",
    "response_trailer_mode": "SKIP",
}
