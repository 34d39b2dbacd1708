"""Paths of a command line, compiled."""

import sys
from collections.abc import Sequence
from typing import NamedTuple

from anygate.cli.settings_source import make_settings
from anygate.compiler import Result, compile_sources
from anygate.diagnostics import Diagnostic, Report, Severity, SourceFile
from anygate.loading import load_manifests


class Compiled(NamedTuple):
    """The files that were read, what was made of the `objects` in them, and everything that was found on the way."""

    sources: Sequence[SourceFile]
    result: Result
    objects: int
    diagnostics: Sequence[Diagnostic]

    @property
    def errors(self) -> Sequence[Diagnostic]:
        """What is wrong with the manifests."""
        return [one for one in self.diagnostics if one.severity is Severity.ERROR]


def compile_paths(paths: Sequence[str], *, strict: bool = False, nodes: Sequence[str] = ()) -> Compiled:
    """Compile what is at paths, `-` for standard input. The options of App Mesh stand for an object with settings."""
    report = Report()
    sources = load_manifests(paths, report, stdin=sys.stdin.buffer)
    settings = make_settings(strict=strict, nodes=nodes)
    result = compile_sources((*sources, *settings))
    report.extend(result.diagnostics)
    return Compiled(sources, result, len(result.outcomes) - len(settings), report.diagnostics)
