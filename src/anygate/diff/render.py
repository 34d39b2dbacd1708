"""Differences as text for people and as JSON for programs, with the same content."""

import msgspec

from anygate.diff.answer import Difference, Differences, Place

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_COLOURS = {"added": "32", "removed": "31", "changed": "33"}


def render_text(found: Differences, *, colour: bool = False) -> str:
    """Render aligned text that needs no colour; ends with a line break, and is empty where nothing differs."""
    blocks = ["\n".join(_lines(entry, colour)) for entry in found.entries]
    return "\n\n".join(blocks) + "\n" if blocks else ""


def render_json(found: Differences) -> str:
    """Render every field, in the order of its declaration; ends with a line break."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


def _lines(entry: Difference, colour: bool) -> list[str]:
    head = f"{_SIGNS[entry.change]} {entry.kind} {entry.title}"
    if colour:
        head = f"\x1b[{_COLOURS[entry.change]}m{head}\x1b[0m"
    rows = [(aspect.name, f"{aspect.old} -> {aspect.new}") for aspect in entry.aspects]
    rows += [(name, _describe(place)) for name, place in (("old", entry.old), ("new", entry.new)) if place]
    rows += [("request", entry.request)] if entry.request else []
    width = max(len(name) for name, _ in rows)
    return [head, *(f"  {name.ljust(width)}  {text}" for name, text in rows)]


def _describe(place: Place) -> str:
    return f"{place.place}  {place.object}"
