"""The path that Envoy routes on: what its connection manager makes of the path that a client sends.

A step-by-step copy of Envoy 1.40, checked against it: escaped slashes, parameters on dot segments,
canonical form (the rules of Chromium's URL library), repeated slashes.
"""

import re
from typing import Literal, NamedTuple

_UNESCAPED = frozenset("-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_ESCAPED = frozenset('"<>^`{|}')
_HEX = frozenset("0123456789abcdefABCDEF")
_ESCAPED_SLASH = re.compile(r"%2[fF]|%5[cC]")
_DOTS_WITH_PARAMETERS = re.compile(r"(?<=/)(\.\.?);[^/]*")
_NEVER = -3


class RoutedPath(NamedTuple):
    """The path without its query. `redirect` sends the client back with it; `refusal` says why it is bad."""

    path: str
    redirect: bool = False
    refusal: str = ""


def normalize_path(
    path: str,
    escaped_slashes: Literal["keep", "reject", "redirect", "forward"] = "redirect",
    merge_slashes: bool = True,
) -> RoutedPath:
    """Return what Envoy makes of a path (no query), in the order in which its connection manager works."""
    if not path.startswith("/"):
        return RoutedPath(path, refusal="the path does not start with a slash")
    if any(not "!" <= char <= "~" for char in path):
        return RoutedPath(path, refusal="the path has a character that must be percent-encoded")
    if "#" in path:
        return RoutedPath(path, refusal="the path has a fragment")
    unescaped = path
    if escaped_slashes != "keep":
        unescaped = _ESCAPED_SLASH.sub(lambda found: "/" if found[0][1] == "2" else "\\", path)
    changed = unescaped != path
    if changed and escaped_slashes == "reject":
        return RoutedPath(path, refusal="the path has an escaped slash")
    canonical = _canonical(_DOTS_WITH_PARAMETERS.sub(r"\1", unescaped))
    if canonical is None:
        return RoutedPath(path, refusal="the path has an escaped zero byte")
    if merge_slashes:
        canonical = _merge_slashes(canonical)
    return RoutedPath(canonical, redirect=changed and escaped_slashes == "redirect")


def _merge_slashes(path: str) -> str:
    if "//" not in path:
        return path
    elements = "/".join(element for element in path.split("/") if element)
    # A path of slashes only keeps two of them: Envoy joins first and last slash around nothing.
    return "/" + elements + ("/" if path.endswith("/") else "")


def _canonical(path: str) -> str | None:
    """Resolve dots, turn backslashes, unescape and escape as needed; None for a zero byte."""
    made: list[str] = []
    bad_percent = _NEVER
    at = 0
    while at < len(path):
        char = path[at]
        dot = _dot(path, at)
        if dot:
            at += _take_dot(path, at, dot, made)
            if bad_percent >= len(made):
                bad_percent = _NEVER
            continue
        if char == "\\":
            made.append("/")
        elif char == "%":
            if not _is_escape(path, at):
                bad_percent = len(made)
                made.append("%")
            else:
                value = chr(int(path[at + 1 : at + 3], 16))
                if value == "\0":
                    return None
                if value in _UNESCAPED:
                    made.append(value)
                    if bad_percent >= len(made) - 3:
                        _escape_percent(path, at + 3, bad_percent, made)
                else:
                    made.extend(path[at : at + 3])
                at += 2
        elif char in _ESCAPED:
            made.extend(f"%{ord(char):02X}")
        else:
            made.append(char)
        at += 1
    return "".join(made)


def _dot(path: str, at: int) -> int:
    """The length of a dot at this position, plain or escaped; 0 where there is none."""
    if path.startswith(".", at):
        return 1
    return 3 if path[at : at + 3].lower() == "%2e" else 0


def _take_dot(path: str, at: int, length: int, made: list[str]) -> int:
    """Take the dot at `at` into `made` and return how many characters of the path that used up."""
    after = at + length
    if not made or made[-1] != "/":
        made.append(".")
        return length
    if after == len(path):
        return length
    if path[after] in "/\\":
        return length + 1
    second = _dot(path, after)
    end = after + second
    if second and (end == len(path) or path[end] in "/\\"):
        _drop_element(made)
        return length + second + (0 if end == len(path) else 1)
    made.append(".")
    return length


def _drop_element(made: list[str]) -> None:
    """Go back to the slash before the last element; the first slash stays."""
    if len(made) <= 1:
        return
    made.pop()
    while made[-1] != "/":
        made.pop()


def _is_escape(path: str, at: int) -> bool:
    return len(path) >= at + 3 and path[at + 1] in _HEX and path[at + 2] in _HEX


def _escape_percent(path: str, following: int, bad_percent: int, made: list[str]) -> None:
    """Escape an earlier stray percent sign that what was just unescaped made into an escape."""
    last = made[-1]
    borrowed = bad_percent == len(made) - 2
    if borrowed:
        if following == len(path):
            return
        made.append(path[following])
    if _is_escape("".join(made[bad_percent:]), 0):
        if not borrowed:
            made.append(made[bad_percent + 1])
        made[bad_percent + 1] = "2"
        made[bad_percent + 2] = "5"
        made.append(last)
    elif borrowed:
        made.pop()
