"""Paths to manifests: what stands in files, and what the links of stack files stand for."""

import os
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from anygate.diagnostics import Diagnostic, Report, SourceFile
from anygate.dialects.apisix.stack_files import is_generated, is_overlay, is_stack
from anygate.manifests import load_sources
from anygate.manifests.load import FileCache


class LoadCache:
    """What one load leaves for the next: files that did not change are neither read nor expanded again."""

    def __init__(self) -> None:
        self.files = FileCache()
        self._stacks: dict[SourceFile, tuple[SourceFile | None, tuple[Diagnostic, ...]]] = {}

    def expand(
        self, stacks: Sequence[SourceFile], environment: Mapping[str, str], report: Report
    ) -> dict[SourceFile, SourceFile | None]:
        """The manifests of each stack; None of one that has none."""
        from anygate.dialects.apisix.links.expand import expand_stack

        kept, self._stacks = self._stacks, {}
        for source in stacks:
            if source in kept:
                self._stacks[source] = kept[source]
            else:
                found = Report()
                self._stacks[source] = expand_stack(source, environment, found), found.diagnostics
            report.extend(self._stacks[source][1])
        return {source: made for source, (made, _) in self._stacks.items()}


def load_manifests(
    paths: Sequence[str],
    report: Report,
    *,
    stdin: BinaryIO | None = None,
    cache: LoadCache | None = None,
    environment: Mapping[str, str] = os.environ,
) -> tuple[SourceFile, ...]:
    """As `load_sources`, with the manifests of a stack in the place of its file.

    `environment` is what secrets of a stack may name. Files that `anygate links` wrote are left out beside a stack,
    which says the same, or what has changed since; the Helm overlay that it wrote is never a manifest.
    """
    cache = cache or LoadCache()
    found = load_sources(paths, report, stdin=stdin, cache=cache.files)
    sources = tuple(one for one in found if not is_overlay(one))
    stacks = [one for one in sources if is_stack(one)]
    if not stacks:
        return sources
    made = cache.expand(stacks, environment, report)
    expanded = (made.get(one, one) for one in sources if not is_generated(one))
    return tuple(one for one in expanded if one is not None)
