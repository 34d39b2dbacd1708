"""`anygate run`: serve manifests on a local Envoy."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated, Literal

from cyclopts import Parameter

from anygate.cli.output import print_diagnostics, say
from anygate.diagnostics import Diagnostic


def run(
    *paths: str,
    stub: Literal["none", "unreachable", "all"] = "none",
    resolve: Annotated[list[str] | None, Parameter(negative="")] = None,
    bind: str = "127.0.0.1",
    port_offset: int = 0,
    access_log: str = "",
    concurrency: int = 2,
) -> int:
    """Run gateway manifests on a local Envoy, and reload them when they change.

    Listens on the ports that the manifests name; those below 1024 are moved up by 10000.

    Parameters
    ----------
    paths
        Files, folders (searched for *.yaml, *.yml and *.json) or - for standard input.
    stub
        Put a simulated service in place of every backend that cannot be reached (--stub), or of all (--stub=all).
    resolve
        Where a backend really is: HOST[:PORT]=ADDRESS:PORT. May be repeated.
    bind
        Address to listen on.
    port_offset
        Added to every port.
    access_log
        File that gets one JSON object per request, such as /dev/stderr.
    concurrency
        Envoy's worker threads.
    """
    from anygate.errors import UsageError

    if not paths:
        raise UsageError("name a file or folder to run, or - for standard input")
    from anygate.runner.destinations import parse_resolution
    from anygate.runner.session import Listeners, RunOptions, Session

    options = RunOptions(
        paths=paths,
        stubs=stub,
        resolutions=[parse_resolution(one) for one in resolve or ()],
        address=bind,
        port_offset=port_offset,
        access_log=access_log,
        concurrency=concurrency,
    )

    async def serve() -> int:
        return await Session(options, Listeners(_show, _tell, say)).run()

    return asyncio.run(serve())


def _tell(diagnostics: Sequence[Diagnostic], verdict: str) -> None:
    print_diagnostics(diagnostics)
    if verdict:
        say(verdict)


def _show(served: object) -> None:
    from anygate.runner.session import Served
    from anygate.runner.table import render_table

    assert isinstance(served, Served)
    print(render_table(served.model, served.placed, served.chosen))
    print("ready", flush=True)
    sys.stdout.flush()
