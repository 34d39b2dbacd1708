"""Rules where they stand, and the model with others in their place."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from anygate.model.listener import Gateway, Server
from anygate.model.root import Model
from anygate.model.route import HttpRoute, HttpRule


class Place(NamedTuple):
    """Where a rule stands: rules that more than one listener serves stand in more than one place."""

    gateway: Gateway
    server: Server
    route: HttpRoute
    rule: HttpRule


def change_rules(model: Model, change: Callable[[Place], HttpRule]) -> Model:
    """The model with other rules; what does not change stays the same node."""

    def change_route(gateway: Gateway, server: Server, route: HttpRoute) -> HttpRoute:
        rules = tuple(change(Place(gateway, server, route, rule)) for rule in route.rules)
        same = all(new is old for new, old in zip(rules, route.rules, strict=True))
        return route if same else msgspec.structs.replace(route, rules=rules)

    return change_routes(model, change_route)


def change_routes(model: Model, change: Callable[[Gateway, Server, HttpRoute], HttpRoute]) -> Model:
    """The model with other routes; what does not change stays the same node."""
    gateways = []
    for gateway in model.gateways:
        listeners = []
        for listener in gateway.listeners:
            servers = []
            for server in listener.servers:
                routes = tuple(change(gateway, server, route) for route in server.routes)
                same = all(new is old for new, old in zip(routes, server.routes, strict=True))
                servers.append(server if same else msgspec.structs.replace(server, routes=routes))
            listeners.append(msgspec.structs.replace(listener, servers=tuple(servers)))
        gateways.append(msgspec.structs.replace(gateway, listeners=tuple(listeners)))
    return msgspec.structs.replace(model, gateways=tuple(gateways))
