"""`anygate run`: serve manifests on a local Envoy."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from anygate.cli.output import print_diagnostics, say, show_cursor, show_step

if TYPE_CHECKING:
    from anygate.runner.inputs import Inputs
    from anygate.runner.preparation import RunOptions
    from anygate.runner.table import Table


def run(
    *path: str,
    stub: Annotated[Literal["none", "unreachable", "all"], Parameter(show_choices=False, show_default=False)] = "none",
    resolve: Annotated[list[str] | None, Parameter(show_default=False)] = None,
    bind: str = "127.0.0.1",
    port_offset: Annotated[int, Parameter(show_default=False)] = 0,
    access_log: Annotated[str, Parameter(show_default=False)] = "",
    concurrency: int = 2,
) -> int:
    """Serve manifests on a local Envoy, and follow their changes without dropping a request.

    Listens on the ports that the manifests name; those below 1024 are moved up by 10000.
    Ctrl-C lets the requests in flight finish and exits with 0.

    Parameters
    ----------
    path
        Files, folders (searched for *.yaml, *.yml and *.json) or - for standard input.
    stub
        --stub puts a simulated service in place of every backend that cannot be reached, --stub=all of all.
    resolve
        Where a backend really is: HOST[:PORT]=ADDRESS:PORT, such as shop=127.0.0.1:3000. May be repeated.
    bind
        IP address to listen on.
    port_offset
        Added to every port.
    access_log
        File that gets one JSON object per request; - for standard output.
    concurrency
        Envoy's worker threads.
    """
    from anygate.runner.destinations import parse_resolution
    from anygate.runner.inputs import Inputs
    from anygate.runner.preparation import RunOptions

    _check_usage(path, bind, port_offset, concurrency)
    options = RunOptions(
        stubs=stub,
        resolutions=[parse_resolution(one) for one in resolve or ()],
        address=bind,
        port_offset=port_offset,
        access_log="/dev/stdout" if access_log == "-" else access_log,
        concurrency=concurrency,
    )
    # Before there is an event loop, so that Ctrl-C ends waiting for standard input.
    inputs = Inputs(path, sys.stdin.buffer)
    return asyncio.run(_serve(inputs, options))


def _check_usage(paths: Sequence[str], bind: str, port_offset: int, concurrency: int) -> None:
    from ipaddress import ip_address

    from anygate.errors import UsageError

    if not paths:
        raise UsageError("name a file or folder to run, or - for standard input")
    try:
        ip_address(bind)
    except ValueError:
        raise UsageError(f"--bind {bind}: expected an IP address\nhint: 127.0.0.1 is this machine alone") from None
    if port_offset < 0:
        raise UsageError(f"--port-offset {port_offset}: expected 0 or more")
    if concurrency < 1:
        raise UsageError(f"--concurrency {concurrency}: expected 1 or more")


async def _serve(inputs: "Inputs", options: "RunOptions") -> int:
    from anygate.runner.session import Listeners, Session

    session = Session(inputs, options, Listeners(_show, print_diagnostics, say, show_step))

    def interrupt() -> None:
        if not session.is_stopping:
            session.stop()
            return
        if session.folder is not None:
            session.folder.close()
        show_cursor()
        # Envoy dies with us, and whoever asks twice does not want to wait for anything else.
        os._exit(130)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupt)
    return await session.run()


def _show(table: "Table") -> None:
    from anygate.runner.table import render_table

    print(render_table(table))
    print("ready", flush=True)
