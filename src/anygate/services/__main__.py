"""Runs the gRPC services that Envoy calls: `python -m anygate.services --socket PATH`.

It says `ready` on its output when it can be called. SIGTERM and SIGINT end it.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from anygate.errors import AnygateError
from anygate.services.cache.service import CacheService
from anygate.services.checks.service import CheckService
from anygate.services.observation import Observation, Watched
from anygate.services.parent import follow_parent
from anygate.services.ratelimit import RateLimitService, open_counters
from anygate.services.server import ServiceServer
from anygate.services.service import Service

RATE_LIMIT = "ANYGATE_RATELIMIT"
"""Where limits are counted, as `--ratelimit` says it, for a URL with a password: anyone can read arguments."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to serve. Without `usage` no usage is recorded; with `parent` the services end with that process.

    Usage is kept for `retention` days, or for good. `metrics` is the Unix socket, or the port of this machine, where
    metrics are served, with those of the processes behind the sockets of the pattern `others`. `otlp` is the root of
    the OTLP collector for spans, OTEL_EXPORTER_OTLP_ENDPOINT by default. `exports` is the
    file that says whom else to tell of the requests of some providers, `checks` the folder of what requests are
    checked for, and `telemetry` the file that says where requests of all sorts are told of, which is read again on
    SIGHUP. `admin` is the socket of Envoy's admin interface.
    """

    socket: Path
    ratelimit: str = "memory"
    usage: Path | None = None
    retention: int | None = None
    metrics: Path | int | None = None
    otlp: str = ""
    others: str = ""
    exports: Path | None = None
    checks: Path | None = None
    telemetry: Path | None = None
    admin: str = ""
    parent: int | None = None


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="anygate.services")
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--ratelimit", default=os.environ.get(RATE_LIMIT, "memory"))
    parser.add_argument("--usage", type=Path)
    parser.add_argument("--retention", type=int)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--metrics-port", type=int, dest="metrics")
    where.add_argument("--metrics-socket", type=Path, dest="metrics")
    parser.add_argument("--otlp", default="")
    parser.add_argument("--others", default="")
    parser.add_argument("--exports", type=Path)
    parser.add_argument("--checks", type=Path)
    parser.add_argument("--telemetry", type=Path)
    parser.add_argument("--admin", default="")
    parser.add_argument("--parent", type=int)
    return Options(**vars(parser.parse_args(arguments)))


def make_services(options: Options, observation: Observation) -> list[Service]:
    """Return the services that the options ask for."""
    limits = RateLimitService(open_counters(options.ratelimit))
    observation.page.add(limits.hits)
    checks = [CheckService(options.checks)] if options.checks is not None else []
    return [limits, CacheService(), *checks, *observation.services()]


def make_observation(options: Options) -> Observation:
    """Return what watches requests."""
    retention = timedelta(days=options.retention) if options.retention is not None else None
    return Observation(
        Watched(
            usage=options.usage,
            retention=retention,
            metrics=options.metrics,
            otlp=options.otlp,
            others=options.others,
            exports=options.exports,
            telemetry=options.telemetry,
            admin=options.admin,
        )
    )


async def run(options: Options) -> None:
    """Serve until a signal ends it."""
    stop, changed = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    observation = make_observation(options)
    server = ServiceServer(make_services(options, observation))
    await server.start(options.socket)
    try:
        await observation.open()
        loop.add_signal_handler(signal.SIGHUP, changed.set)
        print("ready", flush=True)
        following = asyncio.create_task(_follow(observation, changed))
        await stop.wait()
        following.cancel()
    finally:
        # What the services were still told belongs to what others are told of.
        await server.stop()
        await observation.close()


async def _follow(observation: Observation, changed: asyncio.Event) -> None:
    """Look again whenever something changed, one time after the other."""
    while await changed.wait():
        changed.clear()
        await observation.follow()


def main(arguments: Sequence[str]) -> int:
    """Serve, and return the exit status."""
    options = parse_options(arguments)
    try:
        if options.parent is not None:
            follow_parent(options.parent)
        asyncio.run(run(options))
    except AnygateError as problem:
        print(problem, file=sys.stderr)
        return problem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
