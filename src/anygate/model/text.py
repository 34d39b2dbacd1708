"""Texts that are put together for each request."""

from typing import Literal

from anygate.model.origin import Node

Kind = Literal[
    "header",
    "query",
    "client_address",
    "client_port",
    "server_address",
    "server_port",
    "host",
    "path",
    "target",
    "query_string",
    "method",
    "scheme",
    "protocol",
    "status",
    "endpoint",
    "time",
    "unique_id",
]


class Variable(Node, frozen=True):
    """A part of a request or of its answer; empty where there is none.

    `header` and `query` take the value of what is called `name`. `host` is as the client wrote it, `path` comes
    without its query, `target` is both. `endpoint` is the address of the backend that was chosen, `status` that of the
    answer, `time` the start of the request in seconds since 1970, and `unique_id` is new each time it is asked for.
    """

    kind: Kind
    name: str = ""

    def __str__(self) -> str:
        return f"<{self.kind.replace('_', ' ')}{' ' if self.name else ''}{self.name}>"


class Text(Node, frozen=True):
    """Literal text and variables, one after the other."""

    parts: tuple[str | Variable, ...] = ()

    def __str__(self) -> str:
        return "".join(map(str, self.parts))

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables alone."""
        return tuple(part for part in self.parts if isinstance(part, Variable))


Value = str | Text
"""A literal, or a text with variables."""
