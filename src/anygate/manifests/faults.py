"""What pydantic found wrong with an object, as diagnostics in the words and places of the YAML."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from anygate.diagnostics import Diagnostic, FieldPath, Report, Rule, Severity, Span
from anygate.diagnostics.excerpt import is_credential
from anygate.manifests.field_rules import INVALID_VALUE, MISSING_FIELD, UNKNOWN_FIELD, WRONG_TYPE
from anygate.manifests.found import describe_type, describe_value, hint_type
from anygate.manifests.names import suggest_field, suggest_word
from anygate.manifests.object import Manifest

_TYPES = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "bool_type": "a boolean",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "quantity_type": 'a size such as "50Mi" or 1000',
    "int_or_string_type": "an integer or a string",
    "none_required": "nothing",
}

_LIMITS = {
    "greater_than_equal": "expected at least {ge}",
    "greater_than": "expected more than {gt}",
    "less_than_equal": "expected at most {le}",
    "less_than": "expected less than {lt}",
    "multiple_of": "expected a multiple of {multiple_of}",
    "too_short": "expected at least {min_length} entries",
    "too_long": "expected at most {max_length} entries",
    "string_too_short": "expected at least {min_length} characters",
    "string_too_long": "expected at most {max_length} characters",
    "string_pattern_mismatch": 'expected text that matches "{pattern}"',
    "finite_number": "expected a finite number",
}

_QUOTED = re.compile(r"'([^']*)'")


@dataclass(frozen=True)
class _Fault:
    rule: Rule
    message: str
    path: FieldPath
    span: Span
    hint: str = ""
    expected: str = ""


def report_faults(
    manifest: Manifest, model: type[BaseModel], errors: Sequence[ErrorDetails], report: Report, at: FieldPath = ()
) -> None:
    """Report each error once; several wrong types of one value become one diagnostic.

    `at` is where in the object the value stands that was read as `model`.
    """
    found: dict[tuple[str, FieldPath, str], _Fault] = {}
    for error in errors:
        if _is_consequence(error):
            continue
        fault = _read_fault(manifest, model, {**error, "loc": (*at, *error["loc"])}, len(at))
        # The branches of a union fail one by one, at the same place.
        key = (fault.rule.id, fault.path, "" if fault.expected else fault.message)
        first = found.setdefault(key, fault)
        if first.expected != fault.expected and fault.expected not in first.expected.split(" or "):
            found[key] = _join_types(manifest, first, fault)
    for fault in found.values():
        path = manifest.written_path(fault.path)
        report.add(fault.rule, fault.message, fault.span, path=path, object=manifest.written, hint=fault.hint)


def report_unknown(
    manifest: Manifest,
    model: type[BaseModel],
    errors: Iterable[ErrorDetails],
    report: Report,
    hints: Mapping[FieldPath, str],
) -> list[Diagnostic]:
    """Warn of each unknown field among the errors, with its own hint if it has one; for kinds read without them."""
    found = []
    for error in errors:
        if error["type"] != "extra_forbidden":
            continue
        one = _read_unknown(manifest, model, error)
        found.append(
            report.add(
                one.rule,
                f"{one.message} is ignored",
                one.span,
                path=one.path,
                object=manifest.ref,
                hint=hints.get(error["loc"], one.hint),
                severity=Severity.WARNING,
            )
        )
    return sorted(found, key=Diagnostic.sort_key)


def find_unknown(errors: Iterable[ErrorDetails]) -> frozenset[FieldPath]:
    """The fields that their objects do not have."""
    return frozenset(error["loc"] for error in errors if error["type"] == "extra_forbidden")


def find_nulls(errors: Iterable[ErrorDetails]) -> frozenset[FieldPath]:
    """The fields that are wrong only because they are null."""
    return frozenset(error["loc"] for error in errors if error["input"] is None and error["type"] != "extra_forbidden")


def without(
    value: Any, nulls: frozenset[FieldPath], unknown: frozenset[FieldPath] = frozenset(), at: FieldPath = ()
) -> Any:
    """A copy of `value` without the fields at `nulls` that are null and those at `unknown`; list items stay."""
    if isinstance(value, Mapping):
        return {
            key: without(child, nulls, unknown, (*at, key))
            for key, child in value.items()
            if not (child is None and (*at, key) in nulls) and (*at, key) not in unknown
        }
    if isinstance(value, list):
        return [without(child, nulls, unknown, (*at, index)) for index, child in enumerate(value)]
    return value


def _is_consequence(error: ErrorDetails) -> bool:
    """Whether a list only seems too short: pydantic leaves out items that have faults of their own."""
    return error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]


def _read_fault(manifest: Manifest, model: type[BaseModel], error: ErrorDetails, depth: int = 0) -> _Fault:
    kind = error["type"]
    if kind == "extra_forbidden":
        return _read_unknown(manifest, model, error, depth)
    path = _read_path(manifest.value, error["loc"])
    said = error.get("ctx", {}).get("text")
    if said is not None:
        # Raised by a kind's own rule, which has its own words and says where.
        return _Fault(MISSING_FIELD if kind == "missing" else INVALID_VALUE, said, path, manifest.span(path))
    if kind in ("missing", "union_tag_not_found"):
        name = error["loc"][-1] if kind == "missing" else error["ctx"]["discriminator"].strip("'")
        # The field may be there and null.
        path = _read_path(manifest.value, error["loc"][:-1]) if kind == "missing" else path
        return _Fault(MISSING_FIELD, f'missing field "{name}"', path, manifest.span(path))
    if kind in _TYPES:
        return _type_fault(manifest, path, error["input"], _TYPES[kind])
    message, hint = _explain_value(error)
    if isinstance(error["input"], str | int | float) and manifest.tree.has(path):
        message += f", found {_describe(manifest, path, error['input'])}"
    return _Fault(INVALID_VALUE, message, path, manifest.span(path), hint)


def _read_unknown(manifest: Manifest, model: type[BaseModel], error: ErrorDetails, depth: int = 0) -> _Fault:
    name = str(error["loc"][-1])
    path = _read_path(manifest.value, error["loc"][:-1])
    hint = suggest_field(model, path[depth:], name)
    span = manifest.key_span((*path, name))
    return _Fault(UNKNOWN_FIELD, f'unknown field "{name}"', path, span, hint)


def _type_fault(manifest: Manifest, path: FieldPath, value: object, expected: str) -> _Fault:
    message = f"expected {expected}, found {_describe(manifest, path, value)}"
    hint = "" if _is_secret(manifest, path) else hint_type(expected, value, manifest.tree.text(path))
    return _Fault(WRONG_TYPE, message, path, manifest.span(path), hint, expected)


def _join_types(manifest: Manifest, first: _Fault, second: _Fault) -> _Fault:
    value: Any = manifest.value
    for step in first.path:
        value = value[step]
    return _type_fault(manifest, first.path, value, f"{first.expected} or {second.expected}")


def _explain_value(error: ErrorDetails) -> tuple[str, str]:
    kind, context = error["type"], error.get("ctx", {})
    if kind in ("literal_error", "enum", "union_tag_invalid"):
        text = str(context.get("expected") or context.get("expected_tags"))
        choices = _QUOTED.findall(text)
        hint = suggest_word(str(error["input"]), choices)
        if len(choices) < 2:
            return f"expected {text.replace(chr(39), chr(34))}", hint
        return "expected one of " + ", ".join(f'"{choice}"' for choice in choices), hint
    if kind in _LIMITS:
        return _LIMITS[kind].format(**context).replace("1 entries", "one entry"), ""
    if kind in ("value_error", "assertion_error"):
        return str(context["error"]), ""
    return error["msg"][:1].lower() + error["msg"][1:].rstrip("."), ""


def _describe(manifest: Manifest, path: FieldPath, value: object) -> str:
    if _is_secret(manifest, path):
        return describe_type(value)
    return describe_value(value, manifest.tree.text(path))


def _is_secret(manifest: Manifest, path: FieldPath) -> bool:
    return manifest.kind == "Secret" or is_credential(manifest.span(path))


def _read_path(value: Any, location: Sequence[str | int]) -> FieldPath:
    """The part of pydantic's location that exists in the object, without union branches and absent fields."""
    path: list[str | int] = []
    for step in location:
        is_field = isinstance(value, dict) and step in value
        is_item = isinstance(value, list) and isinstance(step, int) and step < len(value)
        if is_field or is_item:
            value = value[step]
            path.append(step)
    return tuple(path)
