"""Reads manifests for the tests of this folder."""

from typing import Any

from anygate.diagnostics import Report, SourceFile
from anygate.dialects.envoy_ai.kinds import KINDS
from anygate.manifests import parse_sources
from anygate.manifests.kind import read_kind

ROUTE = "apiVersion: aigateway.envoyproxy.io/{version}\nkind: AIGatewayRoute\nmetadata: {{name: chat}}\nspec:\n"
BACKEND = "apiVersion: aigateway.envoyproxy.io/{version}\nkind: AIServiceBackend\nmetadata: {{name: openai}}\nspec:\n"
POLICY = (
    "apiVersion: aigateway.envoyproxy.io/{version}\nkind: BackendSecurityPolicy\nmetadata: {{name: {name}}}\nspec:\n"
)


def read_all(text: str) -> tuple[list[Any], list[str]]:
    """The objects of this dialect in `text`, None for those with mistakes, and what was found as lines."""
    report = Report()
    kinds = []
    for manifest in parse_sources([SourceFile("in.yaml", text)], report):
        if (manifest.group, manifest.kind) not in KINDS:
            continue
        model = KINDS[manifest.group, manifest.kind].resolve_model(manifest.version)
        assert model is not None
        kinds.append(read_kind(manifest, model, report))
    return kinds, lines(report.diagnostics)


def read_one(head: str, spec: str, version: str = "v1alpha1", **names: str) -> Any:
    """One sound object whose spec stands at line 5 and following, two columns in."""
    indented = "".join(f"  {line}\n" for line in spec.strip("\n").split("\n"))
    (kind,), found = read_all(head.format(version=version, **names) + indented)
    assert kind is not None, found
    return kind


def lines(diagnostics: Any) -> list[str]:
    """Each as one line with its hint."""
    return [f"{one}; {one.hint}" if one.hint else str(one) for one in diagnostics]
