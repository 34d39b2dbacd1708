"""A stack file as the manifests that it stands for, without writing any."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from typing import Any

from anygate.diagnostics import DerivedFile, Report, SourceFile
from anygate.dialects.apisix.links.generate import generate
from anygate.dialects.apisix.links.rules.attributes import INLINE_SECRET
from anygate.dialects.apisix.links.rules.gateways import AI_LIMIT_INERT
from anygate.dialects.apisix.links.yaml_text import render_yaml

_ELSEWHERE = (INLINE_SECRET.id, AI_LIMIT_INERT.id)
"""What is only about files that are not written here, or about an APISIX that does not run here."""


def expand_stack(source: SourceFile, environment: Mapping[str, str], report: Report) -> DerivedFile | None:
    """All objects of a stack; None if there are none, or if anything in the stack is wrong.

    Pure, as `generate` is. What is said about an object later is said at the link that it was made of.
    """
    found = Report()
    made = generate(source, found, environment=environment)
    report.extend([one for one in found.diagnostics if one.rule not in _ELSEWHERE])
    if made is None or not made.objects:
        return None
    shown = replace(made.objects[0].entry.span.file, is_plan=True)
    texts = [f"---\n{render_yaml(_without_class(one.value))}" for one in made.objects]
    starts = tuple(accumulate(map(len, texts), initial=0))
    parts = tuple(replace(one.entry.span, file=shown) for one in made.objects)
    return DerivedFile(source.name, "".join(texts), starts=starts[:-1], parts=parts)


def _without_class(value: dict[str, Any]) -> dict[str, Any]:
    """An object for everybody who reads it: which APISIX of a cluster it is for is no matter here."""
    metadata = {key: one for key, one in value["metadata"].items() if key != "annotations"}
    spec = {key: one for key, one in value["spec"].items() if key != "ingressClassName"}
    return {**value, "metadata": metadata, "spec": spec}
