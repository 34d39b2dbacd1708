"""From manifests to what this machine can serve: where listeners are bound, and where backends are."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from anygate.compiler import CompileCache, Read, build_snapshot, read_sources
from anygate.diagnostics import Diagnostic, Report, Severity, SourceFile
from anygate.envoy.placement import Placement
from anygate.envoy.recording import Tracing
from anygate.envoy.snapshot import Snapshot
from anygate.model import Backend, Model
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
from anygate.runner.placing import Placed, place
from anygate.runner.table import Table, build_table
from anygate.stubs import StubSet, StubSpec

_NO_ENDPOINTS = "no-endpoints"


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
    """Prepares manifests for this machine. What one call learns makes the next one quick."""

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._cache = CompileCache()
        self._reachability = Reachability()
        self._redirected: dict[str, tuple[object, Backend]] = {}

    async def read(self, sources: Sequence[SourceFile], report: Report) -> Read:
        """Read sources into the model, beside the event loop: stubs answer in it meanwhile."""
        return await asyncio.to_thread(read_sources, sources, report, self._cache)

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
        chosen = choose(read.model, options.stubs, options.resolutions, reachable)
        placement, placed = place(read.model, options.address, options.port_offset, options.access_log)
        placement = _surround(placement, surroundings, Tracing() if options.companions.otlp else None)
        plain = [backend for backend in read.model.backends if not backend.members]
        wanted = frozenset(stub_of(backend) for backend in plain if chosen[backend.name].kind == "stub")
        addresses = await stubs.ensure(wanted | keep)
        model = redirect_backends(read.model, chosen, options.resolutions, addresses, self._redirected)
        sources = read.manifests.sources
        snapshot = await asyncio.to_thread(build_snapshot, model, report, placement, self._cache, sources)
        diagnostics = report.diagnostics
        if any(found.rule == _NO_ENDPOINTS for found in diagnostics):
            moot = _find_moot(read.model, chosen)
            diagnostics = tuple(found for found in diagnostics if not _is_moot(found, moot))
        table = build_table(model, placed, chosen)
        return Served(read, model, snapshot, placed, chosen, wanted, diagnostics, table)

    def unused_resolutions(self, model: Model) -> list[Resolution]:
        """What `--resolve` says of backends that there are not."""
        used = {find_resolution(backend, self._options.resolutions) for backend in model.backends}
        return [one for one in self._options.resolutions if one not in used]


def _surround(placement: Placement, surroundings: Surroundings, tracing: Tracing | None) -> Placement:
    sockets = surroundings.sockets
    return replace(
        placement,
        egress=sockets.egress,
        adapters=sockets.adapters,
        services=sockets.services,
        mcp=sockets.mcp,
        credentials=surroundings.credentials,
        tracing=tracing,
    )


def count_errors(diagnostics: Sequence[Diagnostic]) -> Counter[tuple[object, ...]]:
    """Mistakes without their positions, so that a line inserted above does not make an old one new."""
    return Counter(
        (one.rule, one.message, one.object, one.span.file.name if one.span else "")
        for one in diagnostics
        if one.severity is Severity.ERROR
    )


def find_new(diagnostics: Sequence[Diagnostic], known: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Those that were not there before, wherever they stand now."""
    told = {(one.rule, one.message, one.object) for one in known}
    return tuple(one for one in diagnostics if (one.rule, one.message, one.object) not in told)


def _find_moot(model: Model, chosen: Mapping[str, Destination]) -> set[tuple[str, str, str]]:
    """The objects whose backends all go somewhere, so that their missing endpoints need no words."""
    lost = {_key(backend) for backend in model.backends if chosen[backend.name].kind == "none"}
    return {_key(backend) for backend in model.backends} - lost


def _key(backend: Backend) -> tuple[str, str, str]:
    return backend.origin.kind, backend.origin.namespace, backend.origin.name


def _is_moot(found: Diagnostic, moot: set[tuple[str, str, str]]) -> bool:
    return found.rule == _NO_ENDPOINTS and found.object is not None and found.object[1:] in moot
