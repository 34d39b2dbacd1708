"""Plugins of WebAssembly: code that looks at requests and answers."""

from typing import Literal

from anygate.model.origin import Node, Origin

Hook = Literal["onRequest", "onResponse", "onStreamChunk"]
"""When a plugin is called: with a request, with an answer, with each part of an answer."""

SMALLEST_MEMORY = 65_536


class WasmModule(Node, frozen=True):
    """The code of plugins. That of a `url` is fetched where it is run; what does not have this SHA-256 is not run.

    `fault` says why it cannot be run. `digest` is the SHA-256 that is demanded, empty for none.
    """

    origin: Origin
    url: str = ""
    digest: str = ""
    content: bytes = b""
    fault: str = ""


class WasmPlugin(Node, frozen=True):
    """One plugin on a rule; those of one rule are called in order.

    `hooks` are the moments that it is called in, none for every one that
    it knows. `memory` is in bytes, `milliseconds` bounds each call. Where it fails, the request is refused, unless it
    is `fail_open`. With `network` it may call other services, as far as its engine can do that: `envoy` runs modules
    of proxy-wasm, without a bound of time, and `sandbox` those of Nantian; `auto` is whichever can run the module.
    """

    origin: Origin
    name: str
    module: WasmModule
    hooks: tuple[Hook, ...] = ()
    config: str = ""
    memory: int = 16 * 1024 * 1024
    milliseconds: int = 10
    fail_open: bool = False
    network: bool = False
    engine: Literal["auto", "envoy", "sandbox"] = "auto"
