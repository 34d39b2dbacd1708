"""What a run reads its manifests from: files and folders again and again, standard input once."""

import io
from collections.abc import Sequence
from typing import BinaryIO

from anygate.diagnostics import Report, SourceFile
from anygate.loading import LoadCache, load_manifests
from anygate.manifests.yaml import SIZE_LIMIT


class Inputs:
    """The paths of a run, or manifests `made` otherwise, which never change.

    Standard input is read when this is made and remembered, for it cannot be read twice.
    """

    def __init__(self, paths: Sequence[str], stdin: BinaryIO | None = None, made: Sequence[SourceFile] = ()) -> None:
        self.paths = tuple(paths)
        self.made = tuple(made)
        self._loaded = LoadCache()
        self._typed = stdin.read(SIZE_LIMIT + 1) if stdin is not None and "-" in paths else b""

    def load(self, report: Report) -> tuple[SourceFile, ...]:
        """Everything as it is now; raises EnvironmentProblem for a path that is not there."""
        if not self.paths:
            return self.made
        return self.made + load_manifests(self.paths, report, stdin=io.BytesIO(self._typed), cache=self._loaded)
