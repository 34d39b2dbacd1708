"""The lines of source shown with a diagnostic, and when they must not be shown."""

import re
import unicodedata
from bisect import bisect_right
from functools import lru_cache

from anygate.diagnostics.credentials import holds_credential
from anygate.diagnostics.diagnostic import Diagnostic
from anygate.diagnostics.source import SourceFile, Span

_MARKER = re.compile(r"(?:---|\.\.\.)(?:\s|\Z)")
_SECRET = re.compile(r"kind\b[^\n]{0,24}?Secret", re.IGNORECASE)
_CONTENT = re.compile(r"\b(?:data|stringData)\b", re.IGNORECASE)
# For text that could not be parsed, so that the mistake may sit in these very words.
_MAYBE_SECRET = re.compile(r"kind\b[^\n]{0,24}?(?:sec|cret)|\bdata\b|stringd|ngdata|private key", re.IGNORECASE)
_TAB_WIDTH = 4
_ELLIPSIS = "…"


def escape_text(text: str) -> str:
    """Text of a user's made harmless to a terminal: control and formatting characters become escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape_character(char) for char in text)


def _escape_character(char: str) -> str:
    code = ord(char)
    if char in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[char]
    if unicodedata.category(char) == "Zs":
        return " "
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def render_excerpt(found: Diagnostic, width: int = 100) -> list[str]:
    """The line before, the line itself, carets below, the line after; nothing where a Secret may stand.

    Neighbours that hold a credential are left out, and a line that does is not shown at all.
    """
    span = found.span
    if span is None or not span.file.text:
        return []
    first, last = _document_lines(span.file, span.line)
    if _may_be_secret(found, span.file, first, last) or is_credential(span):
        return []
    gutter = len(str(span.line + 1))
    subject = span.file.line(span.line)
    start, end = _columns(span, subject)
    before = _choose_window(subject, start, width)
    rows: list[str] = []
    for number in (span.line - 1, span.line, span.line + 1):
        if number == span.line:
            shown, offset, caret = _crop_line(subject, start, end, before, width)
            rows.append(f"{number:>{gutter}} | {shown}".rstrip())
            rows.append(f"{'':>{gutter}} | {' ' * offset}{'^' * caret}")
        elif first <= number <= last and not holds_credential(span.file, number, first, last):
            shown = _crop_line(span.file.line(number), 0, 0, before, width)[0]
            if shown.strip():
                rows.append(f"{number:>{gutter}} | {shown}".rstrip())
    return rows


def is_credential(span: Span) -> bool:
    """Whether what stands there is a credential or a part of one, so that no message may quote it."""
    first, last = _document_lines(span.file, span.line)
    return any(holds_credential(span.file, number, first, last) for number in range(span.line, span.end_line + 1))


def _columns(span: Span, line: str) -> tuple[int, int]:
    """What of the span is on its first line, as offsets in that line; at least one character."""
    start = min(span.column - 1, len(line))
    end = min(span.end_column - 1, len(line)) if span.end_line == span.line else len(line.rstrip())
    return start, max(end, start + 1)


def _choose_window(line: str, start: int, width: int) -> int:
    """The offset from which a line is shown, so that what starts at `start` is in sight."""
    fits = len(line) <= width and sum(map(_count_cells, map(_show, line))) <= width
    return 0 if fits or start < width // 2 else start - width // 3


def _crop_line(line: str, start: int, end: int, before: int, width: int) -> tuple[str, int, int]:
    """A line from offset `before` on as it is shown, and in cells where the caret starts and its length."""
    shown = _ELLIPSIS if 0 < before < len(line) else ""
    offset, caret, used = len(shown), 0, 0
    for at in range(before, len(line)):
        cell = _show(line[at])
        cells = _count_cells(cell)
        if used + cells > width:
            return shown + _ELLIPSIS, offset, max(caret, 1)
        shown += cell
        used += cells
        offset += cells if at < start else 0
        caret += cells if start <= at < end else 0
    return shown, offset, max(caret, 1)


def _show(char: str) -> str:
    return " " * _TAB_WIDTH if char == "\t" else escape_text(char)


def _count_cells(shown: str) -> int:
    """How many terminal cells a shown character takes."""
    if shown.isascii():
        return len(shown)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in shown
    )


def _document_lines(file: SourceFile, line: int) -> tuple[int, int]:
    """The first and last line of the document around a line; its neighbours may belong to others."""
    starts = _marker_lines(file)
    place = bisect_right(starts, line)
    first = starts[place - 1] if place else 1
    last = starts[place] - 1 if place < len(starts) else len(file.lines)
    return first, last


@lru_cache(maxsize=16)
def _marker_lines(file: SourceFile) -> tuple[int, ...]:
    return tuple(
        number for number, line in enumerate(file.lines, 1) if line[:3] in ("---", "...") and _MARKER.match(line)
    )


def _may_be_secret(found: Diagnostic, file: SourceFile, first: int, last: int) -> bool:
    """Whether the document around a diagnostic may hold a Secret's data.

    A single line of JSON holds a whole Secret, so no part of a Secret is shown. Where the document could not
    be parsed its text decides; where it holds other objects too, such as a List, their lines stay hidden.
    """
    if found.object is not None and found.object.kind == "Secret":
        return True
    holds_secret, may_hold_secret = _search_document(file, first, last)
    return may_hold_secret if found.object is None else holds_secret


@lru_cache(maxsize=256)
def _search_document(file: SourceFile, first: int, last: int) -> tuple[bool, bool]:
    """Whether a document holds a Secret with content, and whether it may be one that is misspelt."""
    text = "\n".join(file.lines[first - 1 : last])
    holds_secret = bool(_SECRET.search(text) and _CONTENT.search(text))
    return holds_secret, bool(_MAYBE_SECRET.search(text))
