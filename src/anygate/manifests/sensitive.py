"""Values that must never reach a terminal, a log or a dump."""

from typing import Final, final


@final
class Sensitive:
    """Bytes of a Secret. Equal by value, hashable, and shown as `<redacted>` wherever they are printed."""

    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content: Final = content

    def reveal(self) -> bytes:
        """The bytes themselves."""
        return self._content

    def reveal_text(self) -> str:
        """The bytes as UTF-8 text; UnicodeDecodeError when they are none."""
        return self._content.decode()

    def __len__(self) -> int:
        return len(self._content)

    def __bool__(self) -> bool:
        return bool(self._content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sensitive) and self._content == other._content

    def __hash__(self) -> int:
        return hash((Sensitive, self._content))

    def __repr__(self) -> str:
        return "<redacted>"
