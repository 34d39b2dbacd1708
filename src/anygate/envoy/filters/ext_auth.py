"""A service that is asked about every request."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import build
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope, enable, label, only
from anygate.envoy.filters.matches import exact
from anygate.envoy.refusal import CannotBuild
from anygate.model.listener import Server
from anygate.model.route import HttpRule
from anygate.model.security import ExtAuth

NAME = "envoy.filters.http.ext_authz"
_TIMEOUT = timedelta(seconds=10)


class ExtAuthFilter:
    """One entry per service asked, off by default: a route can change the service but not what it is sent.

    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/ext_authz_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return an entry for each service that a rule asks."""
        del server
        wanted = [rule.security.ext_auth for rule in rules if rule.security and rule.security.ext_auth]
        return only([(auth.origin, build_entry(auth)) for auth in wanted if auth.backend])

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Turn the rule's service on."""
        del scope
        auth = rule.security.ext_auth if rule.security else None
        if not auth:
            return {}
        if not auth.backend:
            raise CannotBuild(auth.origin, "the service to ask is not there")
        return {entry_name(auth): enable()}


def entry_name(auth: ExtAuth) -> str:
    """Name the entry after the place that asks for the service."""
    return f"{NAME}/{label(auth.origin)}"


def build_entry(auth: ExtAuth) -> ChainEntry:
    """Return the entry. A service that does not answer refuses, unless the policy says otherwise."""
    body = {"max_request_bytes": auth.body_limit} if auth.body_limit else None
    config = build(
        "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
        transport_api_version="V3",
        failure_mode_allow=auth.fail_open or None,
        with_request_body=body,
        allowed_headers=_names(auth.headers_to_service),
        **({"grpc_service": _grpc(auth)} if auth.protocol == "grpc" else {"http_service": _http(auth)}),
    )
    return ChainEntry(entry_name(auth), config, disabled=True)


def _grpc(auth: ExtAuth) -> dict[str, Any]:
    return {"envoy_grpc": {"cluster_name": auth.backend}, "timeout": auth.timeout or _TIMEOUT}


def _http(auth: ExtAuth) -> dict[str, Any]:
    answer = None
    if auth.headers_to_backend:
        answer = {"allowed_upstream_headers": _names(auth.headers_to_backend)}
    return {
        # Envoy calls the cluster and keeps the request's own host; the URI only has to look like one.
        "server_uri": {
            "uri": "http://ext-auth",
            "cluster": auth.backend,
            "timeout": auth.timeout or _TIMEOUT,
        },
        "path_prefix": auth.path or None,
        "authorization_response": answer,
    }


def _names(headers: Sequence[str]) -> Any:
    if not headers:
        return None
    patterns = [exact(name, ignore_case=True) for name in headers]
    return build("envoy.type.matcher.v3.ListStringMatcher", patterns=patterns)
