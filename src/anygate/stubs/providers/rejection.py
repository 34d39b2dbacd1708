"""A request that the vendor would not serve."""

from dataclasses import dataclass


@dataclass(eq=False)
class Rejection(Exception):  # noqa: N818 - to a client it is an answer
    """Carries what the vendors put into their error bodies; each renders it in its own shape."""

    status: int
    kind: str
    message: str
    param: str | None = None
    code: str | None = None
