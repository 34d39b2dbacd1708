"""Diagnostics for a terminal: one header line each, the source with a caret, hint and related places."""

from collections import Counter
from collections.abc import Iterable, Sequence

from anygate.diagnostics.diagnostic import Diagnostic, Severity
from anygate.diagnostics.excerpt import escape_text, render_excerpt
from anygate.diagnostics.source import Span, render_path

_COLOURS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.NOTE: "36"}


def render_text(diagnostics: Iterable[Diagnostic], *, colour: bool = False) -> str:
    """Render diagnostics with their source, a blank line between two; empty when there are none."""
    blocks = ["\n".join(_render_one(found, colour)) + "\n" for found in diagnostics]
    return "\n".join(blocks)


def render_summary(diagnostics: Sequence[Diagnostic]) -> str:
    """One line: `found 2 errors, 1 warning`."""
    counts = Counter(found.severity for found in diagnostics)
    parts = [
        f"{counts[severity]} {severity}{'s' if counts[severity] > 1 else ''}"
        for severity in Severity
        if counts[severity]
    ]
    return "found " + (", ".join(parts) or "no problems")


def render_header(found: Diagnostic, *, colour: bool = False) -> str:
    """The first line of a diagnostic: where, how severe, which rule, what, at which field."""
    where = f"{_render_place(found.span)}: " if found.span else ""
    label = _paint(f"{found.severity}[{found.rule}]", f"1;{_COLOURS[found.severity]}", colour)
    at = f" at {escape_text(render_path(found.path))}" if found.path else ""
    return f"{_paint(where, '1', colour)}{label}: {escape_text(found.message)}{at}{escape_text(found.owner)}"


def _render_one(found: Diagnostic, colour: bool) -> Iterable[str]:
    yield render_header(found, colour=colour)
    for row in render_excerpt(found):
        is_caret = row.lstrip().startswith("| ") and row.endswith("^")
        yield _paint(row, _COLOURS[found.severity], colour and is_caret)
    if found.hint:
        yield f"{_paint('hint', '1;32', colour)}: {escape_text(found.hint)}"
    for related in found.related:
        label = _paint("related", "1;34", colour)
        yield f"{label}: {_render_place(related.span)}: {escape_text(related.message)}"


def _render_place(span: Span) -> str:
    return escape_text(f"{span.file.name}:{span.line}:{span.column}")


def _paint(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour and text else text
