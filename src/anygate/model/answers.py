"""Changes to an answer beyond its headers."""

from anygate.model.edit import HeaderEdit
from anygate.model.origin import Node, Origin


class Replacement(Node, frozen=True):
    """Text in a body that becomes another one, at its first place or everywhere."""

    find: str
    value: str = ""
    everywhere: bool = False


class AnswerEdit(Node, frozen=True):
    """What becomes of an answer, whoever gives it, that has one of `statuses` (ranges, both ends included), or of all
    of them where there are none.

    `body` takes the place of the answer's own; an answer without any keeps none. `before` and `after` are put around
    it. What its headers say about the length and the encoding of a body that changes is told anew.
    """

    origin: Origin
    statuses: tuple[tuple[int, int], ...] = ()
    status: int | None = None
    headers: HeaderEdit | None = None
    body: bytes | None = None
    before: bytes = b""
    after: bytes = b""
    replacements: tuple[Replacement, ...] = ()

    @property
    def changes_body(self) -> bool:
        """Whether the body becomes another one."""
        return self.body is not None or bool(self.before or self.after or self.replacements)
