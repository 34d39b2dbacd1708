"""Diagnostics as a JSON array with stable keys, for programs."""

import json
from collections.abc import Iterable
from typing import Any

from anygate.diagnostics.diagnostic import Diagnostic
from anygate.diagnostics.source import Span, render_path


def render_json(diagnostics: Iterable[Diagnostic]) -> str:
    """Render diagnostics as a JSON array, one object each, keys always present."""
    entries = [_build_entry(found) for found in diagnostics]
    return json.dumps(entries, indent=2, ensure_ascii=True) + "\n"


def _build_entry(found: Diagnostic) -> dict[str, Any]:
    return {
        "rule": found.rule,
        "severity": str(found.severity),
        "message": found.message,
        **_build_place(found.span),
        "path": render_path(found.path),
        "object": found.object._asdict() if found.object else None,
        "hint": found.hint,
        "related": [{"message": related.message, **_build_place(related.span)} for related in found.related],
    }


def _build_place(span: Span | None) -> dict[str, Any]:
    return {
        "file": span.file.name if span else None,
        "line": span.line if span else None,
        "column": span.column if span else None,
        "endLine": span.end_line if span else None,
        "endColumn": span.end_column if span else None,
    }
