"""One request while it is read, and the headers that it keeps."""

from anygate.providers.order import EGRESS_HEADER, ENDPOINT_HEADER, PROVIDER_HEADER

_NAMES_LIMIT = 1024
_PRIVATE = "x-anygate-"
# What only concerns one hop, and what Envoy says to itself: a copy sent on would steer the egress listener.
_DROPPED = frozenset(("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"))
KNOWN_NAMES: dict[bytes, str] = {}
"""Names as they came to names in lower case, or to nothing where they go no further."""
assert EGRESS_HEADER.startswith(_PRIVATE)


class Incoming:
    """A client's request."""

    __slots__ = (
        "complete",
        "endpoint",
        "headers",
        "keep_alive",
        "method",
        "order",
        "parts",
        "refused",
        "size",
        "target",
        "version",
    )

    def __init__(self) -> None:
        self.method = b""
        self.target = b""
        self.version = "1.1"
        self.order = b""
        self.endpoint = b""
        self.headers: dict[str, str] = {}
        self.parts: list[bytes] = []
        self.size = 0
        self.keep_alive = True
        self.complete = False
        self.refused = 0

    def add_header(self, raw: bytes, value: bytes) -> None:
        """Keep a header; the gateway's own are read and go no further."""
        name = KNOWN_NAMES.get(raw)
        if name is None:
            name = _learn(raw)
        if not name:
            if raw[:10].lower() == b"x-anygate-":
                self._read_private(raw.lower().decode("latin-1"), value)
            return
        headers = self.headers
        if name in headers:
            headers[name] = f"{headers[name]}, {value.decode('latin-1')}"
        else:
            headers[name] = value.decode("latin-1")

    def _read_private(self, name: str, value: bytes) -> None:
        if name == PROVIDER_HEADER:
            self.order = value
        elif name == ENDPOINT_HEADER:
            self.endpoint = value

    def take_body(self) -> bytes:
        """The whole body; it is not kept."""
        parts = self.parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        self.parts = []
        return body


def _learn(raw: bytes) -> str:
    """The name in lower case, or nothing for a header that is not passed on."""
    name = raw.decode("latin-1").lower()
    if name in _DROPPED or name.startswith((_PRIVATE, "x-envoy-", "x-ai-eg-")):
        name = ""
    if len(KNOWN_NAMES) < _NAMES_LIMIT:
        KNOWN_NAMES[raw] = name
    return name
