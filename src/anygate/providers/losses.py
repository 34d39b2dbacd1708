"""What a conversion could not carry: said once per field, never silently."""

import msgspec

HEADER_LIMIT = 900


class Loss(msgspec.Struct, frozen=True):
    """One field of the client's request (or of the answer) that the other side cannot express."""

    path: str
    sentence: str


class Losses:
    """Collects the losses of one request, each path and sentence once, in the order found."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], None] = {}

    def add(self, path: str, sentence: str) -> None:
        """Record that the field at `path` was not carried, and why."""
        self._seen[path, sentence] = None

    def listed(self) -> tuple[Loss, ...]:
        """Every loss so far."""
        return tuple(Loss(path, sentence) for path, sentence in self._seen) if self._seen else ()


def render_losses(losses: tuple[Loss, ...]) -> str:
    """One printable-ASCII header value: `path: sentence; path: sentence`, cut at `HEADER_LIMIT` characters."""
    line = "; ".join(f"{loss.path}: {loss.sentence}" for loss in losses)
    shown = "".join(c if " " <= c <= "~" else "?" for c in line)
    return shown if len(shown) <= HEADER_LIMIT else shown[: HEADER_LIMIT - 4] + " ..."
