"""Cross-origin requests: preflights that the gateway answers, and headers that let browsers read answers."""

import re
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import bool_value, build
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.filters.matches import exact, matching
from anygate.model.listener import Server
from anygate.model.route import HttpRule
from anygate.model.security import Cors

NAME = "envoy.filters.http.cors"
_ANY_LABELS = "[A-Za-z0-9.-]+"


class CorsFilter:
    """One entry, with a policy on each route that has one.

    Envoy 1.40 leaves the filter out on routes that redirect or answer themselves, and routes a preflight as
    the OPTIONS request it is. So a match for one method, and a rule that does not forward, need one more
    route: OPTIONS with `origin` and that `access-control-request-method`, with these settings and forwarding.
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/cors_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry where a rule has a policy."""
        del server
        if not any(rule.cors for rule in rules):
            return []
        return [ChainEntry(NAME, build("envoy.extensions.filters.http.cors.v3.Cors"), disabled=True, inert=True)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the route's policy."""
        del scope
        return {NAME: build_cors_policy(rule.cors)} if rule.cors else {}


def build_cors_policy(cors: Cors) -> Any:
    """Return the `CorsPolicy`.

    Envoy 1.40 answers 200 to a preflight from an origin that is not allowed, without the
    `access-control-allow-origin` that the browser looks for. Where `*` stands for methods or headers and
    credentials are allowed, it names what was asked for, as browsers then take `*` literally.
    """
    return build(
        "envoy.extensions.filters.http.cors.v3.CorsPolicy",
        allow_origin_string_match=[origin_matcher(origin) for origin in cors.allow_origins],
        allow_methods=_joined(cors.allow_methods),
        allow_headers=_joined(cors.allow_headers),
        expose_headers=_joined(cors.expose_headers),
        max_age=None if cors.max_age is None else str(int(cors.max_age.total_seconds())),
        allow_credentials=bool_value(True) if cors.allow_credentials else None,
        # Otherwise the backend, which knows nothing of our policy, would answer and could allow it.
        forward_not_matching_preflights=bool_value(False),
    )


def origin_matcher(origin: str) -> Any:
    """Return the matcher of one allowed origin: `*`, a literal, or a host that starts with `*.`.

    Gateway API lets `*` stand for one or more whole labels. RFC 6454 compares scheme and host without case.
    """
    if origin == "*":
        return matching(".*")
    if "*" not in origin:
        return exact(origin, ignore_case=True)
    return matching("(?i)" + _ANY_LABELS.join(re.escape(part) for part in origin.split("*")))


def _joined(values: Sequence[str]) -> str | None:
    return ", ".join(values) or None
