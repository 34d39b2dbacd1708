"""One request to a provider, read as far as every vendor reads it: path, query, headers, body."""

import hashlib
from dataclasses import dataclass
from urllib.parse import parse_qsl

from anygate.stubs.echo import EchoRequest, ReceivedBody
from anygate.stubs.orders import Orders


@dataclass(frozen=True, slots=True)
class Call:
    """What a vendor's endpoint gets to see."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    orders: Orders
    digest: str

    def name(self, prefix: str, length: int = 24) -> str:
        """Return an identifier that is the same for the same request, with the vendor's `prefix`."""
        return prefix + self.digest[:length]


def read_call(request: EchoRequest, body: ReceivedBody, orders: Orders) -> Call:
    """Split the target and fold the headers; of repeated ones the first counts."""
    path, _, query = request.target.partition("?")
    headers: dict[str, str] = {}
    for name, value in request.headers:
        headers.setdefault(name.lower(), value)
    seed = f"{request.method} {request.target}\n{body.sha256}"
    return Call(
        request.method,
        path,
        dict(parse_qsl(query, keep_blank_values=True)),
        headers,
        body.content,
        orders,
        hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest(),
    )
