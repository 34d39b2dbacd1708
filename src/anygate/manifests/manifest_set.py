"""All objects of a run, each identity once."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from anygate.diagnostics import ObjectRef, Related, Report, Severity, SourceFile
from anygate.manifests.lost import Lost
from anygate.manifests.object import Manifest
from anygate.manifests.shape_rules import DUPLICATE_OBJECT


@dataclass(frozen=True, eq=False)
class ManifestSet:
    """Objects in the order in which they were read; iterate it, or ask for one by its identity.

    `lost` are those that could not be read at all; of some only the kind is known.
    """

    sources: tuple[SourceFile, ...]
    objects: tuple[Manifest, ...]
    by_ref: Mapping[ObjectRef, Manifest] = field(repr=False)
    lost: tuple[Manifest, ...] = ()

    @classmethod
    def collect(
        cls, sources: Iterable[SourceFile], objects: Iterable[Manifest], report: Report, lost: Lost | None = None
    ) -> "ManifestSet":
        """Keep the first of each identity and report the others."""
        kept: dict[ObjectRef, Manifest] = {}
        for manifest in objects:
            first = kept.setdefault(manifest.ref, manifest)
            if first is not manifest:
                _report_duplicate(first, manifest, report)
        gone = tuple(lost.objects) if lost is not None else ()
        return cls(tuple(sources), tuple(kept.values()), MappingProxyType(kept), gone)

    def get(self, ref: ObjectRef) -> Manifest | None:
        """The object with an identity, whatever its version."""
        return self.by_ref.get(ref)

    def __iter__(self) -> Iterator[Manifest]:
        return iter(self.objects)

    def __len__(self) -> int:
        return len(self.objects)


def _report_duplicate(first: Manifest, second: Manifest, report: Report) -> None:
    identical = first.value == second.value
    report.add(
        DUPLICATE_OBJECT,
        f"{second.ref} is defined twice" + (", with the same content" if identical else ""),
        second.where,
        object=second.ref,
        hint="remove one of them" if identical else "remove one of them; the first is used",
        related=(Related("first defined here", first.where),),
        severity=Severity.WARNING if identical else None,
    )
