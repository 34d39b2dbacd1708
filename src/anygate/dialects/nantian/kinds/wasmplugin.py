"""WasmPlugin: a module of WebAssembly, and the requests that it sees."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from anygate.dialects.nantian.kinds.values import GROUP, TargetReference
from anygate.manifests.fields import Base64
from anygate.manifests.kind import Kind, Many, Node, ObjectName

_DIGEST = re.compile(r"(?:sha256:)?[0-9a-fA-F]{64}")
_LARGEST_INLINE = 52_428_800
_MEMORY = (65_536, 2**30)


def _check_digest(value: str) -> str:
    if not _DIGEST.fullmatch(value):
        raise ValueError("expected 64 hexadecimal digits")
    return value.removeprefix("sha256:").lower()


Digest = Annotated[str, AfterValidator(_check_digest)]


class ConfigMapSource(Node):
    """A key of a ConfigMap's `binaryData`, or of its `data` in base64."""

    name: ObjectName
    key: str = "plugin.wasm"


class WasmSource(Node):
    """Where the module is: in exactly one of these places."""

    url: str | None = None
    config_map: ConfigMapSource | None = None
    inline: Base64 | None = None
    sha256: Digest | None = None


def _check_memory(value: int) -> int:
    if value and not _MEMORY[0] <= value <= _MEMORY[1]:
        raise ValueError(f"expected 0 for the default, or a number from {_MEMORY[0]} to {_MEMORY[1]}")
    return value


class Sandbox(Node):
    """What a plugin may take; 0 is the default."""

    max_memory_bytes: Annotated[int, AfterValidator(_check_memory)] = 0
    max_execution_time_ms: int = Field(0, ge=0, le=60_000)
    allow_network: bool = False
    allow_file_system: bool = False


class WasmPluginSpec(Node):
    """The module and how it is run. The last three fields are anygate's own."""

    wasm: WasmSource
    target_refs: Many[TargetReference] = ()
    hooks: Many[
        Literal["onRequest", "onResponse", "onStreamChunk", "on_request", "on_response", "on_stream_chunk"]
    ] = ()
    config: str = ""
    sandbox: Sandbox = Sandbox.model_construct()
    priority: int = 0
    failure_policy: Literal["FailClosed", "FailOpen"] = "FailClosed"
    engine: Literal["auto", "envoy", "sandbox"] = "auto"


class WasmPlugin(Kind):
    """A plugin."""

    GROUP: ClassVar[str] = GROUP
    KIND: ClassVar[str] = "WasmPlugin"
    PRUNES_UNKNOWN: ClassVar[bool] = True

    spec: WasmPluginSpec
