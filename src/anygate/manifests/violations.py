"""Cross-field rules: all broken rules of a node are raised together, each at the field that breaks it."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Code = Literal["required", "forbidden", "duplicate", "invalid"]


@dataclass(frozen=True)
class _Violation:
    message: str
    at: tuple[str | int, ...]
    code: Code
    value: object


class Violations:
    """Broken rules of one node; `refuse` raises them, with locations relative to that node."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: list[_Violation] = []

    def add(self, message: str, *at: str | int, code: Code = "invalid", value: object = ()) -> None:
        """Note that the field at `at` (field names as in the manifest, list indexes) breaks a rule.

        `value` is what the field holds, if the message should quote it.
        """
        self._found.append(_Violation(message, at, code, value))

    def adopt(self, nested: "Violations", *below: str | int) -> None:
        """Take over the broken rules of a part of this node, which lies at `below`."""
        self._found += [_Violation(one.message, (*below, *one.at), one.code, one.value) for one in nested._found]

    def refuse(self) -> None:
        """Raise everything that was added, if anything was."""
        if self._found:
            raise ValidationError.from_exception_data("rules", [_details(one) for one in self._found])


def _details(one: _Violation) -> InitErrorDetails:
    # The text travels as a parameter: braces from a user's value must not be read as placeholders.
    error = PydanticCustomError(one.code, "{text}", {"text": one.message})
    return InitErrorDetails(type=error, loc=one.at, input=one.value)


def check_selected(found: Violations, selector: str, chosen: str, fields: Mapping[str, tuple[str, object]]) -> None:
    """Require, of the fields that belong to values of `selector`, exactly the one of the chosen value.

    `fields` maps each value of the selector to the name and the content of its field.
    """
    for choice, (name, content) in fields.items():
        if choice == chosen and content is None:
            found.add(f"{name} is required when {selector} is {choice}", name, code="required")
        elif choice != chosen and content is not None:
            found.add(f"{name} is only allowed when {selector} is {choice}", name, code="forbidden")


def check_distinct(found: Violations, values: Iterable[Hashable], what: str, *below: str) -> None:
    """Require distinct list entries; `below` leads from an entry to the field that repeats."""
    seen: set[Hashable] = set()
    for index, value in enumerate(values):
        if value in seen:
            found.add(f"{what} must be unique", index, *below, code="duplicate", value=value)
        seen.add(value)


def check_exclusive(found: Violations, **fields: object) -> None:
    """Allow at most one of the fields; every further one is reported."""
    present = [name for name, content in fields.items() if content is not None]
    for name in present[1:]:
        found.add(f"{name} cannot be combined with {present[0]}", name, code="forbidden")


def check_exactly_one(found: Violations, **fields: object) -> None:
    """Require exactly one of the fields."""
    if all(content is None for content in fields.values()):
        found.add(f"one of {', '.join(fields)} is required", code="required")
    check_exclusive(found, **fields)


def check_any(found: Violations, **fields: object) -> None:
    """Require at least one of the fields."""
    if all(content is None for content in fields.values()):
        found.add(f"at least one of {', '.join(fields)} is required", code="required")
