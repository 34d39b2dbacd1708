"""Values that no log, dump, golden file or error may show."""


class Sensitive:
    """Secret bytes: equal and hashable by content, redacted in every rendering. Read them by `reveal()`."""

    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = content

    def reveal(self) -> bytes:
        """The bytes themselves, for the one place that hands them to Envoy."""
        return self._content

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sensitive) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)

    def __repr__(self) -> str:
        return "<redacted>"
