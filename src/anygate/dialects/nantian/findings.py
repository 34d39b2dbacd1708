"""The diagnostics of this dialect; each page is shown by `anygate rule ID`."""

from anygate.diagnostics import Rule, Severity
from anygate.dialects.nantian.examples import GATEWAY

_SHOP = (
    GATEWAY
    + """\
    apiVersion: v1
    kind: Service
    metadata: {name: shop}
    spec: {ports: [{port: 80}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop}
    spec: {parentRefs: [{name: web}], rules: [{backendRefs: [{name: shop, port: 80}]}]}
    ---
"""
)

CALLED = "AGFzbQEAAAABCgJgAX8Bf2AAAX8DAwIAAQUDAQABBx8DBWFsbG9jAAAKb25fcmVxdWVzdAABBm1lbW9yeQIACgwCBQBBgAgLBABBAAs="
"""A module that lets every request pass."""


def plugin(spec: str, more: str = "") -> str:
    """A plugin for a route, with everything around it."""
    return (
        _SHOP
        + f"""
    apiVersion: gateway.nantian.dev/v1alpha1
    kind: WasmPlugin
    metadata: {{name: audit}}
    spec:
      targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}}]
      {spec}
{more}"""
    )


TARGET_NOT_FOUND = Rule(
    "nantian-target-not-found",
    Severity.ERROR,
    what="A policy or a plugin names a target that no manifest defines, or of a kind that it cannot be for.",
    why="It has no effect there.",
    wrong=plugin(f"wasm: {{inline: {CALLED}}}").replace("HTTPRoute, name: shop}]", "HTTPRoute, name: shpo}]"),
    right=plugin(f"wasm: {{inline: {CALLED}}}"),
)

NO_TARGETS = Rule(
    "nantian-no-targets",
    Severity.NOTE,
    what="A plugin names no target.",
    why="It then holds for everything that the Gateways of its namespace serve.",
    wrong=plugin(f"wasm: {{inline: {CALLED}}}").replace(
        "targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}]", "targetRefs: []"
    ),
    right=plugin(f"wasm: {{inline: {CALLED}}}"),
)

WASM_SOURCE = Rule(
    "wasm-source",
    Severity.ERROR,
    what="A plugin has no source of its module, several, or one that leads nowhere.",
    why="Which code runs must be certain. What the plugin is for is answered with 503, unless it is `FailOpen`.",
    wrong=plugin("wasm: {configMap: {name: modules}}"),
    right=plugin(f"wasm: {{inline: {CALLED}}}"),
)

WASM_CHECKSUM = Rule(
    "wasm-checksum",
    Severity.ERROR,
    what="The SHA-256 of a module is not the one that its plugin demands.",
    why="It is other code than somebody has looked at, and is not run: what it is for is answered with 503.",
    wrong=plugin(f"wasm: {{inline: {CALLED}, sha256: '{'0' * 64}'}}"),
    right=plugin(
        f"wasm: {{inline: {CALLED}, sha256: 0c6bbec483c0216b6b618bfbc8b57c70288686e6795d50249ff13b3c7a40c777}}"
    ),
)

WASM_UNCHECKED = Rule(
    "wasm-unchecked",
    Severity.WARNING,
    what="A module is fetched from a URL, and nothing says what its SHA-256 is.",
    why="Whatever stands at the URL is run.",
    wrong=plugin("wasm: {url: 'https://example.com/audit.wasm'}"),
    right=plugin(f"wasm: {{url: 'https://example.com/audit.wasm', sha256: '{'0' * 64}'}}"),
)

WASM_INVALID = Rule(
    "wasm-invalid",
    Severity.ERROR,
    what="A module is none of WebAssembly, or has not what a plugin needs.",
    why="It cannot be run: what the plugin is for is answered with 503, unless it is `FailOpen`.",
    wrong=plugin("wasm: {inline: bm8gbW9kdWxl}"),
    right=plugin(f"wasm: {{inline: {CALLED}}}"),
)

WASM_HOOK = Rule(
    "wasm-hook",
    Severity.WARNING,
    what="A plugin is to be called in a moment for which its module has no function.",
    why="It is not called then.",
    wrong=plugin(f"wasm: {{inline: {CALLED}}}\n      hooks: [onResponse]"),
    right=plugin(f"wasm: {{inline: {CALLED}}}\n      hooks: [onRequest]"),
)

WASM_UNBOUNDED = Rule(
    "wasm-unbounded",
    Severity.WARNING,
    what="A bound of the sandbox cannot be kept for a module of proxy-wasm, which Envoy itself runs.",
    why="A module that does not end takes one of Envoy's threads, with all of its requests.",
    wrong="# a module of proxy-wasm with maxExecutionTimeMs",
    right="# the same without it, or a module by Nantian's rules",
    external=True,
)

WASM_NOT_GIVEN = Rule(
    "wasm-not-given",
    Severity.WARNING,
    what="A sandbox asks for something that plugins never get.",
    why="There are no files in it, and plugins by Nantian's rules cannot call other services.",
    wrong=plugin(f"wasm: {{inline: {CALLED}}}\n      sandbox: {{allowFileSystem: true}}"),
    right=plugin(f"wasm: {{inline: {CALLED}}}"),
)
