"""Rules with plugins, and without those that cannot be run."""

from collections.abc import Callable, Iterator

import msgspec

from anygate.model.edit import Respond
from anygate.model.root import Model
from anygate.model.route import HttpRoute, HttpRule
from anygate.model.wasm import WasmPlugin

_UNAVAILABLE = 503


def put_plugins(rule: HttpRule, plugins: tuple[WasmPlugin, ...]) -> HttpRule:
    """A rule with plugins. One that cannot be run is left out if it may fail, and otherwise closes the rule."""
    for plugin in plugins:
        if plugin.module.fault and not plugin.fail_open:
            reason = f"plugin {plugin.name} cannot be run: {plugin.module.fault}"
            closed = Respond(origin=plugin.origin, status=_UNAVAILABLE, reason=reason)
            return msgspec.structs.replace(rule, action=closed, mirrors=(), plugins=())
    usable = tuple(one for one in plugins if not one.module.fault)
    return msgspec.structs.replace(rule, plugins=usable)


def list_plugins(model: Model) -> Iterator[WasmPlugin]:
    """Every plugin of every rule; one that several rules have is met again."""
    for gateway in model.gateways:
        for listener in gateway.listeners:
            for server in listener.servers:
                for route in server.routes:
                    for rule in route.rules:
                        yield from rule.plugins


def change_plugins(model: Model, change: Callable[[WasmPlugin], WasmPlugin]) -> Model:
    """The model with other plugins, and with rules closed whose plugins cannot be run."""

    def with_plugins(rule: HttpRule) -> HttpRule:
        return put_plugins(rule, tuple(map(change, rule.plugins))) if rule.plugins else rule

    def with_rules(route: HttpRoute) -> HttpRoute:
        return msgspec.structs.replace(route, rules=tuple(map(with_plugins, route.rules)))

    gateways = []
    for gateway in model.gateways:
        listeners = []
        for listener in gateway.listeners:
            servers = [
                msgspec.structs.replace(server, routes=tuple(map(with_rules, server.routes)))
                for server in listener.servers
            ]
            listeners.append(msgspec.structs.replace(listener, servers=tuple(servers)))
        gateways.append(msgspec.structs.replace(gateway, listeners=tuple(listeners)))
    return msgspec.structs.replace(model, gateways=tuple(gateways))
