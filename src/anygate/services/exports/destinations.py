"""The file that says who is told of which provider's requests."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from anygate.private_files import replace_file


class OtelDestination(msgspec.Struct, frozen=True):
    """An OTLP endpoint, over gRPC unless its URL has a path, and the name of the service that spans are of."""

    endpoint: str
    service: str


class LangfuseDestination(msgspec.Struct, frozen=True):
    """Langfuse at a host, with the keys of a project."""

    host: str
    public_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"LangfuseDestination({self.host!r})"


class Destinations(msgspec.Struct, frozen=True):
    """Who is told of a provider's requests."""

    otel: OtelDestination | None = None
    langfuse: LangfuseDestination | None = None


def store_destinations(path: Path, found: Mapping[str, Destinations]) -> None:
    """Replace the file."""
    replace_file(path, msgspec.json.encode(found))


class DestinationsFile:
    """The file as it stands when something is looked up in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._known: dict[str, Destinations] = {}

    def find(self, provider: str) -> Destinations | None:
        """Who is told of a provider's requests; None when nobody is."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        if (found.st_ino, found.st_mtime_ns) != self._seen:
            self._known = msgspec.json.decode(self._path.read_bytes(), type=dict[str, Destinations])
            self._seen = found.st_ino, found.st_mtime_ns
        return self._known.get(provider)
