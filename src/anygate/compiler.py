"""Manifests to everything else: the model, Envoy's resources, statuses and diagnostics.

Pure: no clock and no I/O. The caches make a second compile of nearly the same manifests fast; they hold results
of pure functions under all of their inputs, so that they change nothing but the time it takes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from anygate.collection import without_collection
from anygate.diagnostics import Diagnostic, ObjectRef, Report, Rule, Severity, SourceFile, Span
from anygate.dialects import DIALECTS
from anygate.dialects.dialect import KindEntry, ReadCache
from anygate.envoy.build import BuildCache, Built, build
from anygate.envoy.checked import Refusal
from anygate.envoy.placement import AS_WRITTEN, Placement
from anygate.envoy.snapshot import Snapshot
from anygate.manifests import ChunkCache, Manifest, ManifestSet, parse_sources
from anygate.manifests.core import CORE_KINDS
from anygate.manifests.discovery import Documents
from anygate.manifests.grants import GRANT_KINDS
from anygate.manifests.index import Index
from anygate.manifests.kind import Kind, read_kind
from anygate.manifests.unread import check_unread
from anygate.model import Model, Origin

ENVOY_WOULD_REFUSE = Rule(
    "envoy-would-refuse",
    Severity.ERROR,
    what="What a manifest asks for breaks a rule of Envoy's own API.",
    why="The part is left out, and requests for it are answered with 500, so that everything else keeps working.",
    wrong="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec: {gatewayClassName: envoy, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop}
    spec:
      parentRefs: [{name: web}]
      rules:
      - matches: [{path: {type: RegularExpression, value: "/(unclosed"}}]
    """,
    right="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec: {gatewayClassName: envoy, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop}
    spec:
      parentRefs: [{name: web}]
      rules:
      - matches: [{path: {type: RegularExpression, value: "/(closed)"}}]
    """,
)


class Verdict(StrEnum):
    """What became of an object."""

    ACCEPTED = "accepted"
    PARTLY = "partly"
    REFUSED = "refused"


@dataclass(frozen=True)
class Outcome:
    """What became of one object, and the status that a controller would write."""

    ref: ObjectRef
    verdict: Verdict
    status: Mapping[str, Any] = field(default_factory=dict)


class CompileCache:
    """What one compile leaves for the next."""

    def __init__(self) -> None:
        self.chunks = ChunkCache()
        self.reads = ReadCache()
        self.build = BuildCache()
        self._same: dict[int, Kind] = {}
        self._kinds: dict[Any, Kind] = {}
        self._next_same: dict[int, Kind] = {}
        self._next: dict[Any, Kind] = {}

    def find_kind(self, manifest: Manifest) -> Kind | None:
        """The last validated object if the same text stands in the same place."""
        if not self._kinds:
            return None
        # An object holds its manifest, so that the identity of one is not used again while the other is known.
        found, place = self._same.get(id(manifest)), _place_of(manifest)
        if found is None:
            found = self._kinds.get(place)
            if found is None:
                return None
            # Taken over with its new manifest, it lets go of the whole text of the former file.
            found.attach(manifest, found.remarks)
        self._next_same[id(manifest)] = self._next[place] = found
        return found

    def keep_kind(self, manifest: Manifest, kind: Kind) -> None:
        """Remember a validated object."""
        self._next_same[id(manifest)] = self._next[_place_of(manifest)] = kind

    def turn(self) -> None:
        """End one compile: forget what it did not use."""
        self._same, self._next_same = self._next_same, {}
        self._kinds, self._next = self._next, {}
        self.reads.turn()


def _place_of(manifest: Manifest) -> tuple[int, str, tuple[int, int], str]:
    """What a validated object depends on: a text that starts on the same line and column has the same positions."""
    file = manifest.tree.file
    return id(manifest.value), file.name, manifest.tree.start(), file.made_of


class Outcomes(Mapping[ObjectRef, Outcome]):
    """What became of each object, ordered by identity; worked out when somebody asks for the first time."""

    def __init__(
        self, kinds: Sequence[Kind], statuses: Sequence[Mapping[ObjectRef, Mapping[str, Any]]], broken: set[ObjectRef]
    ) -> None:
        self._kinds = kinds
        self._statuses = statuses
        self._broken = broken

    def __getitem__(self, ref: ObjectRef) -> Outcome:
        return self._found[ref]

    def __iter__(self) -> Iterator[ObjectRef]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return repr(self._found)

    @cached_property
    def _found(self) -> dict[ObjectRef, Outcome]:
        statuses = {ref: status for part in self._statuses for ref, status in part.items()}
        return _judge(self._kinds, statuses, self._broken)


@dataclass(frozen=True)
class Read:
    """Manifests as the model, before Envoy is thought of."""

    manifests: ManifestSet
    model: Model
    outcomes: Mapping[ObjectRef, Outcome]


@dataclass(frozen=True)
class Result:
    """Everything that one compile yields."""

    model: Model
    snapshot: Snapshot
    outcomes: Mapping[ObjectRef, Outcome]
    diagnostics: tuple[Diagnostic, ...]


@without_collection
def read_sources(
    sources: Iterable[SourceFile],
    report: Report,
    cache: CompileCache | None = None,
    documents: Documents | None = None,
) -> Read:
    """Read sources into the model; mistakes are appended to `report`. `documents` are what OpenID providers said."""
    cache = cache or CompileCache()
    manifests = parse_sources(tuple(sources), report, cache.chunks)
    kinds, broken = _read_kinds(manifests, report, cache)
    index = Index(kinds, [*broken, *_find_lost(manifests)], documents=documents)
    model, statuses = _read_model(index, report, cache.reads)
    cache.turn()
    return Read(manifests, model, Outcomes(kinds, statuses, {manifest.ref for manifest in broken}))


def _read_model(
    index: Index, report: Report, cache: ReadCache
) -> tuple[Model, list[Mapping[ObjectRef, Mapping[str, Any]]]]:
    """Every dialect's objects as one model, those included that a dialect derives for another."""
    expansions = [made for dialect in DIALECTS if (made := dialect.expand(index, report, cache)) is not None]
    for expansion in expansions:
        if expansion.objects or expansion.stand_ins:
            index = index.extended(expansion.objects, expansion.stand_ins)
    readings = [dialect.read(index, report, cache) for dialect in DIALECTS]
    model = Model(
        gateways=tuple(one for reading in readings for one in reading.model.gateways),
        backends=tuple(one for reading in readings for one in reading.model.backends),
        secrets=tuple(one for reading in readings for one in reading.model.secrets),
    )
    for expansion in expansions:
        readings.append(expansion.refine(model))
        model = readings[-1].model
    return model, [reading.statuses for reading in readings]


@without_collection
def build_snapshot(
    model: Model,
    report: Report,
    placement: Placement = AS_WRITTEN,
    cache: CompileCache | None = None,
    sources: Iterable[SourceFile] = (),
) -> Snapshot:
    """Build Envoy's resources; what Envoy would refuse is left out and reported with its line of the sources."""
    built: Built = build(model, placement, cache.build if cache else None)
    for refusal in built.refused:
        _report_refusal(refusal, sources, report)
    return built.snapshot


@without_collection
def compile_sources(
    sources: Iterable[SourceFile], placement: Placement = AS_WRITTEN, cache: CompileCache | None = None
) -> Result:
    """Compile sources all the way to Envoy's resources."""
    report = Report()
    sources = tuple(sources)
    read = read_sources(sources, report, cache)
    snapshot = build_snapshot(read.model, report, placement, cache, sources)
    return Result(read.model, snapshot, read.outcomes, report.diagnostics)


def known_kinds() -> dict[tuple[str, str], type[Kind]]:
    """Every kind that is read, by apiVersion and kind."""
    found = {**CORE_KINDS, **GRANT_KINDS}
    for dialect in DIALECTS:
        for (group, name), entry in dialect.kinds.items():
            for version in (*entry.versions, *entry.older):
                found[f"{group}/{version}", name] = _model(entry, version)
    return found


def _model(entry: KindEntry, version: str) -> type[Kind]:
    model = entry.resolve_model(version)
    assert model is not None
    return model


def _read_kinds(manifests: ManifestSet, report: Report, cache: CompileCache) -> tuple[list[Kind], list[Manifest]]:
    known = known_kinds()
    kinds, broken = [], []
    for manifest in manifests:
        found = cache.find_kind(manifest)
        if found is not None:
            if found.remarks:
                report.extend(found.remarks)
            kinds.append(found)
            continue
        model = known.get((manifest.api_version, manifest.kind))
        if model is None:
            check_unread(manifest, known, report)
            continue
        found = read_kind(manifest, model, report)
        if found is None:
            broken.append(manifest)
        else:
            cache.keep_kind(manifest, found)
            kinds.append(found)
    return kinds, broken


def _find_lost(manifests: ManifestSet) -> list[Manifest]:
    """What could not be read at all, and objects of known kinds whose version is not known."""
    known = known_kinds()
    names = {(version.rpartition("/")[0], kind) for version, kind in known}
    lost = [one for one in manifests.lost if not one.api_version or (one.group, one.kind) in names]
    versions = {(one.api_version, one.ref.kind) for one in manifests}
    strange = {version for version in versions - known.keys() if (version[0].rpartition("/")[0], version[1]) in names}
    return lost + [one for one in manifests if strange and (one.api_version, one.kind) in strange]


def _judge(
    kinds: Sequence[Kind], statuses: Mapping[ObjectRef, Mapping[str, Any]], refused: set[ObjectRef]
) -> dict[ObjectRef, Outcome]:
    outcomes = {ref: Outcome(ref, Verdict.REFUSED) for ref in refused}
    for kind in kinds:
        ref = kind.ref
        status = statuses.get(ref)
        outcomes[ref] = Outcome(ref, _verdict(status), status) if status else Outcome(ref, Verdict.ACCEPTED)
    return dict(sorted(outcomes.items()))


def _verdict(status: Mapping[str, Any]) -> Verdict:
    """Accepted when every condition holds, refused when nothing of the object was accepted."""
    sections = [
        status,
        *(one for key in ("parents", "ancestors", "listeners") for one in status.get(key, ())),
    ]
    conditions = [one for section in sections for one in section.get("conditions", ())]
    if any(one["type"] == "Accepted" and one["status"] == "False" for one in status.get("conditions", ())):
        return Verdict.REFUSED
    good = {"Conflicted": "False", "PartiallyInvalid": "False"}
    failed = [one for one in conditions if one["status"] != good.get(one["type"], "True")]
    if not failed:
        return Verdict.ACCEPTED
    accepted = [one for one in conditions if one["type"] == "Accepted"]
    return Verdict.PARTLY if any(one["status"] == "True" for one in accepted) else Verdict.REFUSED


def _report_refusal(refusal: Refusal, sources: Iterable[SourceFile], report: Report) -> None:
    origin: Origin = refusal.origin
    report.add(
        ENVOY_WOULD_REFUSE,
        f"{origin.object}: {refusal.text}",
        origin_span(origin, sources),
        object=ObjectRef("", origin.kind, origin.namespace, origin.name),
    )


def origin_span(origin: Origin, sources: Iterable[SourceFile] = ()) -> Span | None:
    """The place of an origin as a span of one character, in the source it came from if that is at hand."""
    if not origin.file:
        return None
    file = next((source for source in sources if source.name == origin.file), None) or SourceFile(origin.file, "")
    return Span(file.shown, origin.line, origin.column, origin.line, origin.column + 1)
