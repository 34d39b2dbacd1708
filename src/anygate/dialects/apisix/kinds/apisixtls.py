"""ApisixTls: certificates by the server name that clients ask for."""

from typing import ClassVar

from pydantic import Field

from anygate.dialects.apisix.kinds.plugins import APISIX_GROUP
from anygate.dialects.apisix.kinds.values import Host, SecretReference
from anygate.manifests.fields import Many
from anygate.manifests.kind import Kind, Node
from anygate.manifests.sequences import NonEmpty


class ClientCertificates(Node):
    """Which certificates clients must have, and the paths for which they need none."""

    ca_secret: SecretReference
    depth: int = Field(default=1, ge=0)
    skip_mtls_uri_regex: Many[str] = Field(default=(), alias="skip_mtls_uri_regex")


class ApisixTlsSpec(Node):
    """Hosts and the Secret with their certificate."""

    ingress_class_name: str = ""
    hosts: NonEmpty[Host]
    secret: SecretReference
    client: ClientCertificates | None = None


class ApisixTls(Kind):
    """A certificate for hosts."""

    GROUP: ClassVar[str] = APISIX_GROUP
    KIND: ClassVar[str] = "ApisixTls"

    spec: ApisixTlsSpec
