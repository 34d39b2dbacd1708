"""AppMeshSettings: how App Mesh manifests are to be read where there is a choice."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from anygate.manifests.fields import Many, Namespace, ObjectName
from anygate.manifests.kind import Kind, Node
from anygate.manifests.violations import Violations, check_exactly_one

SETTINGS_GROUP = "anygate.dev"
SETTINGS_VERSIONS = ("v1alpha1",)

LAST_WORD = "command-line"
"""The name of the object whose choices win over those of all others."""

_File = Annotated[str, Field(min_length=1)]


class NodeChoice(Node):
    """A VirtualNode whose sidecar is run instead of gateways; without a namespace the one of that name in any."""

    name: ObjectName
    namespace: ObjectName | None = None


class LocalCertificate(Node):
    """What stands for a certificate of AWS Certificate Manager: PEM files, or a Secret of type kubernetes.io/tls.

    An authority is the file `certificateChain`, without a key, or the Secret's `ca.crt`.
    """

    certificate_chain: _File | None = None
    private_key: _File | None = None
    secret_name: ObjectName | None = None
    secret_namespace: Namespace = "default"  # noqa: S105 - a name, not a secret

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        found = Violations()
        check_exactly_one(found, certificateChain=self.certificate_chain, secretName=self.secret_name)
        if self.private_key is not None and self.secret_name is not None:
            found.add("a Secret brings its own key", "privateKey", code="forbidden")
        found.refuse()
        return self


class SettingsSpec(Node):
    """The choices. What is absent is chosen by no one, and the default holds."""

    mode: Literal["tolerant", "strict"] | None = None
    default_retry: bool | None = None
    host_fallback: bool | None = None
    two_stage: Literal["auto", "always"] | None = None
    nodes: Many[NodeChoice] = ()
    acm: dict[str, LocalCertificate] = Field({})
    sds_socket: Annotated[str, Field(pattern="^/")] | None = None


class AppMeshSettings(Kind):
    """Settings for everything of App Mesh that is read together with it."""

    GROUP: ClassVar[str] = SETTINGS_GROUP
    KIND: ClassVar[str] = "AppMeshSettings"

    spec: SettingsSpec = SettingsSpec.model_construct()
