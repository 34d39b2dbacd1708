"""Reads objects for the tests of this folder."""

from anygate.diagnostics import Report, SourceFile
from anygate.manifests import parse_sources
from anygate.manifests.core import CORE_KINDS
from anygate.manifests.grants import GRANT_KINDS
from anygate.manifests.index import Index
from anygate.manifests.kind import read_kind


def read(text, model):
    """One object of `text` as `model`, and what was found, each as one line with its hint."""
    report = Report()
    (manifest,) = parse_sources([SourceFile("in.yaml", text)], report)
    found = read_kind(manifest, model, report)
    return found, [f"{one}; {one.hint}" if one.hint else str(one) for one in report.diagnostics]


def build_index(text):
    """An index of all core kinds and grants in `text`, which must have no mistakes."""
    report = Report()
    known = {**CORE_KINDS, **GRANT_KINDS}
    kinds = [
        read_kind(manifest, known[manifest.api_version, manifest.kind], report)
        for manifest in parse_sources([SourceFile("in.yaml", text)], report)
    ]
    assert report.diagnostics == ()
    return Index(kinds)
