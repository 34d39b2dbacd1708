"""`anygate run`: serve manifests on a local Envoy."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from anygate.cli.option_types import Flag, Number, Several, Text
from anygate.cli.output import print_diagnostics, say, show_cursor, show_step

if TYPE_CHECKING:
    from pathlib import Path

    from anygate.diagnostics import SourceFile
    from anygate.runner.inputs import Inputs
    from anygate.runner.preparation import RunOptions
    from anygate.runner.table import Table


def run(
    *path: str,
    stub: Annotated[Literal["none", "unreachable", "all"], Parameter(show_choices=False, show_default=False)] = "none",
    resolve: Several = None,
    node: Several = None,
    bind: str = "127.0.0.1",
    port_offset: Number = 0,
    access_log: Text = "",
    concurrency: int = 2,
    ratelimit: Text = "memory",
    usage: Text = "",
    metrics: Number = 0,
    otlp: Text = "",
    strict: Flag = False,
    show_config: Flag = False,
) -> int:
    """Serve manifests on a local Envoy, and follow their changes without dropping a request.

    Without a path it serves the model providers whose keys are in the environment, on port 1975.
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
    node
        App Mesh: run the sidecar of this VirtualNode, as NAME or NAMESPACE/NAME, instead of gateways. May be repeated.
    bind
        IP address to listen on.
    port_offset
        Added to every port.
    access_log
        File that gets one JSON object per request; - for standard output.
    concurrency
        Envoy's worker threads.
    ratelimit
        Where global limits are counted: memory, or redis://HOST:PORT to share them with other gateways.
    usage
        Database of the usage of AI requests, or off; `anygate usage` prints it. With --stub none is kept by default.
    metrics
        Port of 127.0.0.1 that serves the metrics of AI requests for Prometheus.
    otlp
        Root URL of the OTLP collector that gets spans of AI requests, and of routes that are traced;
        OTEL_EXPORTER_OTLP_ENDPOINT by default.
    strict
        App Mesh manifests are refused where its controller refused them.
    show_config
        Print the manifests that are made of the environment, without its secrets, and run nothing.
    """
    from anygate.cli.settings_source import make_settings, make_stand_in
    from anygate.runner.companions import CompanionOptions
    from anygate.runner.destinations import parse_resolution
    from anygate.runner.inputs import Inputs
    from anygate.runner.preparation import RunOptions

    _check_usage(bind, port_offset, concurrency, metrics)
    collector = otlp or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    _check_services(ratelimit, collector)
    _check_nodes(node or (), path)
    made = _read_environment(path, show_config)
    if show_config:
        return 0
    options = RunOptions(
        stubs=stub,
        resolutions=[parse_resolution(one) for one in resolve or ()],
        address=bind,
        port_offset=port_offset,
        access_log="/dev/stdout" if access_log == "-" else access_log,
        concurrency=concurrency,
        companions=CompanionOptions(
            adapters=concurrency,
            ratelimit=ratelimit,
            usage=_find_usage(usage, is_stubbed=stub != "none"),
            metrics_port=metrics,
            otlp=collector,
        ),
    )
    # Before there is an event loop, so that Ctrl-C ends waiting for standard input.
    settings = make_settings(strict=strict, nodes=node or ())
    stand_ins = (make_stand_in(),) if stub != "none" else ()
    inputs = Inputs(path, sys.stdin.buffer, (*made, *settings, *stand_ins))
    return asyncio.run(_serve(inputs, options))


def _find_usage(wanted: str, *, is_stubbed: bool) -> "Path | None":
    """Where usage is kept. What stubs have answered has cost nobody anything."""
    from pathlib import Path

    from anygate.store.place import default_path

    if wanted == "off" or (is_stubbed and not wanted):
        return None
    return Path(wanted) if wanted else default_path()


def _read_environment(paths: Sequence[str], show: bool) -> "Sequence[SourceFile]":
    """The manifests that the environment stands for, when no path is given."""
    from anygate.errors import UsageError

    if paths and show:
        raise UsageError("--show-config shows what is made of the environment, which no path is part of")
    if paths:
        return ()
    from anygate.runner.environment import read_environment
    from anygate.runner.ollama import ask_ollama

    found = read_environment(os.environ, ask_ollama)
    for note in found.notes:
        say(note)
    if show:
        print(found.shown, end="")
    return (found.source,)


def _check_usage(bind: str, port_offset: int, concurrency: int, metrics: int) -> None:
    from ipaddress import ip_address

    from anygate.errors import UsageError

    try:
        ip_address(bind)
    except ValueError:
        raise UsageError(f"--bind {bind}: expected an IP address\nhint: 127.0.0.1 is this machine alone") from None
    if port_offset < 0:
        raise UsageError(f"--port-offset {port_offset}: expected 0 or more")
    if not 0 <= metrics <= 65_535:
        raise UsageError(f"--metrics {metrics}: expected a port")
    if concurrency < 1:
        raise UsageError(f"--concurrency {concurrency}: expected 1 or more")


def _check_nodes(nodes: Sequence[str], paths: Sequence[str]) -> None:
    from anygate.errors import UsageError

    if nodes and not paths:
        raise UsageError(f"--node {nodes[0]}: name the manifests in which this VirtualNode is")


def _check_services(ratelimit: str, otlp: str) -> None:
    from anygate.errors import UsageError
    from anygate.urls import split_url

    # The value may hold a password, and is not repeated.
    if ratelimit != "memory" and split_url(ratelimit).scheme not in ("redis", "rediss", "unix"):
        raise UsageError("--ratelimit: expected memory, or a URL such as redis://127.0.0.1:6379")
    if otlp and (split_url(otlp).scheme not in ("http", "https") or not split_url(otlp).netloc):
        raise UsageError("--otlp or OTEL_EXPORTER_OTLP_ENDPOINT: expected a URL such as http://127.0.0.1:4318")


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
