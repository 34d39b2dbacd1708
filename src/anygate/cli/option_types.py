"""Types of options that several commands have; what each is for stands in the command's own help."""

from typing import Annotated, Literal

from cyclopts import Parameter

Flag = Annotated[bool, Parameter(show_default=False)]
"""Off unless it is given."""

Number = Annotated[int, Parameter(show_default=False)]
"""A number whose default says nothing to anybody."""

Several = Annotated[list[str] | None, Parameter(show_default=False)]
"""A text that may be repeated."""

Text = Annotated[str, Parameter(show_default=False)]
"""A text whose default says nothing to anybody."""

Output = Annotated[str, Parameter(name=("--output", "-o"))]
"""Where files go."""

Format = Literal["text", "json"]
"""For people or for programs."""
