"""Splits a text at its document markers, so that each document is parsed (and fails) alone."""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

# At column 0 these are markers wherever they stand: no scalar and no flow collection may contain such a line.
_MARKER = re.compile("\n(?:---|\\.\\.\\.)(?=[ \t\r\n\x85\u2028\u2029]|\\Z)")
_LEADING_END = re.compile("\\.\\.\\.(?=[ \t\r\n]|\\Z)")
_DIRECTIVE_FIRST = re.compile(r"(?:[ \t\r]*(?:#[^\n]*)?\n)*%")
_INDENT_WITH_TAB = re.compile(r"^[ \t]*\t[ \t]*", re.MULTILINE)
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


class Chunk(NamedTuple):
    """A stretch of a file that the YAML parser sees alone; it starts at `offset` in the file."""

    offset: int
    text: str


def split_chunks(name: str, text: str) -> Iterator[Chunk]:
    """Split a file's text; usually one chunk is one document. `name` tells JSON by its ending."""
    if name.endswith(".json") or text.lstrip()[:1] in ("{", "["):
        ends = _find_json_values(text)
        if ends is not None:
            return _split_json(text, ends)
        text = _INDENT_WITH_TAB.sub(lambda found: found[0].replace("\t", " "), text)
    return _split_yaml(text)


def _split_yaml(text: str) -> Iterator[Chunk]:
    start = 0
    for cut in [*_find_cuts(text), len(text)]:
        segment = text[start:cut]
        # Directives belong to the document after the next marker.
        if cut < len(text) and _DIRECTIVE_FIRST.match(segment) and text.startswith("---", cut):
            continue
        if segment and not segment.isspace():
            yield Chunk(start, segment)
        start = cut


def _find_cuts(text: str) -> Iterator[int]:
    if _LEADING_END.match(text):
        yield _next_line(text, 0)
    for marker in _MARKER.finditer(text):
        line = marker.start() + 1
        yield line if text[line] == "-" else _next_line(text, line)


def _next_line(text: str, offset: int) -> int:
    return text.find("\n", offset) + 1 or len(text)


def _find_json_values(text: str) -> list[tuple[int, int]] | None:
    """Where each of the concatenated JSON values stands; None when the text is not JSON."""
    decoder, found, at = json.JSONDecoder(), list[tuple[int, int]](), 0
    length = len(text)
    while True:
        while at < length and text[at] in " \t\r\n":
            at += 1
        if at == length:
            return found
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return None
        found.append((at, end))
        at = end


def _split_json(text: str, ends: list[tuple[int, int]]) -> Iterator[Chunk]:
    for start, end in ends:
        # Valid JSON has tabs only between tokens, where YAML refuses some of them.
        value = text[start:end].replace("\t", " ")
        if "\\u" in value:
            value = _JSON_STRING.sub(_join_surrogates, value)
        yield Chunk(start, value)


def _join_surrogates(found: re.Match[str]) -> str:
    """Write surrogate pairs as YAML knows them; spaces after the string keep what follows in its place."""
    string = _SURROGATES.sub(_join_pair, found[0])
    return string + " " * (len(found[0]) - len(string))


def _join_pair(found: re.Match[str]) -> str:
    high, low = int(found[2], 16), int(found[3], 16)
    return f"{found[1]}\\U{0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00):08x}"
