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


class SecretValue(Node, frozen=True):
    """What the generic `Secret` of this name holds, which only Envoy puts in."""

    secret: str

    def __str__(self) -> str:
        return "<secret>"


class Text(Node, frozen=True):
    """Literal text, variables and secrets, one after the other. Secrets can stand in the header edits of a rule and in
    the text that it answers with."""

    parts: tuple[str | Variable | SecretValue, ...] = ()

    def __str__(self) -> str:
        return "".join(map(str, self.parts))

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables alone."""
        return tuple(part for part in self.parts if isinstance(part, Variable))

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of all secrets."""
        return tuple(part.secret for part in self.parts if isinstance(part, SecretValue))


Value = str | Text
"""A literal, or a text with variables."""
