"""One remark about a manifest."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from anygate.diagnostics.source import FieldPath, Span, render_path


class Severity(StrEnum):
    """How much a diagnostic matters: an error refuses something, a warning changes it, a note explains."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class ObjectRef(NamedTuple):
    """The identity of a Kubernetes object. `group` is empty for core kinds, `namespace` for cluster ones."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}" if self.namespace else f"{self.kind}/{self.name}"


@dataclass(frozen=True)
class Related:
    """A second place that explains a diagnostic, such as `first defined here`."""

    message: str
    span: Span


@dataclass(frozen=True)
class Diagnostic:
    """A remark: which rule, how severe, what is wrong, where (span, field path, object), what to do (hint)."""

    rule: str
    severity: Severity
    message: str
    span: Span | None = None
    path: FieldPath = ()
    object: ObjectRef | None = None
    hint: str = ""
    related: tuple[Related, ...] = ()

    def sort_key(self) -> tuple[str, int, int, str, str]:
        """Order by file, position, rule, message, so that output never depends on evaluation order."""
        if self.span is None:
            return ("", 0, 0, self.rule, self.message)
        return (self.span.file.name, self.span.line, self.span.column, self.rule, self.message)

    def __str__(self) -> str:
        where = f"{self.span}: " if self.span else ""
        at = f" at {render_path(self.path)}" if self.path else ""
        return f"{where}{self.severity}[{self.rule}]: {self.message}{at}{self.owner}"

    @property
    def owner(self) -> str:
        """The object in words, where its place is not in its own text."""
        if not self.object or self.span is None or not self.span.file.is_plan:
            return ""
        return f" of {self.object}" if self.path else f" (of {self.object})"
