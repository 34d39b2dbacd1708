"""From manifests to what this machine can serve: where listeners are bound, and where backends are."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from anygate.compiler import CompileCache, Read, build_snapshot, read_sources
from anygate.diagnostics import Diagnostic, Report, SourceFile
from anygate.envoy.placement import Placement
from anygate.envoy.recording import Tracing
from anygate.envoy.snapshot import Snapshot
from anygate.manifests.discovery import Document
from anygate.model import Backend, Model
from anygate.runner.checks import find_asked, redirect_checks
from anygate.runner.companions import CompanionOptions, Sockets
from anygate.runner.destinations import (
    Destination,
    Reachability,
    Resolution,
    StubMode,
    choose,
    find_resolution,
    redirect_backends,
    stub_of,
)
from anygate.runner.documents import Fetches
from anygate.runner.modules import Modules
from anygate.runner.placing import Placed, place
from anygate.runner.table import Table, build_table
from anygate.stubs import StubSet, StubSpec

_NO_ENDPOINTS = "no-endpoints"
"""How the rules about it are called in every dialect, at the end."""


@dataclass(frozen=True)
class RunOptions:
    """What the command line asks of a run."""

    stubs: StubMode = "none"
    resolutions: Sequence[Resolution] = ()
    address: str = "127.0.0.1"
    port_offset: int = 0
    access_log: str = ""
    concurrency: int = 2
    companions: CompanionOptions = field(default_factory=CompanionOptions)


@dataclass(frozen=True)
class Surroundings:
    """What Envoy finds beside it: its companions, and the folder of files with keys."""

    sockets: Sockets = field(default_factory=Sockets)
    credentials: str = ""


@dataclass(frozen=True)
class Served:
    """What is served, or could be: the model as redirected to this machine, and how it got there."""

    read: Read
    model: Model
    snapshot: Snapshot
    placed: tuple[Placed, ...]
    chosen: Mapping[str, Destination]
    stubs: frozenset[StubSpec] = frozenset()
    diagnostics: tuple[Diagnostic, ...] = ()
    table: Table = field(default_factory=lambda: Table((), ()))


class Preparation:
    """Prepares manifests for this machine. What one call learns makes the next one quick.

    `on_change` is called when reading the same manifests again would make something else of them.
    """

    def __init__(self, options: RunOptions, on_change: Callable[[], None]) -> None:
        self._options = options
        self._cache = CompileCache()
        self._reachability = Reachability()
        self._modules = Modules()
        self._fetches = Fetches(options.resolutions, on_change, only_resolved=options.stubs == "all")
        self._redirected: dict[str, tuple[object, Backend]] = {}

    async def read(self, sources: Sequence[SourceFile], report: Report) -> Read:
        """Read sources into the model, beside the event loop: stubs answer in it meanwhile."""
        read = await self._read(sources, report)
        return replace(read, model=await self._modules.complete(read.model, read.manifests.sources, report))

    async def stop(self) -> None:
        """Ask nobody for anything any more."""
        await self._fetches.stop()

    async def _read(self, sources: Sequence[SourceFile], report: Report) -> Read:
        """Read sources; once more when OpenID providers have said what the first time was lacking."""
        asked: set[Document] = set()
        while True:
            own, documents = Report(), self._fetches.documents
            read = await asyncio.to_thread(read_sources, sources, own, self._cache, documents)
            is_complete = bool(asked) and documents.wanted <= asked
            asked |= documents.wanted
            if is_complete or not await self._fetches.follow(asked):
                report.extend(own.diagnostics)
                return read

    async def prepare(
        self,
        read: Read,
        report: Report,
        stubs: StubSet,
        surroundings: Surroundings,
        keep: frozenset[StubSpec] = frozenset(),
    ) -> Served:
        """Decide where everything is, start the stubs it takes beside those to `keep`, and build the resources."""
        options = self._options
        reachable: dict[str, bool] = {}
        if options.stubs == "unreachable":
            reachable = await self._reachability.check(read.model.backends)
        placement, placed = place(read.model, options.address, options.port_offset, options.access_log)
        chosen = choose(read.model, options.stubs, options.resolutions, reachable, placement.sockets)
        placement = _surround(placement, surroundings, Tracing() if options.companions.otlp else None)
        plain = [backend for backend in read.model.backends if not backend.members]
        wanted = frozenset(stub_of(backend) for backend in plain if chosen[backend.name].kind == "stub")
        addresses = await stubs.ensure(wanted | keep)
        model = redirect_backends(read.model, chosen, addresses, self._redirected)
        model = redirect_checks(model, options.resolutions)
        sources = read.manifests.sources
        snapshot = await asyncio.to_thread(build_snapshot, model, report, placement, self._cache, sources)
        diagnostics = report.diagnostics
        if any(found.rule.endswith(_NO_ENDPOINTS) for found in diagnostics):
            moot = _find_moot(read.model, chosen)
            diagnostics = tuple(found for found in diagnostics if not _is_moot(found, moot))
        table = build_table(model, placed, chosen)
        return Served(read, model, snapshot, placed, chosen, wanted, diagnostics, table)

    def unused_resolutions(self, model: Model) -> list[Resolution]:
        """What `--resolve` says of backends that there are not."""
        used = {find_resolution(backend, self._options.resolutions) for backend in model.backends}
        used |= self._fetches.resolved | find_asked(model, self._options.resolutions)
        return [one for one in self._options.resolutions if one not in used]


def _surround(placement: Placement, surroundings: Surroundings, tracing: Tracing | None) -> Placement:
    sockets = surroundings.sockets
    return replace(
        placement,
        egress=sockets.egress,
        adapters=sockets.adapters,
        services=sockets.services,
        mcp=sockets.mcp,
        sandbox=sockets.sandbox,
        credentials=surroundings.credentials,
        tracing=tracing,
    )


def find_new(diagnostics: Sequence[Diagnostic], known: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Those that were not there before, wherever they stand now: a line inserted above makes no old one new."""
    told = Counter(map(_content, known))
    found = []
    for one in diagnostics:
        content = _content(one)
        if told[content]:
            told[content] -= 1
        else:
            found.append(one)
    return tuple(found)


def _content(found: Diagnostic) -> tuple[object, ...]:
    """What a finding says about whom, without its position."""
    return found.rule, found.message, found.object or (found.span.file.name if found.span else "")


def _find_moot(model: Model, chosen: Mapping[str, Destination]) -> set[tuple[str, str, str]]:
    """The objects whose backends all go somewhere, so that their missing endpoints need no words."""
    lost = {_key(backend) for backend in model.backends if chosen[backend.name].kind == "none"}
    return {_key(backend) for backend in model.backends} - lost


def _key(backend: Backend) -> tuple[str, str, str]:
    return backend.origin.kind, backend.origin.namespace, backend.origin.name


def _is_moot(found: Diagnostic, moot: set[tuple[str, str, str]]) -> bool:
    return found.rule.endswith(_NO_ENDPOINTS) and found.object is not None and found.object[1:] in moot
