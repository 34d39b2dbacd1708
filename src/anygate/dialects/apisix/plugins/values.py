"""Values that the configurations of several plugins share."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field


def _to_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("expected a string or a number")  # noqa: TRY004 - pydantic takes no other
    return str(value)


Scalar = Annotated[Any, AfterValidator(_to_text)]
"""A text that may be written as a number."""

Scalars = dict[str, Scalar]
Answerable = Annotated[int, Field(ge=200, le=599)]
"""A status that clients may be answered with."""
Vars = list[Any]
"""Conditions as lua-resty-expr writes them."""
