"""Answers made smaller on their way."""

from anygate.model.origin import Node, Origin


class Compression(Node, frozen=True):
    """Compress answers with gzip for clients that take it: of the given types (none: every type) and from `smallest`
    bytes on."""

    origin: Origin
    types: tuple[str, ...] = ()
    smallest: int = 30
    level: int = 6
