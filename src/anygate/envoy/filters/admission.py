"""Who may ask at all: rules on what a request itself tells, before anybody is recognised."""

from collections.abc import Sequence

from google.protobuf.message import Message

from anygate.envoy.api import build
from anygate.envoy.filters.authorization import build_rbac
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.refusal import CannotBuild
from anygate.model.listener import Server
from anygate.model.route import HttpRule

NAME = "anygate/admission"


class AdmissionFilter:
    """One entry, with the rules on each route, as `AuthorizationFilter` has one for what callers may do."""

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry. It stands in every chain of servers that say who calls (see `HttpFilter.chain`)."""
        if not server.http.caller_headers and not any(rule.security and rule.security.admission for rule in rules):
            return []
        return [ChainEntry(NAME, build("envoy.extensions.filters.http.rbac.v3.RBAC"), disabled=True, inert=True)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the route's list of rules; one that looks at tokens comes too early."""
        del scope
        admission = rule.security.admission if rule.security else None
        if admission is None:
            return {}
        for row in admission.rules:
            who = row.principal
            if who.jwt_provider or who.jwt_claims or who.jwt_scopes or who.missing_scopes:
                raise CannotBuild(row.origin, f"rule {row.name} looks at tokens, which are checked later")
        return {NAME: build_rbac(admission)}
