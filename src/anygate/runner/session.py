"""One run: compile, place, stub, serve, and follow changes until told to stop."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass

from anygate.compiler import Read
from anygate.diagnostics import Diagnostic, Report, Rule, Severity, SourceFile
from anygate.envoy.access_log import FLUSH
from anygate.envoy.snapshot import Snapshot
from anygate.errors import AnygateError, EnvironmentProblem
from anygate.proxy.bootstrap import build_bootstrap
from anygate.proxy.envoy import Change, Crashed, LocalEnvoy, Options
from anygate.proxy.log import LogLine
from anygate.proxy.ports import Port, check_ports, parse_bind_failures
from anygate.proxy.run_folder import RunFolder
from anygate.runner.companions import Companions
from anygate.runner.culprits import report_refusal
from anygate.runner.inputs import Inputs
from anygate.runner.keys import Keys
from anygate.runner.open_files import raise_open_files
from anygate.runner.placing import Placed
from anygate.runner.preparation import Preparation, RunOptions, Served, Surroundings, find_new
from anygate.runner.retired import Retired
from anygate.runner.table import Table, render_changes
from anygate.runner.watching import watch_paths
from anygate.stubs import RequestRecord, StubSet, StubSpec
from anygate.xds.messages import Nacked
from anygate.xds.server import AdsServer

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

_KEPT = "the last good configuration keeps serving"


@dataclass(frozen=True)
class Listeners:
    """Who hears of what happens. All are called in the event loop.

    `on_step` names what may take a while; the step lasts as long as the context that it returns. `on_request`
    hears of each request that a stub receives.
    """

    on_served: Callable[[Table], None]
    on_findings: Callable[[Sequence[Diagnostic]], None]
    on_word: Callable[[str], None]
    on_step: Callable[[str], AbstractContextManager[object]] = lambda _: nullcontext()
    on_request: Callable[[RequestRecord], None] | None = None


class Session:
    """Runs manifests until `stop` is called. `run` returns the exit code."""

    def __init__(self, inputs: Inputs, options: RunOptions, listeners: Listeners) -> None:
        self.folder: RunFolder | None = None
        self.stubs: StubSet
        self._inputs = inputs
        self._options = options
        self._tell = listeners
        self._preparation = Preparation(options, self._on_change_outside)
        self._served: Served
        self._seen: object = None
        self._changed = asyncio.Event()
        self._stop = asyncio.Event()
        self._server: AdsServer
        self._companions: Companions
        self._keys: Keys
        self._settling: asyncio.Task[None] | None = None
        self._is_published = False
        self._retired = Retired(self._republish)

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Let the requests in flight finish, then end the run."""
        self._stop.set()

    def _report_nothing(self, read: Read, report: Report) -> None:
        """Say that nothing can be served, unless it follows from mistakes for which no object could be read."""
        made = {id(one) for one in self._inputs.made}
        if not report.has_errors or any(id(one.tree.file) not in made for one in read.manifests):
            hint = "see `anygate new` for manifests to start from"
            report.add(NOTHING_TO_SERVE, "no Gateway has a listener that could serve", hint=hint)

    async def run(self) -> int:
        """Serve until told to stop; raises EnvironmentProblem when it cannot start."""
        raise_open_files()
        report = Report()
        with self._tell.on_step("reading manifests"):
            sources = self._inputs.load(report)
            self._seen = _identify(sources, report)
            read = await self._preparation.read(sources, report)
        if not any(gateway.listeners for gateway in read.model.gateways):
            self._report_nothing(read, report)
            self._tell.on_findings(report.diagnostics)
            return 1
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._preparation.stop)
            self.folder = stack.enter_context(RunFolder())
            self.stubs = StubSet(self.folder.path, on_request=self._tell.on_request, is_open=True)
            # When Envoy has ended nobody waits for an answer any more.
            stack.push_async_callback(self.stubs.stop, deadline=0.0)
            self._server = AdsServer()
            await self._server.start(f"unix:{self.folder.xds_socket}")
            stack.push_async_callback(self._server.stop)
            options = self._options
            self._companions = Companions(self.folder, options.companions, self._tell.on_word, options.port_offset)
            stack.push_async_callback(self._companions.stop)
            self._keys = Keys(self.folder.credentials, self._republish, self._tell.on_findings, self._tell.on_word)
            stack.push_async_callback(self._keys.stop)
            with self._tell.on_step("preparing backends"):
                self._served = await self._prepare(read, report)
            self._tell.on_findings(self._served.diagnostics)
            self._tell_unused_resolutions()
            _check_free(self._served.placed)
            with self._tell.on_step("fetching credentials"):
                await self._keys.follow(self._served.model, read.manifests.sources)
            envoy = self._make_envoy(self.folder)
            stack.push_async_callback(self._stop_envoy, envoy)
            if await self._until_stopped(self._start(envoy)):
                await self._until_stopped(self._follow())
        return 0

    async def _prepare(self, read: Read, report: Report, keep: frozenset[StubSpec] = frozenset()) -> Served:
        """Have everything ready that Envoy finds behind what it is going to be given."""
        sockets = await self._companions.ensure(read.model)
        assert self.folder is not None
        surroundings = Surroundings(sockets, str(self.folder.credentials))
        return await self._preparation.prepare(read, report, self.stubs, surroundings, keep)

    def _publish(self, served: Served) -> int:
        self._served = served
        self._is_published = True
        return self._server.publish(self._complete(served.snapshot))

    def _republish(self) -> None:
        """Give Envoy what it has, with the tokens that there are now and without what is over."""
        if self._is_published:
            self._server.publish(self._complete(self._served.snapshot))

    def _complete(self, snapshot: Snapshot) -> Snapshot:
        return self._retired.add_to(self._keys.add_to(snapshot))

    def _make_envoy(self, folder: RunFolder) -> LocalEnvoy:
        bootstrap = build_bootstrap(xds=folder.xds_socket, admin=folder.admin_socket)
        options = Options(concurrency=self._options.concurrency)
        return LocalEnvoy(folder, bootstrap, options=options, on_change=self._on_change, on_log=self._on_log)

    async def _stop_envoy(self, envoy: LocalEnvoy) -> None:
        self._retired.stop()
        if self._settling is not None:
            self._settling.cancel()
        with self._tell.on_step("finishing requests in flight, Ctrl-C again ends them"):
            await envoy.stop(2 * FLUSH.total_seconds() if self._companions.sockets.services else 0.0)

    async def _start(self, envoy: LocalEnvoy) -> None:
        with self._tell.on_step("starting Envoy"):
            await envoy.start()
            number = self._publish(self._served)
            await envoy.ready()
            refusals = await self._refusals(number)
        taken = [str(failure) for refusal in refusals for failure in parse_bind_failures(refusal.message)]
        if taken:
            raise EnvironmentProblem("; ".join(taken))
        self._report_refusals(refusals)
        self._tell.on_served(self._served.table)

    async def _follow(self) -> None:
        """Reload on every change; without any, just serve."""
        await asyncio.gather(self._watch(), self._reload_on_changes())

    async def _watch(self) -> None:
        async for _ in watch_paths(self._inputs.paths):
            self._changed.set()

    def _on_change_outside(self) -> None:
        """The same manifests mean something else by now."""
        self._seen = None
        self._changed.set()

    async def _reload_on_changes(self) -> None:
        while await self._changed.wait():
            self._changed.clear()
            try:
                await self._reload()
            except AnygateError as problem:
                self._tell.on_word(f"error: {problem}\nnot reloaded: {_KEPT}")

    async def _reload(self) -> None:
        """Serve the changed manifests, unless they hold mistakes that the served ones do not."""
        report = Report()
        try:
            sources = self._inputs.load(report)
        except AnygateError as problem:
            is_known, self._seen = self._seen == str(problem), str(problem)
            if is_known:
                return
            raise
        seen = _identify(sources, report)
        if seen == self._seen:
            return
        self._seen = seen
        read = await self._preparation.read(sources, report)
        if not any(gateway.listeners for gateway in read.model.gateways):
            self._report_nothing(read, report)
            self._hold(report.diagnostics)
            return
        old = self._served
        served = await self._prepare(read, report, keep=old.stubs)
        if any(one.severity is Severity.ERROR for one in find_new(served.diagnostics, old.diagnostics)):
            self._hold(served.diagnostics)
            return
        bound = {one.socket for one in old.placed}
        _check_free([one for one in served.placed if one.socket not in bound])
        # Not before it is certain that this is served: credentials of what is not asked for any more are taken back.
        await self._keys.follow(served.model, read.manifests.sources)
        if self._settling is not None:
            self._settling.cancel()
        self._retired.add(old.model, old.snapshot, served.snapshot)
        number = self._publish(served)
        self._settling = asyncio.create_task(self._settle(number, served, old))

    async def _settle(self, number: int, served: Served, old: Served) -> None:
        """Once Envoy has the new configuration, say so and let go of what only the old one needed."""
        refusals = await self._refusals(number)
        self._tell.on_findings(find_new(served.diagnostics, old.diagnostics))
        self._report_refusals(refusals)
        if refusals:
            self._tell.on_word(f"reloaded in part: for what Envoy refuses, {_KEPT}")
            return
        await self.stubs.ensure(served.stubs)
        self._tell.on_word(f"reloaded\n{render_changes(old.table, served.table)}".rstrip())

    def _hold(self, diagnostics: Sequence[Diagnostic]) -> None:
        """Say what is wrong now and was not before, and keep what is served."""
        self._tell.on_findings(find_new(diagnostics, self._served.diagnostics))
        self._tell.on_word(f"not reloaded: {_KEPT}")

    async def _refusals(self, number: int) -> list[Nacked]:
        applied = await self._server.applied(number)
        return [refusal for _, refusal in applied.refusals]

    def _report_refusals(self, refusals: Sequence[Nacked]) -> None:
        report = Report()
        for refusal in refusals:
            report_refusal(refusal, self._served.model, self._served.read.manifests.sources, report)
        self._tell.on_findings(report.diagnostics)

    def _tell_unused_resolutions(self) -> None:
        for one in self._preparation.unused_resolutions(self._served.read.model):
            port = f":{one.port}" if one.port else ""
            self._tell.on_word(f"warning: --resolve {one.host}{port}: no backend has this name and port")

    async def _until_stopped(self, work: Coroutine[None, None, None]) -> bool:
        """Await `work`, or cancel it as soon as the run is to stop; tells whether it came to its end."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
            return not self._stop.is_set()
        finally:
            working.cancel()
            stopping.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)

    def _on_change(self, change: Change) -> None:
        if isinstance(change, Crashed):
            tail = f": {change.tail[-1]}" if change.tail else ""
            self._tell.on_word(f"warning: Envoy {change.reason}{tail}; starting it again")

    def _on_log(self, line: LogLine) -> None:
        if line.level in ("error", "critical"):
            self._tell.on_word(f"envoy: {line.message}")


def _identify(sources: Sequence[SourceFile], report: Report) -> object:
    """What the sources say, to tell whether they changed; what could not be read is part of it."""
    texts = tuple((one.name, one.text) for one in sources)
    return texts, tuple(str(found) for found in report.diagnostics)


def _check_free(placed: Sequence[Placed]) -> None:
    ports = [Port(one.socket.address, one.socket.port, one.listener.transport) for one in placed]
    failures = [str(failure) for failure in check_ports(ports)]
    if failures:
        raise EnvironmentProblem("; ".join(failures) + "\nhint: choose other ports with --port-offset")
