"""GatewayClass: which controller runs the Gateways of a class, and with which parameters."""

from typing import ClassVar

from pydantic import Field

from anygate.dialects.gateway_api.kinds.references import GATEWAY_API_GROUP, ParametersReference
from anygate.manifests.kind import Kind, Node


class GatewayClassSpec(Node):
    """The controller and its parameters."""

    controller_name: str = Field(
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$",
    )
    parameters_ref: ParametersReference | None = None
    description: str | None = Field(default=None, max_length=64)


class GatewayClass(Kind):
    """A class of Gateways; cluster-scoped."""

    GROUP: ClassVar[str] = GATEWAY_API_GROUP
    KIND: ClassVar[str] = "GatewayClass"

    spec: GatewayClassSpec
