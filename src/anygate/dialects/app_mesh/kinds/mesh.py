"""Mesh: the boundary that the other objects belong to."""

from typing import ClassVar, Literal

from anygate.dialects.app_mesh.kinds.values import GROUP, AwsName, IpPreference
from anygate.manifests.kind import Kind, Node
from anygate.manifests.selector import LabelSelector


class EgressFilter(Node):
    """What sidecars do with traffic for nobody they know."""

    type: Literal["ALLOW_ALL", "DROP_ALL"]


class MeshServiceDiscovery(Node):
    """Which addresses of a name are used."""

    ip_preference: IpPreference | None = None


class MeshSpec(Node):
    """Which namespaces belong to the mesh. Without a selector none does, with an empty one all do."""

    aws_name: AwsName = ""
    namespace_selector: LabelSelector | None = None
    egress_filter: EgressFilter | None = None
    mesh_owner: str | None = None
    mesh_service_discovery: MeshServiceDiscovery | None = None
    # Other APIs' word for awsName.
    mesh_name: AwsName | None = None
    # v1beta1 only.
    service_discovery_type: str | None = None


class Mesh(Kind):
    """A mesh."""

    GROUP: ClassVar[str] = GROUP
    KIND: ClassVar[str] = "Mesh"
    PRUNES_UNKNOWN: ClassVar[bool] = True

    spec: MeshSpec = MeshSpec.model_construct()
