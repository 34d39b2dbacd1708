"""The file that says where metrics of requests are served, and where spans go; it may change while the services run."""

from pathlib import Path

import msgspec

from anygate.private_files import replace_file


class ExporterPlace(msgspec.Struct, frozen=True):
    """Where metrics are served."""

    address: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """The URL to scrape."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.port}{self.path}"


class CollectorPlace(msgspec.Struct, frozen=True):
    """Where spans go: the full URL, how many seconds one message may take, and headers with credentials."""

    url: str
    timeout: float = 10.0
    headers: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"CollectorPlace({self.url!r})"


class Telemetry(msgspec.Struct, frozen=True):
    """What is served and sent; nothing where nobody asks for it."""

    exporter: ExporterPlace | None = None
    collector: CollectorPlace | None = None


def store_telemetry(path: Path, found: Telemetry) -> None:
    """Replace the file."""
    replace_file(path, msgspec.json.encode(found))


def load_telemetry(path: Path | None) -> Telemetry:
    """What the file says; nothing if there is none."""
    if path is None:
        return Telemetry()
    try:
        return msgspec.json.decode(path.read_bytes(), type=Telemetry)
    except FileNotFoundError:
        return Telemetry()
