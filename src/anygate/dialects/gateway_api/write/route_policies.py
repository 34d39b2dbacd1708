"""The policies of routes: rules that ask for the same share one, and a route whose rules all do needs no rule names."""

from typing import Any, NamedTuple

from anygate.dialects.gateway_api.write.backends import Backends
from anygate.dialects.gateway_api.write.connections import TRIGGERS
from anygate.dialects.gateway_api.write.findings import SETTING
from anygate.dialects.gateway_api.write.objects import GATEWAY_API, Document
from anygate.dialects.gateway_api.write.plugins import write_plugins
from anygate.dialects.gateway_api.write.security import SecurityWords
from anygate.dialects.gateway_api.write.traffic import write_traffic
from anygate.dialects.gateway_api.write.words import given
from anygate.dialects.gateway_api.write.writing import Writing
from anygate.model.backend import Connection
from anygate.model.origin import Origin
from anygate.model.route import Forward, HttpRule

_MOST_TARGETS = 16
_GROUP = GATEWAY_API.partition("/")[0]


class _Wish(NamedTuple):
    """What a rule of a route asks of a policy."""

    route: Document
    rule: str
    spec: dict[str, Any]
    origin: Origin


class RoutePolicies:
    """Collects what rules ask for, and writes it when all routes are there."""

    def __init__(self, writing: Writing, backends: Backends) -> None:
        self._writing = writing
        self._security = SecurityWords(writing, backends)
        self._wishes: dict[str, list[_Wish]] = {
            "BackendTrafficPolicy": [],
            "EnvoyExtensionPolicy": [],
            "SecurityPolicy": [],
        }

    def add(self, route: Document, name: str, rule: HttpRule, connection: Connection, is_grpc: bool) -> None:
        """Note what a rule asks for."""
        traffic = write_traffic(rule, connection, is_grpc, self._writing.losses)
        self._wishes["BackendTrafficPolicy"].append(_Wish(route, name, traffic, rule.origin))
        plugins = write_plugins(rule, self._writing.losses)
        self._wishes["EnvoyExtensionPolicy"].append(_Wish(route, name, plugins, rule.origin))
        lost = [one for one in rule.retry.triggers if one not in TRIGGERS] if rule.retry else []
        if lost and rule.retry is not None:
            text = f"requests are no longer tried again on {', '.join(lost)}"
            self._writing.losses.add(SETTING, rule.retry.origin, text)
        security = self._security.write(rule.security, route.namespace) if rule.security else {}
        origin = rule.security.origin if rule.security else rule.origin
        self._wishes["SecurityPolicy"].append(_Wish(route, name, security, origin))

    def add_stream(self, route: Document, connection: Connection, origin: Origin) -> None:
        """Note what the backends of a route for streams ask for."""
        rule = HttpRule(origin=origin, name="", action=Forward(origin=origin))
        traffic = write_traffic(rule, connection, False, self._writing.losses)
        self._wishes["BackendTrafficPolicy"].append(_Wish(route, "", traffic, origin))

    def finish(self) -> None:
        """Write the policies."""
        for kind, wishes in self._wishes.items():
            everyone = _by_route(wishes)
            groups: dict[tuple[str, str], list[_Wish]] = {}
            for wish in wishes:
                if wish.spec:
                    groups.setdefault((wish.route.namespace, repr(wish.spec)), []).append(wish)
            for group in groups.values():
                self._write(kind, group, everyone)

    def _write(self, kind: str, group: list[_Wish], everyone: dict[Document, list[str]]) -> None:
        targets: list[dict[str, Any]] = []
        for route, mine in _by_route(group).items():
            target = {"group": _GROUP, "kind": route.kind, "name": route.name}
            if mine == everyone[route]:
                targets.append(target)
            else:
                targets += [given(**target, section_name=name) for name in mine]
        first = group[0]
        origins = [wish.origin for wish in group]
        for at in range(0, len(targets), _MOST_TARGETS):
            spec = {"targetRefs": targets[at : at + _MOST_TARGETS], **first.spec}
            self._writing.objects.add(kind, first.route.namespace, first.route.name, {"spec": spec}, origins)


def _by_route(wishes: list[_Wish]) -> dict[Document, list[str]]:
    """The rules of each route that ask for something."""
    found: dict[Document, list[str]] = {}
    for wish in wishes:
        found.setdefault(wish.route, []).append(wish.rule)
    return found
