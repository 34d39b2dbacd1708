"""Paths into bodies: the names of conditions on them, such as `messages[*].content[0].type`."""

import re

FORM = "form:"
"""How names begin that are about fields of URL-encoded forms only."""

Step = str | int
"""A member of an object by name, or an element of a list by its place from 0; `EACH` stands for all elements."""

EACH = -1
_PATH = re.compile(r"[^.\[\]*]+(?:\[(?:\d+|\*)\])*(?:\.[^.\[\]*]+(?:\[(?:\d+|\*)\])*)*")
_STEP = re.compile(r"\[(\d+|\*)\]|([^.\[\]]+)")


def read_steps(name: str) -> tuple[Step, ...] | None:
    """The steps of a path; None where it is none."""
    if not _PATH.fullmatch(name):
        return None
    return tuple(_read_step(place, member) for place, member in _STEP.findall(name))


def _read_step(place: str, member: str) -> Step:
    if member:
        return member
    return EACH if place == "*" else int(place)
