"""The starting manifests of this dialect's kinds."""

from importlib.resources import files

from anygate.dialects.template import Template

_FILES = files("anygate.dialects.nantian") / "templates"

TEMPLATES = (
    Template(
        "AIService",
        "a model at a provider, and the route to it (Nantian)",
        _FILES / "aiservice.yaml",
        ("ais",),
        options={"gateway": "web"},
    ),
    Template(
        "TokenPolicy",
        "limits of tokens and requests (Nantian)",
        _FILES / "tokenpolicy.yaml",
        ("tp",),
        options={"route": "${name}"},
    ),
    Template(
        "WasmPlugin",
        "code that sees requests and answers (Nantian)",
        _FILES / "wasmplugin.yaml",
        ("wasm",),
        options={"route": "${name}"},
    ),
)
"""Every template, in the order in which `new` lists them."""
