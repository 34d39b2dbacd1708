"""The table that `run` prints: where to send requests, and where they go."""

from collections.abc import Mapping, Sequence

from anygate.model import Listener, Model, Server
from anygate.runner.destinations import Destination
from anygate.runner.placing import Placed

MOST_ROWS = 25
_SCHEMES = {
    "http": "http",
    "https": "https",
    "tls_passthrough": "tls",
    "tls_terminate": "tls",
    "tcp": "tcp",
    "udp": "udp",
}


def render_table(model: Model, placed: Sequence[Placed], chosen: Mapping[str, Destination]) -> str:
    """Two aligned tables: URLs with their route counts, and backends with their destinations."""
    urls = [
        (_url(one, server), _host(server), str(len(server.routes) + len(server.streams)), _note(one))
        for one in placed
        for server in one.listener.servers
    ]
    members = {name for backend in model.backends for name in backend.members}
    rows: dict[tuple[str, str, str], None] = {}
    for backend in model.backends:
        if backend.members and not members & {backend.name}:
            continue
        destination = chosen[backend.name]
        where = f"{backend.service}.{backend.namespace}" if backend.namespace else backend.service
        rows[f"{where}:{backend.port}" if backend.port else where, destination.kind, destination.detail] = None
    return _align(("URL", "HOST", "ROUTES", ""), urls) + "\n" + _align(("BACKEND", "IS", ""), list(rows))


def _url(one: Placed, server: Server) -> str:
    address = f"[{one.socket.address}]" if ":" in one.socket.address else one.socket.address
    if address == "0.0.0.0":  # noqa: S104 - shown to people, not bound
        address = "127.0.0.1"
    return f"{_SCHEMES[server.protocol]}://{address}:{one.socket.port}"


def _host(server: Server) -> str:
    return server.hostname or "*"


def _note(one: Placed) -> str:
    listener: Listener = one.listener
    gateway = listener.name.rsplit("/udp", 1)[0].rsplit("/", 1)[0]
    return f"{gateway}, port {listener.port} in the manifest" if one.moved else gateway


def _align(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    shown = list(rows[:MOST_ROWS])
    table = [header, *shown]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    ]
    if len(rows) > len(shown):
        lines.append(f"and {len(rows) - len(shown):,} more")
    return "\n".join(lines) + "\n"
