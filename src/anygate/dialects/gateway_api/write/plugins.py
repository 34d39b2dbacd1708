"""Plugins of WebAssembly as those of an EnvoyExtensionPolicy."""

import json
from typing import Any

from anygate.dialects.gateway_api.write.findings import PLUGIN
from anygate.dialects.gateway_api.write.losses import Losses
from anygate.dialects.gateway_api.write.words import given
from anygate.model.route import HttpRule
from anygate.model.wasm import WasmPlugin


def write_plugins(rule: HttpRule, losses: Losses) -> dict[str, Any]:
    """The settings of a policy for the plugins of a rule, empty where none of them can be said."""
    found = [one for one in rule.plugins if is_fetched(one)]
    for one in found:
        text = (
            f"{one.name} is for Envoy Gateway, which calls it in all its moments and bounds neither time nor memory: "
        )
        losses.add(PLUGIN, one.origin, f"{text}a module by Nantian's rules is not run there, and none is run here")
    return given(wasm=[_write(one) for one in found] or None)


def is_fetched(plugin: WasmPlugin) -> bool:
    """Whether a policy can say where the code is, and what it is to be told."""
    return (
        bool(plugin.module.url) and not plugin.module.fault and plugin.engine != "sandbox" and _is_json(plugin.config)
    )


def _write(plugin: WasmPlugin) -> dict[str, Any]:
    code = given(url=plugin.module.url, sha256=plugin.module.digest or None)
    return given(
        name=plugin.name,
        code={"type": "HTTP", "http": code},
        config=json.loads(plugin.config) if plugin.config.strip() else None,
        fail_open=plugin.fail_open or None,
    )


def _is_json(text: str) -> bool:
    try:
        json.loads(text or "{}")
    except ValueError:
        return not text.strip()
    return True
