"""Runs the sandbox: `python -m anygate.services.wasm --socket PATH --modules FOLDER`.

It says `ready` on its output when it can be called. SIGTERM and SIGINT end it.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from anygate.errors import AnygateError
from anygate.services.server import ServiceServer
from anygate.services.wasm.service import SandboxService


async def run(socket: Path, modules: Path) -> None:
    """Serve until a signal ends it."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = ServiceServer([SandboxService(modules)])
    await server.start(socket)
    try:
        print("ready", flush=True)
        await stop.wait()
    finally:
        await server.stop()


def main(arguments: Sequence[str]) -> int:
    """Serve, and return the exit status."""
    parser = argparse.ArgumentParser(prog="anygate.services.wasm")
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--modules", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        asyncio.run(run(options.socket, options.modules))
    except AnygateError as problem:
        print(problem, file=sys.stderr)
        return problem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
