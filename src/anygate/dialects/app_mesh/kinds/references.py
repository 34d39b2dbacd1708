"""References between the objects of a mesh: by name, by ARN, or as other APIs of App Mesh write them."""

from typing import Self

from pydantic import Field, model_validator

from anygate.manifests.fields import Namespace, ObjectName
from anygate.manifests.kind import Node
from anygate.manifests.violations import Violations


class MeshReference(Node):
    """The mesh of an object. A controller fills it; here it says to which mesh an object belongs."""

    name: ObjectName
    uid: str | None = None


class ObjectReference(Node):
    """An object, in the namespace of the referrer unless one is named."""

    namespace: Namespace | None = None
    name: ObjectName


class GatewayReference(ObjectReference):
    """The gateway of a route. A controller fills it; here it says to which gateway a route belongs."""

    uid: str | None = None


class ServiceReference(Node):
    """A VirtualService."""

    virtual_service_ref: ObjectReference | None = None
    virtual_service_arn: str | None = Field(default=None, alias="virtualServiceARN", min_length=1)
    # As the API and CloudFormation write it: the name that clients use.
    virtual_service_name: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _check_given(self) -> Self:
        require_any(
            virtualServiceRef=self.virtual_service_ref,
            virtualServiceARN=self.virtual_service_arn,
            virtualServiceName=self.virtual_service_name,
        )
        return self


class NodeReference(Node):
    """A VirtualNode."""

    virtual_node_ref: ObjectReference | None = None
    virtual_node_arn: str | None = Field(default=None, alias="virtualNodeARN", min_length=1)
    # As the API and CloudFormation write it.
    virtual_node: str | None = Field(default=None, min_length=1)
    # As the first controller and CloudFormation write it.
    virtual_node_name: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _check_given(self) -> Self:
        require_any(
            virtualNodeRef=self.virtual_node_ref,
            virtualNodeARN=self.virtual_node_arn,
            virtualNode=self.virtual_node,
            virtualNodeName=self.virtual_node_name,
        )
        return self


class RouterReference(Node):
    """A VirtualRouter."""

    virtual_router_ref: ObjectReference | None = None
    virtual_router_arn: str | None = Field(default=None, alias="virtualRouterARN", min_length=1)
    # As the API and CloudFormation write it.
    virtual_router_name: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _check_given(self) -> Self:
        require_any(
            virtualRouterRef=self.virtual_router_ref,
            virtualRouterARN=self.virtual_router_arn,
            virtualRouterName=self.virtual_router_name,
        )
        return self


def require_any(**fields: object) -> None:
    """Require one of the fields; the first two are what the controller knows."""
    if all(content is None for content in fields.values()):
        found = Violations()
        found.add(f"one of {' and '.join([*fields][:2])} is required", code="required")
        found.refuse()
