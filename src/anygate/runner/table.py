"""The table that `run` prints: where to send requests, and where they go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anygate.model import Listener, Model, Server
from anygate.runner.clients import list_clients, list_models
from anygate.runner.destinations import Destination
from anygate.runner.placing import Placed

MOST_ROWS = 25
_URLS = ("URL", "HOST", "ROUTES", "GATEWAY")
_CLIENTS = ("CLIENTS", "BASE URL", "HOST")
_MODELS = ("MODEL", "ANSWERED BY")
_BACKENDS = ("BACKEND", "IS", "AT")
_SCHEMES = {
    "http": "http",
    "https": "https",
    "tls_passthrough": "tls",
    "tls_terminate": "tls",
    "tcp": "tcp",
    "udp": "udp",
}


Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Table:
    """What is served, as text cells: a row for each URL, for each sort of AI clients, each model and each backend."""

    urls: Rows
    backends: Rows
    clients: Rows = ()
    models: Rows = ()


def build_table(model: Model, placed: Sequence[Placed], chosen: Mapping[str, Destination]) -> Table:
    """Lay out where to send requests with their route counts, and where each backend's traffic goes."""
    urls = [
        (_url(one, server), _host(server), str(_count_routes(server)), _note(one))
        for one in placed
        for server in one.listener.servers
    ]
    rows: dict[tuple[str, ...], None] = {}
    for backend in model.backends:
        if backend.members:
            continue
        destination = chosen[backend.name]
        where = f"{backend.service}.{backend.namespace}" if backend.namespace else backend.service
        where += f":{backend.port}" if backend.port else ""
        rows[where, destination.kind, destination.detail] = None
    clients = [
        row for one in placed for server in one.listener.servers for row in list_clients(server, _url(one, server))
    ]
    return Table(tuple(urls), tuple(rows), tuple(dict.fromkeys(clients)), tuple(list_models(model)))


def render_table(table: Table) -> str:
    """Aligned tables, each with at most MOST_ROWS rows; those that have none are left out."""
    # Where all hosts will do, as mostly, there is nothing to say about them.
    width = 3 if any(row[2] != "*" for row in table.clients) else 2
    clients = tuple(row[:width] for row in table.clients)
    further = ((_CLIENTS[:width], clients), (_MODELS, table.models), (_BACKENDS, table.backends))
    return "\n".join([_align(_URLS, table.urls), *(_align(header, rows) for header, rows in further if rows)])


def render_changes(old: Table, new: Table) -> str:
    """The rows that are gone and those that are new, marked with - and +; empty when all are the same."""
    marked = [
        (mark, *row)
        for before, after in (
            (old.urls, new.urls),
            (old.clients, new.clients),
            (old.models, new.models),
            (old.backends, new.backends),
        )
        for mark, row in _compare(before, after)
    ]
    return "".join("  ".join(filter(None, row)) + "\n" for row in marked)


def _compare(before: Rows, after: Rows) -> list[tuple[str, tuple[str, ...]]]:
    had, has = set(before), set(after)
    gone = [("-", row) for row in before if row not in has]
    return gone + [("+", row) for row in after if row not in had]


def _url(one: Placed, server: Server) -> str:
    address = f"[{one.socket.address}]" if ":" in one.socket.address else one.socket.address
    if address == "0.0.0.0":  # noqa: S104 - shown to people, not bound
        address = "127.0.0.1"
    return f"{_SCHEMES[server.protocol]}://{address}:{one.socket.port}"


def _count_routes(server: Server) -> int:
    """Routes as they are written: an AIGatewayRoute becomes several, such as one that lists its models."""
    origins = [*(one.origin for one in server.routes), *(one.origin for one in server.streams)]
    return len({(one.kind, one.namespace, one.name) for one in origins})


def _host(server: Server) -> str:
    return server.hostname or "*"


def _note(one: Placed) -> str:
    listener: Listener = one.listener
    gateway = listener.name.removesuffix("/udp").rsplit("/", 1)[0]
    return f"{gateway}, port {listener.port} in the manifest" if one.moved else gateway


def _align(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    shown = list(rows[:MOST_ROWS])
    table = [header, *shown]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    if len(rows) > len(shown):
        lines.append(f"and {len(rows) - len(shown):,} more")
    return "\n".join(lines) + "\n"
