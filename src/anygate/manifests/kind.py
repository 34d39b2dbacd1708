"""What all kinds are made of: strict, frozen pydantic models that know the YAML names of their fields.

A kind should have no pydantic unions: each branch reports its own errors, which reads as noise. Use a
literal `type` and optional fields as Kubernetes does, or a validator such as `IntOrString`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from anygate.diagnostics import Diagnostic, FieldPath, ObjectRef, Report, Span
from anygate.manifests.faults import find_nulls, find_unknown, report_faults, report_unknown, without
from anygate.manifests.fields import (
    Base64,
    Duration,
    GoDuration,
    HeaderName,
    Hostname,
    Ignored,
    IntOrString,
    Many,
    Namespace,
    ObjectName,
    Port,
    PreciseHostname,
    Quantity,
    SectionName,
    SensitiveText,
)
from anygate.manifests.object import Manifest

__all__ = [
    "Base64",
    "Duration",
    "GoDuration",
    "HeaderName",
    "Hostname",
    "Ignored",
    "IntOrString",
    "Kind",
    "Many",
    "Metadata",
    "Namespace",
    "Node",
    "ObjectName",
    "Port",
    "PreciseHostname",
    "Quantity",
    "SectionName",
    "SensitiveText",
    "oldest_first",
    "read_kind",
]


def _to_camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in tail)


class Node(BaseModel):
    """A mapping inside an object: snake_case here, camelCase in YAML; unknown fields are refused."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=_to_camel,
        validate_by_alias=True,
        validate_by_name=False,
        serialize_by_alias=True,
        defer_build=True,
        hide_input_in_errors=True,
        protected_namespaces=(),
    )


K = TypeVar("K", bound="Kind")


class Metadata(Node):
    """The parts of an object's metadata that anything reads; the rest is ignored."""

    model_config = ConfigDict(extra="ignore")

    name: str
    namespace: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class Kind(Node):
    """A top-level object. `manifest` leads back to the text; `status` is never read.

    A kind that `PRUNES_UNKNOWN` is read without its unknown fields, each of which is a warning, because tools that
    write it are known to leave fields of other releases in it; `UNKNOWN_HINTS` says what became of some of them.
    For all other kinds unknown fields are errors.
    """

    GROUP: ClassVar[str] = ""
    KIND: ClassVar[str] = ""
    PRUNES_UNKNOWN: ClassVar[bool] = False
    UNKNOWN_HINTS: ClassVar[Mapping[FieldPath, str]] = {}

    api_version: str
    kind: str
    metadata: Metadata
    status: Any = None

    _manifest: Manifest = PrivateAttr()
    _remarks: tuple[Diagnostic, ...] = PrivateAttr(default=())

    if TYPE_CHECKING:
        # What holds objects of many kinds reaches for fields that only some of them have.
        def __getattr__(self, name: str) -> Any: ...

    @property
    def manifest(self) -> Manifest:
        """The object as the user wrote it."""
        # What pydantic does for a private attribute takes ten times as long, and this is asked very often.
        return self.__pydantic_private__["_manifest"]  # type: ignore[index,no-any-return]

    @property
    def ref(self) -> ObjectRef:
        """The object's identity."""
        return self.__pydantic_private__["_manifest"].ref  # type: ignore[index,no-any-return]

    @property
    def name(self) -> str:
        """The object's name."""
        return self.ref.name

    @property
    def namespace(self) -> str:
        """The object's namespace; empty for cluster-wide kinds."""
        return self.ref.namespace

    def span(self, path: FieldPath = ()) -> Span:
        """Where the value at `path` stands in the text."""
        return self.manifest.span(path)

    @property
    def remarks(self) -> tuple[Diagnostic, ...]:
        """What was reported when the object was read; to be reported again when it is used without being read."""
        return self.__pydantic_private__["_remarks"]  # type: ignore[index,no-any-return]

    def attach(self, manifest: Manifest, remarks: Sequence[Diagnostic] = ()) -> Self:
        """Remember where the object came from and what was said about it; for `read_kind`."""
        # As in `manifest`; a frozen model guards its fields, not its private attributes.
        private = self.__pydantic_private__
        assert private is not None
        private["_manifest"], private["_remarks"] = manifest, tuple(remarks)
        return self


def read_kind(manifest: Manifest, model: type[K], report: Report) -> K | None:
    """Validate an object against its kind. Every mistake is reported; an object with mistakes gives None."""
    try:
        return model.model_validate(manifest.value).attach(manifest)
    except ValidationError as error:
        faults = error.errors(include_url=False)
    nulls = find_nulls(faults)
    unknown = find_unknown(faults) if model.PRUNES_UNKNOWN else frozenset()
    if not nulls and not unknown:
        report_faults(manifest, model, faults, report)
        return None
    remarks = report_unknown(manifest, model, faults, report, model.UNKNOWN_HINTS) if unknown else []
    # Kubernetes reads a field that is null as one that is absent.
    try:
        return model.model_validate(without(manifest.value, nulls, unknown)).attach(manifest, remarks)
    except ValidationError as error:
        report_faults(manifest, model, error.errors(include_url=False), report)
    return None


def oldest_first(items: Iterable[K]) -> list[K]:
    """Objects by age, as the Gateway API settles conflicts: the older first, then by namespace and name.

    An object without a creation time counts as newest: it has not been created yet.
    """
    return sorted(items, key=lambda item: (item.manifest.creation_timestamp or "9999", item.ref[2:]))
