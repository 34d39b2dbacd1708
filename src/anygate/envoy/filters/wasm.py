"""Plugins of WebAssembly: those of proxy-wasm in Envoy's own engine, others by a call to the sandbox."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import StringValue

from anygate.envoy.api import any_of, build
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope, enable, only
from anygate.envoy.names import SANDBOX
from anygate.envoy.refusal import CannotBuild
from anygate.model.listener import Server
from anygate.model.route import HttpRule
from anygate.model.wasm import WasmPlugin
from anygate.wasm.binary import ModuleError, limit_memory
from anygate.wasm.inspection import HOOKS, Inspected, inspect
from anygate.wasm.order import ORDER_KEY, Order, PluginCall, store, write_order

NAME = "anygate/wasm"
SANDBOX_NAME = "anygate/sandbox"
_EXT_PROC = "envoy.extensions.filters.http.ext_proc.v3"
_PATIENCE = timedelta(seconds=70)
"""Longer than a plugin may take; the sandbox itself ends it in time."""

_UNAVAILABLE = 503
_HOST = (
    *("log", "get_log_level", "get_status", "set_property", "get_property", "send_local_response"),
    *("get_shared_data", "set_shared_data", "register_shared_queue", "resolve_shared_queue"),
    *("dequeue_shared_queue", "enqueue_shared_queue", "get_header_map_value", "add_header_map_value"),
    *("replace_header_map_value", "remove_header_map_value", "get_header_map_pairs", "set_header_map_pairs"),
    *("get_header_map_size", "get_buffer_status", "get_buffer_bytes", "set_buffer_bytes"),
    *("set_tick_period_milliseconds", "get_current_time_nanoseconds", "define_metric", "increment_metric"),
    *("record_metric", "get_metric", "set_effective_context", "done", "get_configuration"),
    *("continue_request", "continue_response", "continue_stream", "close_stream", "clear_route_cache"),
    *("on_vm_start", "validate_configuration", "on_configure", "on_tick", "on_context_create", "on_queue_ready"),
    *("on_done", "on_log", "on_delete", "on_memory_allocate"),
)
_CALLS_OUT = (
    *("http_call", "grpc_call", "grpc_stream", "grpc_close", "grpc_cancel", "grpc_send", "call_foreign_function"),
    *("on_http_call_response", "on_grpc_receive_initial_metadata", "on_grpc_receive_trailing_metadata"),
    *("on_grpc_receive", "on_grpc_close", "on_foreign_function"),
)
_SYSTEM = (
    *("environ_get", "environ_sizes_get", "args_get", "args_sizes_get", "fd_write", "fd_read", "fd_seek", "fd_close"),
    *("fd_fdstat_get", "fd_prestat_get", "fd_prestat_dir_name", "clock_time_get", "random_get", "proc_exit"),
    *("sched_yield", "_initialize", "_start", "main", "malloc"),
)
_CALLBACKS = {
    "onRequest": ("on_request_headers", "on_request_body", "on_request_trailers", "on_request_metadata"),
    "onResponse": ("on_response_headers", "on_response_body", "on_response_trailers", "on_response_metadata"),
    "onStreamChunk": ("on_response_body",),
}


class WasmFilter:
    """An entry for each plugin of proxy-wasm, and one for the sandbox, whose plugins routes name.

    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/wasm_filter
    Code is always in the configuration: Envoy itself warns that what it fetches may crash it. It runs in V8, which
    bounds memory by what the module declares, and time not at all.
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entries of the plugins that rules name."""
        del server
        plugins = [plugin for rule in rules for plugin in rule.plugins]
        if not plugins:
            return []
        usable = [(plugin, found) for plugin in plugins if (found := _inspect(plugin)) is not None]
        native = [(plugin.origin, build_entry(plugin)) for plugin, found in usable if found.abi == "proxy-wasm"]
        sandboxed = any(found.abi == "nantian" for _, found in usable)
        return [*([_build_sandbox()] if sandboxed else []), *only(native)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Turn the rule's plugins on. One that cannot be run closes the rule, unless it may fail."""
        del scope
        found: dict[str, Message] = {}
        calls: list[tuple[WasmPlugin, Inspected]] = []
        for plugin in rule.plugins:
            inspected = _inspect(plugin)
            if inspected is None:
                if not plugin.fail_open:
                    raise CannotBuild(plugin.origin, f"the code of plugin {plugin.name} cannot be run")
            elif inspected.abi == "proxy-wasm":
                found[entry_name(plugin)] = enable()
            else:
                calls.append((plugin, inspected))
        if calls:
            found[SANDBOX_NAME] = _build_order(rule, calls)
        return found


def entry_name(plugin: WasmPlugin) -> str:
    """Name the entry after the plugin."""
    return f"{NAME}/{plugin.name}"


def _inspect(plugin: WasmPlugin) -> Inspected | None:
    """What a plugin's module is; one that is yet to be fetched refuses requests, as nothing is known under its name."""
    if plugin.module.url and not plugin.module.content and not plugin.module.fault:
        return Inspected(plugin.module.digest, 0, "nantian", ("onRequest",))
    found = inspect(plugin.module.content) if plugin.module.content and not plugin.module.fault else None
    return found if isinstance(found, Inspected) else None


def build_entry(plugin: WasmPlugin) -> ChainEntry:
    """Return the entry of a plugin that Envoy itself runs; raises CannotBuild if it needs more memory than it may have.

    Tried on Envoy 1.40: a module that does not start, for want of an import or because it says so itself, takes its
    listener down with it, so whoever runs Envoy has to have tried it before (`runner/modules.py`).
    """
    hooks = plugin.hooks or ("onRequest", "onResponse", "onStreamChunk")
    allowed = [*_HOST, *(name for hook in hooks for name in _CALLBACKS[hook])]
    allowed += _CALLS_OUT if plugin.network else ()
    capabilities: dict[str, Any] = {f"proxy_{name}": {} for name in allowed} | {name: {} for name in _SYSTEM}
    try:
        code = limit_memory(plugin.module.content, plugin.memory)
    except ModuleError as problem:
        raise CannotBuild(plugin.origin, f"the code of plugin {plugin.name} cannot be run: {problem}") from None
    config = build(
        "envoy.extensions.filters.http.wasm.v3.Wasm",
        config={
            "name": plugin.name,
            "vm_config": {
                # Plugins never share a machine, and so no memory either.
                "vm_id": plugin.name,
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"inline_bytes": code}},
                "capability_restriction_config": {"allowed_capabilities": capabilities},
            },
            "configuration": any_of(StringValue(value=plugin.config)),
            "failure_policy": "FAIL_OPEN" if plugin.fail_open else "FAIL_RELOAD",
        },
    )
    return ChainEntry(entry_name(plugin), config, disabled=True)


def _build_sandbox() -> ChainEntry:
    """Build the entry of the sandbox, which is asked nothing on a route that names no plugin."""
    config = build(
        f"{_EXT_PROC}.ExternalProcessor",
        grpc_service={"envoy_grpc": {"cluster_name": SANDBOX}},
        processing_mode=_build_mode({}),
        message_timeout=_PATIENCE,
        route_cache_action="RETAIN",
        status_on_error={"code": _UNAVAILABLE},
        stat_prefix="sandbox",
    )
    return ChainEntry(SANDBOX_NAME, config, disabled=True, inert=True)


def _build_mode(modes: dict[str, str]) -> dict[str, Any]:
    skipped = ("request_header_mode", "response_header_mode", "request_trailer_mode", "response_trailer_mode")
    return {**dict.fromkeys(skipped, "SKIP"), "request_body_mode": "NONE", "response_body_mode": "NONE", **modes}


def _build_order(rule: HttpRule, plugins: Sequence[tuple[WasmPlugin, Inspected]]) -> Any:
    """Build which parts of a request the sandbox sees, and which plugins it calls."""
    calls, bodies = [], set()
    for plugin, found in plugins:
        hooks = [hook for hook in found.hooks if not plugin.hooks or hook in plugin.hooks]
        bodies |= {HOOKS[hook] for hook in hooks if hook in found.reads_body}
        calls.append(
            PluginCall(
                name=plugin.name,
                module=found.digest,
                config=store(plugin.config.encode()).name,
                functions=tuple(HOOKS[hook] for hook in hooks),
                memory=plugin.memory,
                milliseconds=plugin.milliseconds,
                fail_open=plugin.fail_open,
            )
        )
    functions = {name for call in calls for name in call.functions}
    modes: dict[str, str] = {}
    # What an answer's plugins are told about the request they see here.
    modes["request_header_mode"] = "SEND"
    if HOOKS["onRequest"] in bodies:
        modes["request_body_mode"] = "BUFFERED"
    if HOOKS["onResponse"] in functions:
        modes["response_header_mode"] = "SEND"
    if HOOKS["onStreamChunk"] in functions:
        modes["response_body_mode"] = "STREAMED"
    elif HOOKS["onResponse"] in bodies:
        modes["response_body_mode"] = "BUFFERED"
    order = Order(route=rule.origin.object, calls=tuple(calls), bodies=tuple(sorted(bodies)))
    return build(
        f"{_EXT_PROC}.ExtProcPerRoute",
        overrides={
            "processing_mode": _build_mode(modes),
            "grpc_initial_metadata": [{"key": ORDER_KEY, "value": write_order(order)}],
            "failure_mode_allow": {"value": all(plugin.fail_open for plugin, _ in plugins)},
        },
    )
