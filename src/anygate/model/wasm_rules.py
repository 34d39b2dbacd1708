"""Rules with plugins, and without those that cannot be run."""

from collections.abc import Callable, Iterator

import msgspec

from anygate.model.edit import Respond
from anygate.model.places import Place, change_rules
from anygate.model.root import Model, list_rules
from anygate.model.route import HttpRule
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
    for rule in list_rules(model):
        yield from rule.plugins


def change_plugins(model: Model, change: Callable[[WasmPlugin], WasmPlugin]) -> Model:
    """The model with other plugins, and with rules closed whose plugins cannot be run."""

    def with_plugins(place: Place) -> HttpRule:
        rule = place.rule
        return put_plugins(rule, tuple(map(change, rule.plugins))) if rule.plugins else rule

    return change_rules(model, with_plugins)
