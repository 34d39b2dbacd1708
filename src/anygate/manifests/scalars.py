"""What a YAML scalar means to Kubernetes: YAML 1.1 as Go's yaml.v2 and sigs.k8s.io/yaml read it.

Unlike PyYAML there is no base 60 and a timestamp stays a string; unlike YAML 1.2 `yes` and `on` are booleans.
"""

import base64
import binascii
import re

Scalar = str | int | float | bool | None

TAG_PREFIX = "tag:yaml.org,2002:"

UNKNOWN_TAG = "tag is not supported; quote the value if it is meant as text"
"""Does not name the tag: an unquoted password may start with an exclamation mark."""

_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[1-9][0-9]*|0)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NUMBER_STARTS = frozenset("0123456789+-.")
_LONGEST_NUMBER = 400


def _words() -> dict[str, Scalar]:
    words: dict[str, Scalar] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
    words |= dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True)
    words |= dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False)
    words |= dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan"))
    words |= dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf"))
    return words | dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf"))


WORDS = _words()
"""Plain scalars with a meaning of their own."""


def resolve_plain(text: str) -> Scalar:
    """The value of an unquoted scalar without a tag."""
    if text in WORDS:
        return WORDS[text]
    if text[0] in _NUMBER_STARTS:
        return _resolve_number(text)
    return text


def _resolve_number(text: str) -> Scalar:
    # Go removes underscores anywhere, but not from a number that starts with its point.
    digits = text if text[0] == "." else text.replace("_", "")
    if len(digits) > _LONGEST_NUMBER:
        return text
    if _INTEGER.fullmatch(digits):
        number = _parse_integer(digits)
        if -(2**63) <= number < 2**64:
            return number
    if _FLOAT.fullmatch(digits):
        return _resolve_float(float(digits), text)
    return text


def _parse_integer(digits: str) -> int:
    unsigned = digits.lstrip("+-")
    octal = len(unsigned) > 1 and unsigned[0] == "0" and unsigned[1] not in "xXbBoO"
    number = int(unsigned, 8 if octal else 0)
    return -number if digits[0] == "-" else number


def _resolve_float(number: float, text: str) -> Scalar:
    if number in (float("inf"), float("-inf")):
        return text
    # Kubernetes passes the value through JSON, where 8080.0 is written 8080.
    if number.is_integer() and abs(number) < 2**63:
        return int(number)
    return number


def resolve_tagged(tag: str, text: str) -> Scalar:
    """The value of a scalar with an explicit tag; ValueError says why the tag cannot be used."""
    name = tag.removeprefix(TAG_PREFIX)
    if name == tag:
        raise ValueError(UNKNOWN_TAG)
    if name in ("str", "timestamp"):
        return text
    if name == "binary":
        return _decode_binary(text)
    expected = {"int": (int,), "float": (int, float), "bool": (bool,), "null": (type(None),)}.get(name)
    if expected is None:
        raise ValueError(UNKNOWN_TAG)
    value = resolve_plain(text)
    if type(value) not in expected:
        raise ValueError(f'tag "!!{name}" does not fit its value')
    return value


def _decode_binary(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        raise ValueError('tag "!!binary" needs base64 of UTF-8 text') from None


def render_key(value: object) -> str:
    """A mapping key as JSON writes it; ValueError when JSON has no such key."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        raise ValueError("a mapping key must be a string")  # noqa: TRY004 - a manifest's mistake, not ours
    if value is None:
        raise ValueError("a key must not be empty or null")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
