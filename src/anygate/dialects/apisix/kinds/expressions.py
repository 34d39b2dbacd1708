"""Conditions on requests: `match.exprs` of an ApisixRoute."""

from typing import Literal, Self

from pydantic import Field, model_validator

from anygate.manifests.fields import Many
from anygate.manifests.kind import Node
from anygate.manifests.violations import Violations

Operator = Literal[
    "Equal",
    "NotEqual",
    "GreaterThan",
    "GreaterThanEqual",
    "LessThan",
    "LessThanEqual",
    "In",
    "NotIn",
    "RegexMatch",
    "RegexNotMatch",
    "RegexMatchCaseInsensitive",
    "RegexNotMatchCaseInsensitive",
]
_SETS = ("In", "NotIn")


class Subject(Node):
    """The part of a request that a condition is about."""

    scope: Literal["Header", "Query", "Cookie", "Path", "Variable", "Body"]
    name: str = ""

    @model_validator(mode="after")
    def _check_name(self) -> Self:
        found = Violations()
        if self.scope != "Path" and not self.name:
            found.add(f"name is required when scope is {self.scope}", "name", code="required")
        found.refuse()
        return self


class Expression(Node):
    """One condition; all of a rule's must hold."""

    subject: Subject
    op: Operator
    value: str | None = None
    set: Many[str] = Field(default=())

    @model_validator(mode="after")
    def _check_operand(self) -> Self:
        found = Violations()
        if self.op in _SETS and not self.set:
            found.add(f"set is required when op is {self.op}", "set", code="required")
        if self.op not in _SETS and self.value is None:
            found.add(f"value is required when op is {self.op}", "value", code="required")
        found.refuse()
        return self
