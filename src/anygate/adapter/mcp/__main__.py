"""`python -m anygate.adapter.mcp --socket PATH --egress PATH --key PATH`: one worker of the MCP gateway.

It says `ready` when it can be called, and ends on SIGTERM or SIGINT, or with its parent.
"""

import argparse
import asyncio
import ctypes
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import uvloop

from anygate.adapter.mcp.egress import Egress
from anygate.adapter.mcp.gateway import Gateway
from anygate.adapter.mcp.serving import serve
from anygate.adapter.mcp.sessions import Sessions, load_key

_PR_SET_PDEATHSIG = 1
_BACKLOG = 1024


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop."""
    options = _read_arguments(arguments)
    if options.parent:
        _die_with(options.parent)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="mcp: %(message)s")
    gateway = Gateway(Egress(options.egress), Sessions(load_key(options.key)))
    listening = socket.socket(fileno=options.listen_fd) if options.listen_fd is not None else _bind(options.socket)
    uvloop.run(_run(listening, gateway))
    if options.socket is not None:
        options.socket.unlink(missing_ok=True)
    return 0


def _read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m anygate.adapter.mcp", description=__doc__)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--socket", metavar="PATH", type=Path, help="the Unix socket to listen on")
    place.add_argument("--listen-fd", metavar="N", type=int, help="a listening socket that is already open")
    parser.add_argument("--egress", metavar="PATH", required=True, help="the Unix socket of Envoy's egress listener")
    parser.add_argument("--key", metavar="PATH", type=Path, required=True, help="the key of sessions, made if missing")
    parser.add_argument("--parent", metavar="PID", type=int, default=0, help="the process to die with")
    return parser.parse_args(arguments)


def _bind(path: Path) -> socket.socket:
    with suppress(FileNotFoundError):
        path.unlink()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen(_BACKLOG)
    return listening


async def _run(listening: socket.socket, gateway: Gateway) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    print("ready", flush=True)
    await serve(listening, gateway.answer, stop)


def _die_with(parent: int) -> None:
    """Ask the kernel to kill this process with its parent."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the request was in
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
