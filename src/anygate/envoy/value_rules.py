"""The rules on single values: each protoc-gen-validate rule as a predicate and the words for breaking it."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.descriptor import EnumDescriptor


class Predicate(NamedTuple):
    """A test of a value, and what to say where it does not hold."""

    holds: Callable[[Any], bool]
    text: str


class Unsupported(Exception):  # noqa: N818
    """A kind of rule that this module does not know."""


_Make = Callable[[Any], Callable[[Any], bool]]

_EVERY_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)


def _matches(pattern: str) -> Callable[[Any], bool]:
    # RE2's `$` is the very end of the text, Python's also stands before a last line break.
    translated = _EVERY_TOKEN.sub(lambda token: r"\Z" if token[0] == "$" else token[0], pattern)
    found = re.compile(translated, re.ASCII).search
    return lambda value: found(value) is not None


_COMPARED: dict[str, tuple[_Make, str]] = {
    "const": (lambda limit: lambda value: bool(value == limit), "must be {}"),
    "lt": (lambda limit: lambda value: bool(value < limit), "must be less than {}"),
    "lte": (lambda limit: lambda value: bool(value <= limit), "must be at most {}"),
    "gt": (lambda limit: lambda value: bool(value > limit), "must be greater than {}"),
    "gte": (lambda limit: lambda value: bool(value >= limit), "must be at least {}"),
    "in": (lambda allowed: lambda value: value in allowed, "must be one of {}"),
    "not_in": (lambda refused: lambda value: value not in refused, "must not be one of {}"),
}
_TEXT: dict[str, tuple[_Make, str]] = {
    "const": _COMPARED["const"],
    "in": _COMPARED["in"],
    "not_in": _COMPARED["not_in"],
    "len": (lambda size: lambda value: len(value) == size, "must have {} character(s)"),
    "min_len": (lambda size: lambda value: len(value) >= size, "must have at least {} character(s)"),
    "max_len": (lambda size: lambda value: len(value) <= size, "must have at most {} character(s)"),
    "len_bytes": (lambda size: lambda value: len(_encoded(value)) == size, "must have {} byte(s)"),
    "min_bytes": (lambda size: lambda value: len(_encoded(value)) >= size, "must have at least {} byte(s)"),
    "max_bytes": (lambda size: lambda value: len(_encoded(value)) <= size, "must have at most {} byte(s)"),
    "pattern": (_matches, "must match {}"),
    "prefix": (lambda part: lambda value: value.startswith(part), "must start with {!r}"),
    "suffix": (lambda part: lambda value: value.endswith(part), "must end with {!r}"),
    "contains": (lambda part: lambda value: part in value, "must contain {!r}"),
    "not_contains": (lambda part: lambda value: part not in value, "must not contain {!r}"),
}
_NUMBERS = {
    f"validate.{kind}Rules"
    for kind in [
        *("Float", "Double", "Int32", "Int64", "UInt32", "UInt64", "SInt32", "SInt64"),
        *("Fixed32", "Fixed64", "SFixed32", "SFixed64", "Bool"),
    ]
}
_TEXTS = {"validate.StringRules", "validate.BytesRules"}
_SPANS = {"validate.DurationRules", "validate.TimestampRules"}

_HEADER_NAME, _HEADER_VALUE = 1, 2
_WELL_KNOWN = {
    (_HEADER_NAME, True): (r"^:?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+$", "must be a header name"),
    (_HEADER_VALUE, True): ("^[^\x00-\x08\x0a-\x1f\x7f]*$", "must not contain a control character"),
    (_HEADER_NAME, False): ("^[^\x00\n\r]*$", "must not contain a line break or a zero byte"),
    (_HEADER_VALUE, False): ("^[^\x00\n\r]*$", "must not contain a line break or a zero byte"),
}
_READ_ELSEWHERE = {"ignore_empty", "strict", "required"}


def predicates(rules: Any, enum: EnumDescriptor | None) -> list[Predicate]:
    """Return the predicates of the rules on a scalar, a wrapped scalar, a duration, a timestamp or an Any."""
    kind = rules.DESCRIPTOR.full_name
    compiled = []
    for rule, limit in rules.ListFields():
        if rule.name not in _READ_ELSEWHERE:
            compiled.append(_predicate(kind, rule.name, limit, rules, enum))
    if kind in _NUMBERS:
        _refuse_outside_range(rules)
    if getattr(rules, "ignore_empty", False):
        return [Predicate(_unless_empty(each.holds), each.text) for each in compiled]
    return compiled


def worded(text: str, limit: Any) -> str:
    """Put a limit into the words of a rule, with the right plural."""
    return text.format(limit).replace("(s)", "" if limit == 1 else "s")


def _predicate(kind: str, rule: str, limit: Any, rules: Any, enum: EnumDescriptor | None) -> Predicate:
    if kind == "validate.StringRules" and rule == "well_known_regex":
        pattern, text = _WELL_KNOWN[limit, rules.strict]
        return Predicate(_matches(pattern), text)
    if kind == "validate.EnumRules" and enum is not None:
        return _enum_predicate(rule, limit, enum)
    if kind == "validate.AnyRules" and rule in {"in", "not_in"}:
        make, text = _COMPARED[rule]
        on_url = make(frozenset(limit))
        return Predicate(lambda value: on_url(value.type_url), text.format(", ".join(limit)))
    known = _TEXT if kind in _TEXTS else _COMPARED if kind in _NUMBERS | _SPANS else {}
    if rule not in known:
        raise Unsupported(f"{kind}.{rule}")
    make, text = known[rule]
    if kind in _SPANS:
        return _span_predicate(make, text, rule, limit)
    if rule in {"in", "not_in"}:
        return Predicate(make(frozenset(limit)), text.format(", ".join(repr(each) for each in limit)))
    return Predicate(make(limit), worded(text, limit))


def _enum_predicate(rule: str, limit: Any, enum: EnumDescriptor) -> Predicate:
    names = enum.values_by_number
    if rule == "defined_only":
        defined = frozenset(names)
        return Predicate(lambda value: value in defined, f"must be a value of {enum.full_name}")
    if rule not in {"const", "in", "not_in"}:
        raise Unsupported(f"validate.EnumRules.{rule}")
    make, text = _COMPARED[rule]
    listed = [limit] if rule == "const" else list(limit)
    shown = ", ".join(names[number].name if number in names else str(number) for number in listed)
    return Predicate(make(limit if rule == "const" else frozenset(limit)), text.format(shown))


def _span_predicate(make: _Make, text: str, rule: str, limit: Any) -> Predicate:
    if rule in {"in", "not_in"}:
        holds = make(frozenset(_nanoseconds(each) for each in limit))
        shown = ", ".join(each.ToJsonString() for each in limit)
    else:
        holds, shown = make(_nanoseconds(limit)), limit.ToJsonString()
    return Predicate(lambda value: holds(_nanoseconds(value)), text.format(shown))


def _refuse_outside_range(rules: Any) -> None:
    """An upper limit below the lower one would mean "outside of this range"; Envoy has no such rule."""
    named = {rule.name: limit for rule, limit in rules.ListFields()}
    upper = named.get("lt", named.get("lte"))
    lower = named.get("gt", named.get("gte"))
    if upper is not None and lower is not None and upper < lower:
        raise Unsupported(f"{rules.DESCRIPTOR.full_name} outside of a range")


def _unless_empty(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: not value or holds(value)


def _encoded(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _nanoseconds(span: Any) -> int:
    return int(span.seconds) * 1_000_000_000 + int(span.nanos)
