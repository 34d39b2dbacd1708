"""A request as the cache sees it, and the values of variables that it has."""

from collections.abc import Iterable, Mapping
from urllib.parse import unquote_plus

from anygate.model.cache import Part


class Head:
    """Headers of a request or an answer, in their order, with lower-case names."""

    def __init__(self, pairs: Iterable[tuple[str, bytes]]) -> None:
        self.pairs = tuple(pairs)

    def get(self, name: str) -> str:
        """All values of a header, joined by commas; empty if there is none."""
        return ", ".join(value.decode("utf-8", "replace") for key, value in self.pairs if key == name)

    def has(self, name: str) -> bool:
        """Whether there is such a header, be it empty."""
        return self.count(name) > 0

    def count(self, name: str) -> int:
        """How many headers there are of a name."""
        return sum(key == name for key, _ in self.pairs)


class Request(Head):
    """A request's headers, and what else Envoy says of it."""

    def __init__(self, pairs: Iterable[tuple[str, bytes]], attributes: Mapping[str, str]) -> None:
        super().__init__(pairs)
        self.method = self.get(":method")
        self._attributes = attributes

    @property
    def is_plain(self) -> bool:
        """Whether it wants one answer: it is no upgrade, no tunnel, and no call of gRPC."""
        grpc = self.get("content-type").startswith("application/grpc")
        return not (grpc or self.has("upgrade") or self.method == "CONNECT")

    def value(self, part: Part, status: int = 0) -> str:
        """What a part is for this request. `status` is that of the answer, once there is one."""
        if isinstance(part, str):
            return part
        path, _, query = self.get(":path").partition("?")
        match part.kind:
            case "header":
                return self.get(part.name)
            case "query":
                return _parameter(query, part.name)
            case "host":
                return self.get(":authority")
            case "path":
                return path
            case "target":
                return self.get(":path")
            case "query_string":
                return query
            case "method":
                return self.method
            case "scheme":
                return self.get(":scheme")
            case "protocol":
                return self._attributes.get("request.protocol", "")
            case "client_address":
                return self._attributes.get("source.address", "").rpartition(":")[0]
            case "client_port":
                return self._attributes.get("source.address", "").rpartition(":")[2]
            case "server_address":
                return self._attributes.get("destination.address", "").rpartition(":")[0]
            case "server_port":
                return self._attributes.get("destination.address", "").rpartition(":")[2]
            case "status":
                return str(status) if status else ""
            case _:
                return ""


def _parameter(query: str, name: str) -> str:
    """The first value of a parameter, as nginx finds it."""
    for part in query.split("&"):
        key, _, value = part.partition("=")
        if key == name:
            return unquote_plus(value)
    return ""
