"""Measures a request body as it streams by, and keeps no more of it than it was told to."""

import hashlib

from anygate.stubs.echo import NO_BODY, ReceivedBody


class BodyMeter:
    """Counts and hashes the bytes it is fed; keeps the first `keeps` of them."""

    __slots__ = ("_content", "_digest", "_keeps", "_size")

    def __init__(self, keeps: int = 0) -> None:
        self._size = 0
        self._keeps = keeps
        self._content = bytearray()
        self._digest: hashlib._Hash | None = None

    def feed(self, chunk: bytes | bytearray) -> None:
        """Take the next bytes of the body."""
        if self._digest is None:
            self._digest = hashlib.sha256()
        room = self._keeps - self._size
        if room > 0:
            self._content += chunk[:room]
        self._size += len(chunk)
        self._digest.update(chunk)

    def read(self) -> ReceivedBody:
        """Return what has been measured so far."""
        if self._digest is None:
            return NO_BODY
        return ReceivedBody(self._size, self._digest.hexdigest(), bytes(self._content))
