"""One run: compile, place, stub, serve, and follow changes until told to stop."""

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from anygate.compiler import CompileCache, Read, build_snapshot, read_sources
from anygate.diagnostics import Diagnostic, Report, Rule, Severity
from anygate.envoy.placement import Placement
from anygate.envoy.snapshot import Snapshot
from anygate.errors import AnygateError, EnvironmentProblem
from anygate.manifests import load_sources
from anygate.model import Model
from anygate.proxy.bootstrap import build_bootstrap
from anygate.proxy.envoy import Change, Crashed, LocalEnvoy, Options
from anygate.proxy.log import LogLine
from anygate.proxy.ports import Port, check_ports
from anygate.proxy.run_folder import RunFolder
from anygate.runner.culprits import report_refusal
from anygate.runner.destinations import (
    Destination,
    Reachability,
    Resolution,
    StubMode,
    choose,
    redirect_backends,
    stub_of,
)
from anygate.runner.placing import Placed, place
from anygate.runner.watching import watch_paths
from anygate.stubs import StubSet
from anygate.xds.messages import Event, Nacked
from anygate.xds.server import AdsServer, Client

NOTHING_TO_SERVE = Rule(
    "nothing-to-serve",
    Severity.ERROR,
    what="The manifests hold no Gateway with a listener that could serve.",
    why="There is nothing to listen on, so `anygate run` has nothing to do.",
    wrong="# no Gateway at all",
    right="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec: {gatewayClassName: envoy, listeners: [{name: http, port: 80, protocol: HTTP}]}
    """,
    external=True,
)


@dataclass(frozen=True)
class RunOptions:
    """What the command line asks of a run."""

    paths: Sequence[str]
    stubs: StubMode = "none"
    resolutions: Sequence[Resolution] = ()
    address: str = "127.0.0.1"
    port_offset: int = 0
    access_log: str = ""
    concurrency: int = 2


@dataclass
class Served:
    """What is being served: the model as redirected to this machine, and how it got there."""

    read: Read
    model: Model
    placed: tuple[Placed, ...]
    chosen: dict[str, Destination]
    diagnostics: tuple[Diagnostic, ...]
    errors: frozenset[tuple[str, str, str]] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Listeners:
    """Who hears of what happens. All are called in the event loop."""

    on_served: Callable[[Served], None]
    on_findings: Callable[[Sequence[Diagnostic], str], None]
    on_word: Callable[[str], None]


class Session:
    """Runs manifests until SIGINT or SIGTERM. `run` returns the exit code."""

    def __init__(self, options: RunOptions, listeners: Listeners) -> None:
        self._options = options
        self._tell = listeners
        self._cache = CompileCache()
        self._reachability = Reachability()
        self._redirected: dict[str, tuple[object, object]] = {}
        self._served: Served | None = None
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Serve until told to stop; raises EnvironmentProblem when it cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        first = self._load()
        if not any(gateway.listeners for gateway in first[0].model.gateways):
            report = first[1]
            report.add(NOTHING_TO_SERVE, "no Gateway has a listener that could serve")
            self._tell.on_findings(report.diagnostics, "")
            return 1
        with RunFolder() as folder:
            stubs = StubSet(folder.path)
            server = AdsServer(on_event=self._on_event)
            await server.start(f"unix:{folder.xds_socket}")
            bootstrap = build_bootstrap(xds=folder.xds_socket, admin=folder.admin_socket)
            options = Options(concurrency=self._options.concurrency)
            envoy = LocalEnvoy(
                folder, bootstrap, options=options, on_change=self._on_change, on_log=self._on_log
            )
            try:
                await self._start(first, server, stubs, envoy)
                await self._follow(server, stubs)
            finally:
                await envoy.stop()
                await server.stop()
                await stubs.stop()
        return 0

    def _load(self) -> tuple[Read, Report]:
        report = Report()
        sources = load_sources(self._options.paths, report, stdin=sys.stdin.buffer)
        return read_sources(sources, report, self._cache), report

    async def _start(
        self, first: tuple[Read, Report], server: AdsServer, stubs: StubSet, envoy: LocalEnvoy
    ) -> None:
        served, snapshot = await self._prepare(*first, stubs)
        _check_free(served.placed)
        await envoy.start()
        number = server.publish(snapshot)
        self._served = served
        self._tell.on_findings(served.diagnostics, "")
        ready = asyncio.create_task(envoy.ready())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((ready, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                return
            await ready
        finally:
            ready.cancel()
            stopping.cancel()
        applied = await server.applied(number)
        self._report_refusals([refusal for _, refusal in applied.refusals])
        self._tell.on_served(served)

    async def _prepare(self, read: Read, report: Report, stubs: StubSet) -> tuple[Served, Snapshot]:
        """Decide where everything is and build the resources."""
        options = self._options
        reachable: dict[str, bool] = {}
        if options.stubs == "unreachable":
            reachable = await self._reachability.check(read.model.backends)
        chosen = choose(read.model, options.stubs, options.resolutions, reachable)
        wanted = {
            stub_of(backend) for backend in read.model.backends if chosen[backend.name].kind == "stub"
        }
        addresses = await stubs.ensure(wanted)
        model = redirect_backends(read.model, chosen, options.resolutions, addresses, self._redirected)  # type: ignore[arg-type]
        placement, placed = place(model, options.address, options.port_offset, options.access_log)
        snapshot = build_snapshot(model, report, _exclusive(placement), self._cache)
        diagnostics = tuple(
            found for found in report.diagnostics if not _is_moot(found, {one.kind for one in chosen.values()})
        )
        return Served(read, model, placed, chosen, diagnostics, _errors(diagnostics)), snapshot

    async def _follow(self, server: AdsServer, stubs: StubSet) -> None:
        """Reload on every change until told to stop."""
        watching = asyncio.create_task(self._watch(server, stubs))
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait((watching, stopping), return_when=asyncio.FIRST_COMPLETED)
        if watching.done() and not self._stop.is_set():
            await watching
            await stopping
        watching.cancel()
        stopping.cancel()
        await asyncio.gather(watching, stopping, return_exceptions=True)

    async def _watch(self, server: AdsServer, stubs: StubSet) -> None:
        async for _ in watch_paths(self._options.paths):
            try:
                await self._reload(server, stubs)
            except AnygateError as problem:
                self._tell.on_word(f"error: {problem}; the last good configuration keeps serving")

    async def _reload(self, server: AdsServer, stubs: StubSet) -> None:
        """Serve the changed manifests, unless they hold mistakes that the served ones do not."""
        assert self._served is not None
        read, report = self._load()
        served, snapshot = await self._prepare(read, report, stubs)
        if served.errors - self._served.errors or not served.placed:
            self._tell.on_findings(served.diagnostics, "not reloaded: the last good configuration keeps serving")
            return
        new = [one for one in served.placed if one.socket not in {old.socket for old in self._served.placed}]
        _check_free(new)
        number = server.publish(snapshot)
        self._served = served
        applied = await server.applied(number)
        self._report_refusals([refusal for _, refusal in applied.refusals])
        self._tell.on_findings(served.diagnostics, "")
        self._tell.on_word("reloaded")

    def _report_refusals(self, refusals: Sequence[Nacked]) -> None:
        assert self._served is not None
        report = Report()
        for refusal in refusals:
            report_refusal(refusal, self._served.model, report)
        if report.diagnostics:
            self._tell.on_findings(report.diagnostics, "")

    def _on_event(self, client: Client, event: Event) -> None:
        """Refusals are told once a snapshot has settled; nothing else needs words."""

    def _on_change(self, change: Change) -> None:
        if isinstance(change, Crashed):
            tail = f": {change.tail[-1]}" if change.tail else ""
            self._tell.on_word(f"warning: Envoy {change.reason}{tail}; starting again in {change.delay:g}s")

    def _on_log(self, line: LogLine) -> None:
        if line.level in ("error", "critical"):
            self._tell.on_word(f"envoy: {line.message}")


def _exclusive(placement: Placement) -> Placement:
    return placement


def _check_free(placed: Sequence[Placed]) -> None:
    ports = [Port(one.socket.address, one.socket.port, one.listener.transport) for one in placed]
    failures = list(check_ports(ports))
    if failures:
        hint = "" if len(failures) > 1 else "; choose other ports with --port-offset"
        raise EnvironmentProblem("; ".join(str(failure) for failure in failures) + hint)


def _errors(diagnostics: Sequence[Diagnostic]) -> frozenset[tuple[str, str, str]]:
    """Mistakes without their positions, so that a line inserted above does not make an old one new."""
    return frozenset(
        (one.rule, one.message, one.span.file.name if one.span else "")
        for one in diagnostics
        if one.severity is Severity.ERROR
    )


def _is_moot(found: Diagnostic, kinds: set[str]) -> bool:
    """Missing endpoints need no words when stubs stand in for them."""
    return found.rule == "no-endpoints" and "none" not in kinds
