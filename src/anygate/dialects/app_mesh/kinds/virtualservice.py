"""VirtualService: the name that clients use, and who provides it."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from anygate.dialects.app_mesh.kinds.references import MeshReference, NodeReference, RouterReference
from anygate.dialects.app_mesh.kinds.values import GROUP, AwsName
from anygate.dialects.app_mesh.kinds.virtualrouter import RouteEntry, RouterListener
from anygate.manifests.fields import Many
from anygate.manifests.kind import Kind, Node
from anygate.manifests.violations import Violations, check_exclusive


class Provider(Node):
    """A node or a router."""

    virtual_node: NodeReference | None = None
    virtual_router: RouterReference | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        found = Violations()
        check_exclusive(found, virtualNode=self.virtual_node, virtualRouter=self.virtual_router)
        found.refuse()
        return self


class LegacyRouter(Node):
    """The router that a VirtualService of v1beta1 holds."""

    name: str | None = None
    listeners: Many[RouterListener] = ()


class VirtualServiceSpec(Node):
    """A name and its provider. Without one every request is answered with 404."""

    aws_name: AwsName = ""
    provider: Provider | None = None
    mesh_ref: MeshReference | None = None
    # Other APIs' words for awsName and meshRef.
    virtual_service_name: AwsName | None = None
    mesh_name: AwsName | None = None
    # v1beta1 only.
    virtual_router: LegacyRouter | None = None
    routes: Many[RouteEntry] | None = Field(default=None)


class VirtualService(Kind):
    """A service of a mesh."""

    GROUP: ClassVar[str] = GROUP
    KIND: ClassVar[str] = "VirtualService"
    PRUNES_UNKNOWN: ClassVar[bool] = True

    spec: VirtualServiceSpec = VirtualServiceSpec.model_construct()
