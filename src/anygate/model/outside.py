"""Paths that a rewrite of their prefix would put out of order.

Paths are put in order as clients send them, and rewritten after that. Where a prefix is one of characters and not of
whole elements, `/a../b` has the prefix `/a`, and `/new/` in its place makes `/new/../b` of it: another path to the
backend than to the rules, and one that leads out of `/new/`. Such a request is answered with 404.
"""

import re

import msgspec

from anygate.model.match import HttpMatch, PathMatch
from anygate.model.route import HttpRule

_DOTS = {"": r"\.\.?", ".": r"\.?", "..": ""}
"""What makes one or two dots of the start of a path element."""


def outside_pattern(prefix: str, value: str) -> str:
    """The expression for paths which `value` in the place of `prefix` would put out of order.

    Empty where there are none.
    """
    start = value.rpartition("/")[2]
    if prefix.endswith("/") or start not in _DOTS:
        return ""
    return rf"{re.escape(prefix)}{_DOTS[start]}(?:/.*)?"


def find_outside(rule: HttpRule, match: HttpMatch | None) -> HttpMatch | None:
    """What is taken out of a match, because its rule would put the path out of order; None where there is nothing."""
    rewrite = rule.rewrite.path if rule.rewrite is not None else None
    path = match.path if match is not None else None
    if rewrite is None or rewrite.kind != "prefix" or path is None or path.kind != "string_prefix":
        return None
    pattern = outside_pattern(path.value, rewrite.value or "/")
    if match is None or not pattern:
        return None
    return msgspec.structs.replace(match, path=PathMatch(kind="regex", value=pattern, ignore_case=path.ignore_case))
