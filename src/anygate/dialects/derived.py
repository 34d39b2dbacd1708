"""Routes that one dialect reads and another understands: said in the words of an HTTPRoute, with their own positions.

They are not validated: their fields were when the object was that they stand for.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from anygate.diagnostics import ObjectRef, Rule
from anygate.manifests.http import HTTPHeaderMatch
from anygate.manifests.kind import Kind, Node
from anygate.manifests.object import Manifest
from anygate.manifests.references import GATEWAY_API_GROUP, BackendObjectReference, ParentReference

_NOBODY = ObjectRef("", "", "", "")


@dataclass(frozen=True, slots=True, eq=False)
class DerivedManifest(Manifest):
    """An object that nobody wrote: its identity, and the text and the identity of the object that it stands for."""

    source: ObjectRef = field(default=_NOBODY)

    @property
    def written(self) -> ObjectRef:
        """The object that somebody wrote."""
        return self.source


@dataclass(frozen=True)
class LostReference:
    """Why a reference leads nowhere, found before the route was derived."""

    rule: Rule
    message: str
    hint: str = ""


class DerivedPath(Node):
    """A condition on the path; by default every path."""

    type: str = "PathPrefix"
    value: str = "/"


class DerivedMatch(Node):
    """A match by headers."""

    path: DerivedPath = DerivedPath.model_construct()
    headers: tuple[HTTPHeaderMatch, ...] = ()
    query_params: tuple[Any, ...] = ()
    method: str | None = None


class DerivedBackendRef(BackendObjectReference):
    """A backend and its share. `owner` is the object that makes the reference, and so needs the grant; `lost` says
    that there is no backend and why."""

    weight: int = 1
    filters: tuple[Any, ...] = ()
    owner: Any = None
    lost: Any = None


class DerivedRule(Node):
    """A rule of a route."""

    name: str | None = None
    matches: tuple[DerivedMatch, ...] = ()
    backend_refs: tuple[DerivedBackendRef, ...] = ()
    timeouts: Any = None
    filters: tuple[Any, ...] = ()
    retry: Any = None
    session_persistence: Any = None


class DerivedRouteSpec(Node):
    """Parents, hosts and rules."""

    parent_refs: tuple[ParentReference, ...] = ()
    hostnames: tuple[str, ...] = ()
    rules: tuple[DerivedRule, ...] = ()
    use_default_gateways: str | None = None


class DerivedRoute(Kind):
    """An HTTPRoute that stands for a route of another kind; its paths are those of the object that was written."""

    GROUP: ClassVar[str] = GATEWAY_API_GROUP
    KIND: ClassVar[str] = "HTTPRoute"

    spec: DerivedRouteSpec


class DerivedBackend(Kind):
    """What a route may refer to although it is no Service: its `backend` (of the model), or why it is none (`lost`)."""

    backend: Any = None
    lost: Any = None


def derive_manifest(written: Manifest, kind: str, name: str, group: str = "", **metadata: Any) -> DerivedManifest:
    """The manifest of an object that stands for, or beside, one that was written; `metadata` is added to its own."""
    value = written.value
    if metadata:
        value = {**value, "metadata": {**value["metadata"], **metadata}}
    ref = ObjectRef(group, kind, written.namespace, name)
    return DerivedManifest(f"{group}/v1" if group else "v1", ref, value, written.tree, source=written.ref)
