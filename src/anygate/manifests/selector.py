"""Label selectors."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, Self

from pydantic import Field, model_validator

from anygate.manifests.fields import Many
from anygate.manifests.kind import Node


class Requirement(Node):
    """One condition on a label."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: Many[str] = ()

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        if self.operator in ("In", "NotIn") and not self.values:
            raise ValueError(f'expected values for operator "{self.operator}"')
        if self.operator in ("Exists", "DoesNotExist") and self.values:
            raise ValueError(f'expected no values for operator "{self.operator}"')
        return self


class LabelSelector(Node):
    """Conditions that must all hold; an empty selector matches everything."""

    match_labels: dict[str, str] = Field({})
    match_expressions: Many[Requirement] = ()


class _Condition(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def operator(self) -> str: ...
    @property
    def values(self) -> Sequence[str]: ...


class Selector(Protocol):
    """Whatever has the fields of a Kubernetes label selector."""

    @property
    def match_labels(self) -> Mapping[str, str]:
        """Labels that must have these values."""

    @property
    def match_expressions(self) -> Sequence[_Condition]:
        """Conditions that must all hold."""


def selects(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects an object with these labels."""
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and all(
        _holds(condition, labels) for condition in selector.match_expressions
    )


def _holds(condition: _Condition, labels: Mapping[str, str]) -> bool:
    present = condition.key in labels
    if condition.operator == "In":
        return present and labels[condition.key] in condition.values
    if condition.operator == "NotIn":
        return not present or labels[condition.key] not in condition.values
    return present == (condition.operator == "Exists")
