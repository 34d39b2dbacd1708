"""The code of plugins, before Envoy is told of it: fetched if it stands at a URL, and tried if Envoy is to run it."""

import asyncio
from collections.abc import Sequence

import msgspec

from anygate.compiler import origin_span
from anygate.diagnostics import ObjectRef, Report, Rule, Severity, SourceFile
from anygate.model import Model
from anygate.model.wasm import WasmModule, WasmPlugin
from anygate.model.wasm_rules import change_plugins, list_plugins
from anygate.runner.fetching import fetch_module
from anygate.runner.trial import is_native, try_plugin

MODULE_LOST = Rule(
    "wasm-not-fetched",
    Severity.ERROR,
    what="The module of a plugin cannot be had from its URL, or is not the one that the plugin demands.",
    why="What the plugin is for is answered with 503, unless it is `FailOpen`.",
    wrong="# a WasmPlugin whose url leads nowhere",
    right="# one whose url has the module with the given sha256",
    external=True,
)

NOT_STARTED = Rule(
    "wasm-not-started",
    Severity.ERROR,
    what="A module of proxy-wasm does not start: it wants an import that there is not, or says so itself.",
    why="Envoy would refuse the whole listener with it. So what the plugin is for is answered with 503, unless it is "
    "`FailOpen`, and all else is served.",
    wrong="# a module whose proxy_on_configure returns 0 for this config",
    right="# the same module with a config that it takes",
    external=True,
)


class Modules:
    """What was fetched and tried. A URL is asked again when the manifests change and it was not there."""

    def __init__(self) -> None:
        self._fetched: dict[tuple[str, str], WasmModule] = {}
        self._tried: dict[WasmPlugin, str] = {}

    async def complete(self, model: Model, sources: Sequence[SourceFile], report: Report) -> Model:
        """The model with plugins that can be run; what cannot be had or started is reported, and closes its rules."""
        if not any(True for _ in list_plugins(model)):
            return model
        model = await self._fetch(model, sources, report)
        return await self._try(model, sources, report)

    async def _fetch(self, model: Model, sources: Sequence[SourceFile], report: Report) -> Model:
        wanted = {(one.module.url, one.module.digest): one.module for one in list_plugins(model) if one.module.url}
        missing = [module for key, module in wanted.items() if key not in self._fetched]
        for made in await asyncio.gather(*map(fetch_module, missing)):
            wanted[made.url, made.digest] = made
            if made.fault:
                _report(MODULE_LOST, made.fault, made, sources, report)
            else:
                self._fetched[made.url, made.digest] = made
        found = {**wanted, **self._fetched}

        def with_code(plugin: WasmPlugin) -> WasmPlugin:
            module = plugin.module
            return msgspec.structs.replace(plugin, module=found[module.url, module.digest]) if module.url else plugin

        return change_plugins(model, with_code) if wanted else model

    async def _try(self, model: Model, sources: Sequence[SourceFile], report: Report) -> Model:
        native = dict.fromkeys(plugin for plugin in list_plugins(model) if is_native(plugin))
        missing = [plugin for plugin in native if plugin not in self._tried]
        for plugin, fault in zip(missing, await asyncio.gather(*map(try_plugin, missing)), strict=True):
            self._tried[plugin] = fault
        faults = {plugin: self._tried[plugin] for plugin in native if self._tried[plugin]}
        for plugin, fault in faults.items():
            _report(NOT_STARTED, fault, plugin, sources, report)

        def with_fault(plugin: WasmPlugin) -> WasmPlugin:
            fault = faults.get(plugin)
            return _fail(plugin, fault) if fault else plugin

        return change_plugins(model, with_fault) if faults else model


def _fail(plugin: WasmPlugin, fault: str) -> WasmPlugin:
    return msgspec.structs.replace(plugin, module=msgspec.structs.replace(plugin.module, fault=fault))


def _report(
    rule: Rule, text: str, node: WasmModule | WasmPlugin, sources: Sequence[SourceFile], report: Report
) -> None:
    origin = node.origin
    ref = ObjectRef("", origin.kind, origin.namespace, origin.name)
    report.add(rule, text, origin_span(origin, sources), object=ref)
