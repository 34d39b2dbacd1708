"""Measures a request body as it streams by, without keeping it."""

import hashlib

from anygate.stubs.echo import NO_BODY, ReceivedBody


class BodyMeter:
    """Counts and hashes the bytes it is fed."""

    __slots__ = ("_digest", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._digest: hashlib._Hash | None = None

    def feed(self, chunk: bytes | bytearray) -> None:
        """Take the next bytes of the body."""
        if self._digest is None:
            self._digest = hashlib.sha256()
        self._size += len(chunk)
        self._digest.update(chunk)

    def read(self) -> ReceivedBody:
        """Return what has been measured so far."""
        if self._digest is None:
            return NO_BODY
        return ReceivedBody(self._size, self._digest.hexdigest())
