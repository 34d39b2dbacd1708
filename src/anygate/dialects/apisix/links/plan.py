"""What a run would change: the files to write, those to delete, and those to leave alone. Pure, like the generator."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff

from anygate.diagnostics import Report, SourceFile
from anygate.dialects.apisix.links.front import MANAGED_BY
from anygate.dialects.apisix.links.link_types import KNOWN_FILES
from anygate.dialects.apisix.links.rules.results import FOREIGN_FILE, FOREIGN_FILE_KEPT
from anygate.dialects.apisix.links.secrets import redact_line
from anygate.dialects.apisix.stack_files import MARKER
from anygate.manifests.yaml import parse_documents


@dataclass(frozen=True, slots=True)
class Plan:
    """Files by their path: the new text of those to write, and the old text of those to delete."""

    writes: Mapping[str, str]
    deletions: tuple[str, ...]
    existing: Mapping[str, str]

    @property
    def is_empty(self) -> bool:
        """Whether everything is up to date."""
        return not self.writes and not self.deletions

    def render_diff(self) -> str:
        """The changes as a unified diff, without the secrets that files may hold."""
        return "".join(
            line for path in sorted((*self.writes, *self.deletions)) for line in self._diff(path, self.writes.get(path))
        )

    def _diff(self, path: str, text: str | None) -> Iterator[str]:
        old = self.existing.get(path)
        before, after = (f"{side}/{path.lstrip('/')}" for side in ("a", "b"))
        rows = unified_diff(
            (old or "").splitlines(keepends=True),
            (text or "").splitlines(keepends=True),
            "/dev/null" if old is None else before,
            "/dev/null" if text is None else after,
        )
        for row in rows:
            yield redact_line(row.rstrip("\n")) + "\n"


def make_plan(
    wanted: Mapping[str, str], existing: Mapping[str, str], report: Report, *, force: bool = False, prune: bool = True
) -> Plan:
    """Compare the files that a stack stands for with those that are there, both by path.

    `existing` holds only files that a stack may have; one among them that is not ours is never deleted, and
    overwritten only by force.
    """
    for path, text in sorted(existing.items()):
        if is_ours(path, text):
            continue
        nowhere = SourceFile(path, text).span(0, 0)
        if path not in wanted:
            hint = "delete or rename it if its routes are no longer meant"
            message = "this file has the name of a link's, but was not written by `anygate links`; it is kept"
            report.add(FOREIGN_FILE_KEPT, message, nowhere, hint=hint)
        elif not force and wanted[path] != text:
            hint = "rename it, or use --force to overwrite it"
            report.add(FOREIGN_FILE, "this file was not written by `anygate links`", nowhere, hint=hint)
    writes = {path: text for path, text in sorted(wanted.items()) if existing.get(path) != text}
    deletions = [path for path, text in sorted(existing.items()) if path not in wanted and is_ours(path, text)]
    return Plan(writes, tuple(deletions) if prune else (), existing)


def list_candidates() -> tuple[str, ...]:
    """The names in a folder of routes that may be files of ours, of any stack and layout."""
    return KNOWN_FILES


def is_ours(path: str, text: str) -> bool:
    """Whether a file was written by us: it says so, or it holds nothing but objects that do."""
    if text.startswith(MARKER):
        return True
    documents = list(parse_documents(SourceFile(path, text), report := Report()))
    return not report.has_errors and bool(documents) and all(_is_ours(one.value) for one in documents)


def _is_ours(value: object) -> bool:
    metadata = value.get("metadata") if isinstance(value, dict) else None
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return isinstance(labels, dict) and labels.get(MANAGED_BY[0]) == MANAGED_BY[1]
