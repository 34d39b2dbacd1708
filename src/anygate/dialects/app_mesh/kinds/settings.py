"""AppMeshSettings: how App Mesh manifests are to be read where there is a choice."""

from typing import ClassVar, Literal

from pydantic import Field

from anygate.manifests.kind import Kind, Many, Node, ObjectName

SETTINGS_GROUP = "anygate.dev"
SETTINGS_VERSIONS = ("v1alpha1",)


class NodeChoice(Node):
    """A VirtualNode whose sidecar is run too; without a namespace the one of that name in any."""

    name: ObjectName
    namespace: ObjectName | None = None


class LocalCertificate(Node):
    """What stands for a certificate of AWS Certificate Manager: PEM files, or a Secret of type kubernetes.io/tls.

    A certificate authority needs no `privateKey`.
    """

    certificate_chain: str | None = None
    private_key: str | None = None
    secret_name: ObjectName | None = None
    secret_namespace: ObjectName = "default"  # noqa: S105 - a name, not a secret


class SettingsSpec(Node):
    """The choices. What is absent is chosen by no one, and the default holds."""

    mode: Literal["tolerant", "strict"] | None = None
    default_retry: bool | None = None
    host_fallback: bool | None = None
    nodes: Many[NodeChoice] = ()
    acm: dict[str, LocalCertificate] = Field({})


class AppMeshSettings(Kind):
    """Settings for everything of App Mesh that is read together with it."""

    GROUP: ClassVar[str] = SETTINGS_GROUP
    KIND: ClassVar[str] = "AppMeshSettings"

    spec: SettingsSpec = SettingsSpec.model_construct()
