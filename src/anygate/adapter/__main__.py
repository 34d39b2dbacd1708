"""`python -m anygate.adapter --socket PATH --egress PATH`: one worker of the adapter."""

import argparse
import ctypes
import os
import signal
import socket
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve until SIGTERM."""
    options = _read_arguments()
    if options.parent:
        _die_with(options.parent)
    import uvloop

    from anygate.adapter.worker import Worker, bind, unbind

    async def run() -> None:
        worker = Worker(options.egress, options.limit)
        if options.listen_fd is not None:
            await worker.serve(socket.socket(fileno=options.listen_fd))
            return
        listening, inode = bind(options.socket)
        try:
            await worker.serve(listening)
        finally:
            unbind(options.socket, inode)

    uvloop.run(run())


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m anygate.adapter", description=__doc__)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--socket", metavar="PATH", help="the Unix socket to listen on")
    place.add_argument("--listen-fd", metavar="N", type=int, help="a listening socket that is already open")
    parser.add_argument("--egress", metavar="PATH", required=True, help="the Unix socket of Envoy's egress listener")
    parser.add_argument("--limit", metavar="BYTES", type=int, default=64 * 1024 * 1024, help="the largest request")
    parser.add_argument("--parent", metavar="PID", type=int, default=0, help="the process to die with")
    return parser.parse_args()


def _die_with(parent: int) -> None:
    """Ask the kernel to kill this process with its parent."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the request was in
        sys.exit(1)


if __name__ == "__main__":
    main()
