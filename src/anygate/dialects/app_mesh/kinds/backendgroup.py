"""BackendGroup: services that several nodes call."""

from typing import ClassVar

from pydantic import Field

from anygate.dialects.app_mesh.kinds.references import MeshReference, ObjectReference
from anygate.dialects.app_mesh.kinds.values import GROUP
from anygate.manifests.fields import Many
from anygate.manifests.kind import Kind, Node


class BackendGroupSpec(Node):
    """The services of a group."""

    # Lower case in the API.
    virtualservices: Many[ObjectReference] = ()
    camel_virtualservices: Many[ObjectReference] | None = Field(default=None, alias="virtualServices")
    mesh_ref: MeshReference | None = None

    @property
    def members(self) -> tuple[ObjectReference, ...]:
        """The services, however the field is written."""
        return self.virtualservices + (self.camel_virtualservices or ())


class BackendGroup(Kind):
    """A group of backends."""

    GROUP: ClassVar[str] = GROUP
    KIND: ClassVar[str] = "BackendGroup"
    PRUNES_UNKNOWN: ClassVar[bool] = True

    spec: BackendGroupSpec = BackendGroupSpec.model_construct()
