"""Copies of requests to AIServices, by a stage that makes of each what the provider takes.

A copy leaves as the route has made the request: it has the client's model and credentials, and the path of the API or,
where the service that answers sets that by itself, the client's.
"""

from collections.abc import Iterable, Mapping

import msgspec

from anygate.dialects.nantian.ai_paths import PATHS, list_matches
from anygate.dialects.nantian.aiservices import Usable
from anygate.dialects.ways import Way, find_way
from anygate.model import Model
from anygate.model.backend import Backend
from anygate.model.edit import Rewrite
from anygate.model.inference import Inference, ModelEndpoint
from anygate.model.listener import Gateway, Stage
from anygate.model.match import HttpMatch, PathMatch
from anygate.model.route import BackendTarget, Forward, HttpRoute, HttpRule, Mirror


class AiMirrors:
    """Leads the copies of one model through stages."""

    def __init__(self, services: Mapping[str, Usable], backends: Mapping[str, Backend]) -> None:
        self._services = services
        self._backends = backends

    def lead(self, model: Model) -> Model:
        """The model with every copy for an AIService led through a stage of its gateway."""
        gateways = tuple(self._lead_gateway(one) for one in model.gateways)
        same = all(new is old for new, old in zip(gateways, model.gateways, strict=True))
        return model if same else msgspec.structs.replace(model, gateways=gateways)

    def _lead_gateway(self, gateway: Gateway) -> Gateway:
        paths: dict[str, dict[str, ModelEndpoint]] = {}
        listeners = []
        for listener in gateway.listeners:
            servers = []
            for server in listener.servers:
                routes = tuple(self._lead_route(gateway, route, paths) for route in server.routes)
                servers.append(msgspec.structs.replace(server, routes=routes))
            listeners.append(msgspec.structs.replace(listener, servers=tuple(servers)))
        if not paths:
            return gateway
        stages = (self._make_stage(gateway, name, found) for name, found in sorted(paths.items()))
        return msgspec.structs.replace(gateway, listeners=tuple(listeners), stages=(*gateway.stages, *stages))

    def _lead_route(self, gateway: Gateway, route: HttpRoute, paths: dict[str, dict[str, ModelEndpoint]]) -> HttpRoute:
        rules = tuple(self._lead_rule(gateway, rule, paths) for rule in route.rules)
        same = all(new is old for new, old in zip(rules, route.rules, strict=True))
        return route if same else msgspec.structs.replace(route, rules=rules)

    def _lead_rule(self, gateway: Gateway, rule: HttpRule, paths: dict[str, dict[str, ModelEndpoint]]) -> HttpRule:
        action = rule.action
        targets = action.targets if isinstance(action, Forward) else ()
        wanted = [one for copies in (rule.mirrors, *(one.mirrors for one in targets)) for one in copies]
        copied = {one.backend for one in wanted if one.backend in self._services}
        if not copied:
            return rule
        rewrite = rule.rewrite.path if rule.rewrite else None
        asked = {}
        for endpoint, match in list_matches(rule.matches, rewrite, rule.origin):
            if match.path is not None:
                asked[match.path.value] = endpoint
        if rule.inference is not None:
            asked |= {one.path.value: rule.inference.endpoint for one in rule.matches if one.path}
        for backend in copied:
            paths.setdefault(backend, dict(PATHS)).update(asked)
        if isinstance(action, Forward):
            led = tuple(msgspec.structs.replace(one, mirrors=self._lead(gateway, one.mirrors)) for one in targets)
            action = msgspec.structs.replace(action, targets=led)
        return msgspec.structs.replace(rule, mirrors=self._lead(gateway, rule.mirrors), action=action)

    def _lead(self, gateway: Gateway, mirrors: Iterable[Mirror]) -> tuple[Mirror, ...]:
        return tuple(
            msgspec.structs.replace(one, stage=_name(gateway, one.backend)) if one.backend in self._services else one
            for one in mirrors
        )

    def _make_stage(self, gateway: Gateway, backend: str, paths: Mapping[str, ModelEndpoint]) -> Stage:
        provider = self._backends[backend].provider
        assert provider is not None
        here, name = provider.origin, _name(gateway, backend)
        rules = []
        for endpoint in dict.fromkeys(paths.values()):
            way = find_way(endpoint, provider)
            if way is Way.NOT:
                continue
            target = BackendTarget(origin=here, backend=backend, translated=way is Way.TRANSLATED)
            found = [path for path, one in paths.items() if one == endpoint]
            rules.append(
                HttpRule(
                    origin=here,
                    name=endpoint,
                    action=Forward(origin=here, targets=(target,)),
                    matches=tuple(
                        HttpMatch(origin=here, path=PathMatch(kind="exact", value=path), rank=(1,)) for path in found
                    ),
                    rewrite=Rewrite(host_from_backend=True),
                    inference=Inference(origin=here, endpoint=endpoint, route=name),
                )
            )
        return Stage(origin=here, name=name, routes=(HttpRoute(origin=here, name=name, rules=tuple(rules)),))


def _name(gateway: Gateway, backend: str) -> str:
    return f"{gateway.name}/copies/{backend}"
