"""The one list that every step of the compiler appends to."""

from collections.abc import Sequence

from anygate.diagnostics.diagnostic import Diagnostic, ObjectRef, Related, Severity
from anygate.diagnostics.rule import Rule
from anygate.diagnostics.source import FieldPath, Span


class Report:
    """Collects diagnostics. It only appends; equal diagnostics are kept once."""

    def __init__(self) -> None:
        self._found: dict[Diagnostic, None] = {}

    def add(
        self,
        rule: Rule,
        message: str,
        span: Span | None = None,
        *,
        path: FieldPath = (),
        object: ObjectRef | None = None,  # noqa: A002 - the field's own word
        hint: str = "",
        related: Sequence[Related] = (),
        severity: Severity | None = None,
    ) -> Diagnostic:
        """Append one diagnostic and return it; the rule's severity holds unless another is given."""
        found = Diagnostic(rule.id, severity or rule.severity, message, span, path, object, hint, tuple(related))
        self._found[found] = None
        return found

    def extend(self, diagnostics: Sequence[Diagnostic]) -> None:
        """Append diagnostics made elsewhere, such as a cached step's."""
        self._found.update(dict.fromkeys(diagnostics))

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Everything found, ordered by file and position."""
        return tuple(sorted(self._found, key=Diagnostic.sort_key))

    @property
    def has_errors(self) -> bool:
        """Whether anything was refused."""
        return any(found.severity is Severity.ERROR for found in self._found)
