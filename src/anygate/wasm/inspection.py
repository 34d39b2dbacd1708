"""Whether a module can be run as a plugin, and by which rules it and its host call each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Literal

from anygate.wasm.binary import ModuleError, Outline, read_outline

Hook = Literal["onRequest", "onResponse", "onStreamChunk"]
Abi = Literal["proxy-wasm", "nantian"]

HOOKS: Mapping[Hook, str] = MappingProxyType(
    {"onRequest": "on_request", "onResponse": "on_response", "onStreamChunk": "on_stream_chunk"}
)
"""The moments in which a plugin is called, and the function that is then called."""

HOST_MODULES = ("pingora", "nantian")
"""The names under which modules import what their host offers: one in Nantian's code, one in its guides."""

HOST_FUNCTIONS = ("log", "get_header", "set_header", "get_body", "get_all_headers")
_MARKERS = ("proxy_abi_version_0_1_0", "proxy_abi_version_0_2_0", "proxy_abi_version_0_2_1")
_ALLOCATORS = ("malloc", "proxy_on_memory_allocate")
_SIGNATURES = ((0, 1), (2, 1))


@dataclass(frozen=True, slots=True)
class Inspected:
    """A module that can be run. `hooks` are those that it has a function for; empty for proxy-wasm, which has its own.

    `reads_body` are the hooks in which it may look at the body.
    """

    digest: str
    size: int
    abi: Abi
    hooks: tuple[Hook, ...] = ()
    reads_body: frozenset[Hook] = frozenset()


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why a module cannot be run."""

    message: str


@lru_cache(maxsize=64)
def inspect(content: bytes) -> Inspected | Unusable:
    """Look at a module without running it; whether its code is valid, an engine of WebAssembly is asked."""
    try:
        outline = read_outline(content)
    except ModuleError as problem:
        return Unusable(str(problem))
    invalid = _validate(content)
    if invalid:
        return Unusable(invalid)
    digest, size = sha256(content).hexdigest(), len(content)
    if any(marker in outline.functions for marker in _MARKERS):
        if not any(name in outline.functions for name in _ALLOCATORS):
            return Unusable(f"it exports neither {_ALLOCATORS[0]} nor {_ALLOCATORS[1]}")
        return Inspected(digest, size, "proxy-wasm")
    return _inspect_nantian(outline, digest, size)


def _inspect_nantian(outline: Outline, digest: str, size: int) -> Inspected | Unusable:
    if "memory" not in outline.memories or "alloc" not in outline.functions:
        return Unusable(
            "it exports neither a version of proxy-wasm nor memory and alloc, so nothing can be given to it"
        )
    hooks = tuple(hook for hook, name in HOOKS.items() if name in outline.functions)
    if not hooks:
        return Unusable(f"it exports none of {', '.join(HOOKS.values())}")
    for hook in hooks:
        found = outline.functions[HOOKS[hook]]
        if (found.parameters, found.results) not in _SIGNATURES:
            return Unusable(
                f"{HOOKS[hook]} takes {found.parameters} values and gives {found.results}, not 0 or 2 and 1"
            )
    strange = sorted(one for one in outline.imports if one[0] not in HOST_MODULES or one[1] not in HOST_FUNCTIONS)
    if strange:
        return Unusable(f"it imports {strange[0][0]}.{strange[0][1]}, which is not offered")
    asks = any(name == "get_body" for _, name in outline.imports)
    reading = (hook for hook in hooks if asks or outline.functions[HOOKS[hook]].parameters == 2)
    return Inspected(digest, size, "nantian", hooks, frozenset(reading))


def _validate(content: bytes) -> str:
    from wasmtime import Engine, Module, WasmtimeError

    try:
        Module.validate(Engine(), content)
    except WasmtimeError as problem:
        return f"it does not compile: {str(problem).splitlines()[0]}"
    return ""
