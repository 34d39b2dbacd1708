"""Names for single requests."""

from typing import Literal

from anygate.model.origin import Node, Origin


class RequestId(Node, frozen=True):
    """Put an id on requests that bring none, and with `in_response` on their answers, whoever gives them.

    `letters` and `length` are those of a `range` id.
    """

    origin: Origin
    header: str = "X-Request-Id"
    in_response: bool = True
    form: Literal["uuid", "uuid7", "nanoid", "ksuid", "range"] = "uuid"
    letters: str = ""
    length: int = 0
