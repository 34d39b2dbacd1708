"""WasmPlugin: modules found, looked at, and put on the rules that they are for."""

import binascii
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from anygate.diagnostics import FieldPath, Rule
from anygate.dialects.nantian.context import Context, origin
from anygate.dialects.nantian.findings import (
    NO_TARGETS,
    WASM_CHECKSUM,
    WASM_HOOK,
    WASM_INVALID,
    WASM_NOT_GIVEN,
    WASM_SOURCE,
    WASM_UNBOUNDED,
    WASM_UNCHECKED,
)
from anygate.dialects.nantian.kinds.values import GROUP
from anygate.dialects.nantian.kinds.wasmplugin import WasmPlugin as PluginKind
from anygate.dialects.nantian.targets import Target, find_lost_targets, find_targets, is_for
from anygate.dialects.origins import origins_of
from anygate.manifests.kind import oldest_first
from anygate.manifests.sensitive import Sensitive
from anygate.model import Model
from anygate.model.places import Place, change_rules
from anygate.model.route import HttpRule
from anygate.model.wasm import Hook, WasmModule, WasmPlugin
from anygate.model.wasm_rules import put_plugins
from anygate.wasm.binary import ModuleError, limit_memory
from anygate.wasm.inspection import Inspected, Unusable, inspect

_MEMORY = 16 * 1024 * 1024
_MILLISECONDS = 10
_HOOKS: Mapping[str, Hook] = {
    **{hook: hook for hook in ("onRequest", "onResponse", "onStreamChunk")},
    "on_request": "onRequest",
    "on_response": "onResponse",
    "on_stream_chunk": "onStreamChunk",
}


@dataclass(frozen=True)
class _Found:
    """A plugin and what it is for; without targets the Gateways of its namespace."""

    plugin: WasmPlugin
    targets: tuple[Target, ...]
    namespace: str

    def is_for(self, place: Place) -> bool:
        if not self.targets:
            return place.gateway.origin.namespace == self.namespace
        return any(is_for(target, place) for target in self.targets)


def add_plugins(context: Context, model: Model) -> Model:
    """A model whose rules have the plugins that are for them, in the order of their priority and age."""
    found = [*(_read(context, item) for item in _in_order(context)), *_list_lost(context)]
    usable = [one for one in found if one is not None]
    if not usable:
        return model

    def change(place: Place) -> HttpRule:
        plugins = tuple(one.plugin for one in usable if one.is_for(place))
        return put_plugins(place.rule, plugins) if plugins else place.rule

    return change_rules(model, change)


def _list_lost(context: Context) -> Iterator[_Found]:
    """Plugins that cannot be read: what they are for is closed."""
    for manifest, targets in find_lost_targets(context, "WasmPlugin"):
        here = origins_of(manifest).at(())
        name = f"{manifest.namespace}/{manifest.name}"
        module = WasmModule(origin=here, fault="it cannot be read")
        yield _Found(WasmPlugin(origin=here, name=name, module=module), targets, manifest.namespace)


def _in_order(context: Context) -> list[PluginKind]:
    items = [item for item in oldest_first(context.index.all(GROUP, "WasmPlugin")) if isinstance(item, PluginKind)]
    return sorted(items, key=lambda item: item.spec.priority)


def _read(context: Context, item: PluginKind) -> _Found | None:
    spec = item.spec
    targets = find_targets(context, item, spec.target_refs)
    if spec.target_refs and not targets:
        return None
    if not spec.target_refs:
        text = f"it holds for all Gateways of namespace {item.namespace}"
        context.add(NO_TARGETS, text, item, ("spec",), hint="name its targets in targetRefs")
    module = _read_module(context, item)
    sandbox = spec.sandbox
    plugin = WasmPlugin(
        origin=origin(item, ("spec",)),
        name=f"{item.namespace}/{item.name}",
        module=module,
        hooks=tuple(dict.fromkeys(_HOOKS[hook] for hook in spec.hooks)),
        config=spec.config,
        memory=sandbox.max_memory_bytes or _MEMORY,
        milliseconds=sandbox.max_execution_time_ms or _MILLISECONDS,
        fail_open=spec.failure_policy == "FailOpen",
        network=sandbox.allow_network,
        engine=spec.engine,
    )
    if module.content:
        plugin = _check(context, item, plugin)
    if sandbox.allow_file_system:
        context.add(WASM_NOT_GIVEN, "plugins never see files", item, ("spec", "sandbox", "allowFileSystem"))
    return _Found(plugin, tuple(targets), item.namespace)


def _read_module(context: Context, item: PluginKind) -> WasmModule:
    """The module, or why there is none."""
    wasm, path = item.spec.wasm, ("spec", "wasm")
    here = origin(item, path)
    given = {"url": wasm.url, "configMap": wasm.config_map, "inline": wasm.inline}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        text = f"the module is in {' and in '.join(named)}" if named else "the module is nowhere"
        return _refuse(context, item, WASM_SOURCE, "Invalid", text, path, "give one of url, configMap and inline")
    if wasm.url is not None:
        if wasm.sha256 is None:
            digest = "add sha256, which `sha256sum` prints"
            context.add(WASM_UNCHECKED, "nothing says what the module should be", item, (*path, "url"), hint=digest)
        return WasmModule(origin=here, url=wasm.url, digest=wasm.sha256 or "")
    content = wasm.inline.reveal() if wasm.inline is not None else _read_config_map(context, item)
    if isinstance(content, WasmModule):
        return content
    if wasm.sha256 not in (None, sha256(content).hexdigest()):
        text = f"the SHA-256 of the module is {sha256(content).hexdigest()}"
        return _refuse(context, item, WASM_CHECKSUM, "ChecksumMismatch", text, (*path, "sha256"))
    return WasmModule(origin=here, digest=wasm.sha256 or "", content=content)


def _read_config_map(context: Context, item: PluginKind) -> bytes | WasmModule:
    source, path = item.spec.wasm.config_map, ("spec", "wasm", "configMap")
    assert source is not None
    held = context.index.config_map(item.namespace, source.name)
    value = held.values.get(source.key) if held is not None else None
    if value is None:
        text = f"ConfigMap/{item.namespace}/{source.name} "
        text += "is not there" if held is None else f"has no key {source.key}"
        return _refuse(context, item, WASM_SOURCE, "Invalid", text, path)
    if isinstance(value, Sensitive):
        return value.reveal()
    try:
        return b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        text = f"the value of {source.key} in data is not base64"
        return _refuse(context, item, WASM_SOURCE, "Invalid", text, path, "put it into binaryData")


def _refuse(
    context: Context, item: PluginKind, rule: Rule, reason: str, text: str, path: FieldPath, hint: str = ""
) -> WasmModule:
    context.add(rule, text, item, path, hint=hint)
    context.conditions.note(item.ref, "Accepted", False, reason, text)
    return WasmModule(origin=origin(item, ("spec", "wasm")), fault=text)


def _check(context: Context, item: PluginKind, plugin: WasmPlugin) -> WasmPlugin:
    """The plugin with a module that can be run, or one that says why it cannot."""
    found = inspect(plugin.module.content)
    problem = found.message if isinstance(found, Unusable) else _find_mismatch(plugin, found)
    if problem:
        module = _refuse(context, item, WASM_INVALID, "InvalidModule", problem, ("spec", "wasm"))
        return msgspec.structs.replace(plugin, module=module)
    assert isinstance(found, Inspected)
    _note_loaded(context, item, found)
    return plugin


def _find_mismatch(plugin: WasmPlugin, found: Inspected) -> str:
    if plugin.engine not in ("auto", "envoy" if found.abi == "proxy-wasm" else "sandbox"):
        return f"the engine {plugin.engine} does not run modules of {found.abi}"
    if found.abi == "proxy-wasm":
        try:
            limit_memory(plugin.module.content, plugin.memory)
        except ModuleError as problem:
            return str(problem)
    return ""


def _note_loaded(context: Context, item: PluginKind, found: Inspected) -> None:
    text = f"sha256 {found.digest}, {found.size} bytes, by the rules of {found.abi}"
    context.conditions.note(item.ref, "Loaded", True, "Loaded", text)
    sandbox, path = item.spec.sandbox, ("spec", "sandbox")
    if found.abi == "proxy-wasm":
        text = "Envoy's engine bounds memory, and not time"
        context.conditions.note(item.ref, "SandboxEnforced", False, "NotEnforced", text)
        if sandbox.max_execution_time_ms:
            context.add(WASM_UNBOUNDED, text, item, (*path, "maxExecutionTimeMs"))
        return
    context.conditions.note(item.ref, "SandboxEnforced", True, "Enforced")
    if sandbox.allow_network:
        context.add(WASM_NOT_GIVEN, "a module by Nantian's rules cannot call anyone", item, (*path, "allowNetwork"))
    for number, hook in enumerate(item.spec.hooks):
        if _HOOKS[hook] not in found.hooks:
            context.add(WASM_HOOK, f"the module has no function for {hook}", item, ("spec", "hooks", number))
