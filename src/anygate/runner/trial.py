"""Plugins that Envoy is to run, tried on an Envoy that serves nobody."""

import asyncio
import re
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from anygate.envoy.api import any_of, build, serialise, typed
from anygate.envoy.binary import executable
from anygate.envoy.filters.wasm import build_entry
from anygate.envoy.refusal import CannotBuild
from anygate.model.wasm import WasmPlugin
from anygate.wasm.inspection import Inspected, inspect

_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_SECONDS = 15.0
_WORD = re.compile(r"Wasm VM failed (.*)")


def is_native(plugin: WasmPlugin) -> bool:
    """Whether Envoy itself runs a plugin."""
    found = inspect(plugin.module.content) if plugin.module.content and not plugin.module.fault else None
    return isinstance(found, Inspected) and found.abi == "proxy-wasm"


async def try_plugin(plugin: WasmPlugin) -> str:
    """What keeps a plugin from starting with its settings; nothing if it does start. Takes a fifth of a second."""
    try:
        bootstrap = _build_bootstrap(plugin)
    except CannotBuild as problem:
        return problem.text
    with TemporaryDirectory(prefix="anygate-") as folder:
        path = Path(folder, "bootstrap.pb")
        await asyncio.to_thread(path.write_bytes, bootstrap)
        command = [str(executable()), "--mode", "validate", "-c", str(path), "--concurrency", "1"]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_SECONDS):
                _, told = await process.communicate()
        except TimeoutError:
            return f"it does not end starting within {_SECONDS:g} s"
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
    return "" if process.returncode == 0 else _find_reason(told.decode(errors="replace"))


def _build_bootstrap(plugin: WasmPlugin) -> bytes:
    entry = build_entry(plugin)
    router = typed("envoy.extensions.filters.http.router.v3.Router")
    manager = build(
        _MANAGER,
        stat_prefix="trial",
        route_config={},
        http_filters=[
            {"name": entry.name, "typed_config": any_of(entry.config)},
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
    )
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": any_of(manager)}]}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    listener = {"name": "trial", "address": address, "filter_chains": [chain]}
    node = {"id": "trial", "cluster": "trial"}
    found = build("envoy.config.bootstrap.v3.Bootstrap", node=node, static_resources={"listeners": [listener]})
    return serialise(found)


def _find_reason(told: str) -> str:
    """What Envoy's log says of the machine that failed, the cause first."""
    reasons = _WORD.findall(told)
    return f"it does not start: {reasons[0].strip().rstrip('.')}" if reasons else "Envoy does not start with it"
