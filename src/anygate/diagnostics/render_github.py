"""Diagnostics as GitHub workflow commands, which annotate the lines of a pull request."""

from collections.abc import Iterable

from anygate.diagnostics.diagnostic import Diagnostic, Severity
from anygate.diagnostics.excerpt import escape_text
from anygate.diagnostics.source import render_path

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render_github(diagnostics: Iterable[Diagnostic]) -> str:
    """Render one `::error file=...::message` line per diagnostic."""
    return "".join(f"{_render_command(found)}\n" for found in diagnostics)


def _render_command(found: Diagnostic) -> str:
    properties = {"title": found.rule}
    if found.span:
        properties |= {
            "file": escape_text(found.span.file.name),
            "line": str(found.span.line),
            "col": str(found.span.column),
            "endLine": str(found.span.end_line),
        }
        # GitHub takes an end column only for a stretch of one line, and counts it as inside.
        if found.span.end_line == found.span.line:
            properties["endColumn"] = str(max(found.span.column, found.span.end_column - 1))
    joined = ",".join(f"{name}={_escape_property(value)}" for name, value in properties.items())
    at = f" at {render_path(found.path)}" if found.path else ""
    hint = f"\nhint: {escape_text(found.hint)}" if found.hint else ""
    message = escape_text(found.message + at) + hint
    return f"::{_COMMANDS[found.severity]} {joined}::{_escape_message(message)}"


def _escape_message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_message(text).replace(":", "%3A").replace(",", "%2C")
