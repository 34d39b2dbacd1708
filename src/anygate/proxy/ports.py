"""Whether the ports that Envoy is to listen on are free, and who has them if not.

Envoy binds its listeners with SO_REUSEPORT unless a listener sets `enable_reuse_port: false`. Then a second
Envoy of the same user binds the same port without any error, and the kernel deals connections out to both.
So the port is tried here without SO_REUSEPORT, which fails as soon as anybody listens on it, whatever options
they set. Two runs that start in the same instant can both pass; only `enable_reuse_port: false` on the
listeners (TCP only: QUIC needs the option for more than one worker) makes Envoy itself refuse, and it says so
in the NACK that `parse_bind_failures` reads.
"""

import errno
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_BIND_FAILURE = re.compile(r"cannot bind '(?P<address>[^']+):(?P<port>\d+)': (?P<reason>[^\n,]+)")
_LISTENING = "0A"
_TABLES = {"tcp": ("tcp", "tcp6"), "udp": ("udp", "udp6")}


@dataclass(frozen=True, slots=True)
class Port:
    """One port that Envoy is to bind. The address is numeric."""

    address: str
    number: int
    protocol: Literal["tcp", "udp"] = "tcp"


@dataclass(frozen=True, slots=True)
class BindFailure:
    """Why a port cannot be bound; `owner` is the process that has it, if we may know."""

    port: Port
    reason: str
    owner: str = ""

    def __str__(self) -> str:
        shown = f"[{self.port.address}]" if ":" in self.port.address else self.port.address
        owner = f" by {self.owner}" if self.owner else ""
        return f"cannot listen on {shown}:{self.port.number}/{self.port.protocol}: {self.reason}{owner}"


def check_ports(ports: Iterable[Port]) -> Iterator[BindFailure]:
    """Yield the ports that cannot be bound now."""
    for port in ports:
        problem = _try_bind(port)
        if problem is None:
            continue
        is_taken = problem.errno == errno.EADDRINUSE
        reason = (problem.strerror or str(problem)).lower()
        yield BindFailure(port, reason, find_owner(port) if is_taken else "")


def parse_bind_failures(message: str) -> tuple[BindFailure, ...]:
    """Return the ports that a NACK of listeners says could not be bound."""
    return tuple(
        BindFailure(port, found["reason"].strip().lower(), find_owner(port))
        for found in _BIND_FAILURE.finditer(message)
        for port in [Port(found["address"].strip("[]"), int(found["port"]))]
    )


def find_owner(port: Port) -> str:
    """Return the name and id of a process that has a port, such as `nginx (812)`, or nothing."""
    inodes = set(_inodes(port))
    if not inodes:
        return ""
    for process in Path("/proc").iterdir():
        # Processes of other users do not show their files, and any process may end while we look.
        if process.name.isdigit():
            with suppress(OSError):
                if any(str(entry.readlink()) in inodes for entry in (process / "fd").iterdir()):
                    return f"{(process / 'comm').read_text().strip()} ({process.name})"
    return ""


def _try_bind(port: Port) -> OSError | None:
    family = socket.AF_INET6 if ":" in port.address else socket.AF_INET
    kind = socket.SOCK_STREAM if port.protocol == "tcp" else socket.SOCK_DGRAM
    try:
        with socket.socket(family, kind) as probe:
            if port.protocol == "tcp":
                # As Envoy does: connections of a former listener that still time out are no obstacle.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((port.address, port.number))
            if port.protocol == "tcp":
                probe.listen(1)
    except OSError as problem:
        return problem
    return None


def _inodes(port: Port) -> Iterator[str]:
    """Yield what the files of a process that listens on a port link to."""
    for table in _TABLES[port.protocol]:
        with suppress(OSError):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                columns = line.split()
                number = int(columns[1].rpartition(":")[2], 16)
                if number == port.number and (port.protocol == "udp" or columns[3] == _LISTENING):
                    yield f"socket:[{columns[9]}]"
