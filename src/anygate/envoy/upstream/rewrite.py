"""The path and the body that a provider wants, and the client's headers for each attempt: `rewrite.lua` with settings.

Tried on Envoy 1.40: an upstream Lua filter sees the metadata of the route and the dynamic metadata and filter state of
the client's request, and what it puts there is there for the next attempt; it does not see `filter_context`, so the
settings are part of the script. Its `respond` is final, whatever the route's retry policy says. Each script costs
170 kB in every worker, `shared_vm_id` or not. A route turns it off by `LuaPerRoute` under the filter's name.
"""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from anygate.envoy.api import typed
from anygate.envoy.names import MODEL_KEY, MODEL_NAMESPACE, REWRITE
from anygate.envoy.upstream.lua import SPLICING, build_script, load_script, render_lua
from anygate.envoy.upstream.setting import AUTHORIZATION, Setting, target_of
from anygate.model.inference import ModelEndpoint, Provider, sets_members
from anygate.providers.conversion import write_error
from anygate.providers.endpoints import SEGMENT_MARKS
from anygate.providers.formats import Backend, BackendFormat, ClientFormat
from anygate.providers.native import native_path, rewrites_model
from anygate.providers.paths import CLIENT_FORMATS, ENDPOINT_PATHS, MULTIPART
from anygate.providers.refusal import ErrorReply

CREDENTIAL_HEADER = "x-anygate-credential"
"""Carries a request's own credential from the script to the filter after it."""

_SCRIPT = Path(__file__).with_name("rewrite.lua")


def build_rewrite(provider: Provider, setting: Setting) -> dict[str, Any]:
    """Build the script's entry in the chain of a provider's cluster.

    Where it takes a request's own credential it has a name of its own, by which no route turns it off.
    """
    name = f"{REWRITE}/credential" if provider.override is not None else REWRITE
    return build_script(name, _write(_settings(provider, setting)))


def build_restoring(setting: Setting) -> dict[str, Any]:
    """Build the script's entry in a chain that changes neither path nor body but has to give back headers."""
    return build_script(REWRITE, _write({"kept": setting.kept}))


def fixed_path(provider: Provider, endpoint: ModelEndpoint, setting: Setting) -> str:
    """The path that a route can set by itself instead of the script, or nothing where the script is needed.

    A route whose targets are all native and agree on the path may turn the script off and rewrite the path, except for
    requests that the script has to ask for their usage.
    """
    path = _paths(provider).get(endpoint, {})
    if setting.kept or provider.override is not None:
        return ""
    return "" if path.keys() & {"after", "model", "set"} else str(path.get("before", ""))


def render_script(provider: Provider, setting: Setting) -> str:
    """The whole text of a provider's script."""
    return _write(_settings(provider, setting))


def _settings(provider: Provider, setting: Setting) -> dict[str, Any]:
    paths = _paths(provider)
    named = any("after" in path for path in paths.values())
    override = provider.override
    return {
        "paths": paths,
        "escaped": f"[^%w%._~%-{''.join('%' + mark for mark in SEGMENT_MARKS)}]" if named else None,
        "model": provider.model or None if named else None,
        "namespace": MODEL_NAMESPACE if named else None,
        "key": MODEL_KEY if named else None,
        "kept": setting.kept or None,
        "override": override
        and {
            "header": override.header.lower(),
            "target": CREDENTIAL_HEADER,
            "prefix": "Bearer " if target_of(provider) == AUTHORIZATION else "",
            "fallback": override.fallback,
        },
        "refusals": _refusals(provider.format),
    }


def _paths(provider: Provider) -> dict[ModelEndpoint, dict[str, Any]]:
    """Where each endpoint is, and the override and other members as JSON texts where the body has to say them."""
    backend = Backend(
        format=BackendFormat(provider.format),
        version=provider.version,
        prefix=provider.prefix,
        model=provider.model,
        path=provider.path,
    )
    found: dict[ModelEndpoint, dict[str, Any]] = {}
    for endpoint in ENDPOINT_PATHS:
        path = native_path(backend, endpoint)
        if path is None:
            continue
        found[endpoint] = {"before": path.before}
        if path.after:
            found[endpoint]["after"] = path.after
        if provider.model and rewrites_model(backend, endpoint):
            found[endpoint]["model"] = msgspec.json.encode(provider.model).decode()
        if provider.body is not None and sets_members(provider.body) and endpoint not in MULTIPART:
            found[endpoint]["set"] = provider.body.set
    return found


@cache
def without_rewrite() -> dict[str, Any]:
    """Build the setting of a route that turns the providers' scripts off."""
    return {REWRITE: typed("envoy.extensions.filters.http.lua.v3.LuaPerRoute", disabled=True)}


@cache
def _refusals(backend: str) -> dict[ModelEndpoint, tuple[str, ...]]:
    """The bodies of the script's own answers, in each client's format: without a credential, a path, a model."""
    errors = (
        ErrorReply(401, "missing upstream credential"),
        ErrorReply(422, f"the backend schema {backend} cannot serve this endpoint"),
        ErrorReply(422, "invalid request body: model: the model name cannot stand in a path"),
    )
    return {
        endpoint: tuple(
            write_error(CLIENT_FORMATS.get(endpoint, ClientFormat.CHAT), error).decode() for error in errors
        )
        for endpoint in ENDPOINT_PATHS
    }


def _write_error(endpoint: ModelEndpoint, error: ErrorReply) -> str:
    return write_error(CLIENT_FORMATS.get(endpoint, ClientFormat.CHAT), error).decode()


def _write(settings: dict[str, Any]) -> str:
    return f"local settings = {render_lua(settings)}\n{load_script(SPLICING, _SCRIPT)}"
