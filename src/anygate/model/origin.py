"""Where a node of the model comes from, so that everything Envoy runs leads back to a line somebody wrote."""

import msgspec


class Node(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A frozen node of the model; equality and hashing are by value."""


class Origin(msgspec.Struct, frozen=True):
    """The object and field a node was read from. `path` is rendered (`spec.rules[0]`); lines count from 1."""

    kind: str
    namespace: str
    name: str
    path: str = ""
    file: str = ""
    line: int = 0
    column: int = 0

    @property
    def object(self) -> str:
        """The object in kubectl's form: `HTTPRoute/default/web`."""
        return f"{self.kind}/{self.namespace}/{self.name}" if self.namespace else f"{self.kind}/{self.name}"

    @property
    def place(self) -> str:
        """The position an editor can open: `routes.yaml:14:5`."""
        return f"{self.file}:{self.line}:{self.column}"


NOWHERE = Origin("", "", "")
"""The place of what is equal wherever it was written."""
