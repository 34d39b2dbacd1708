"""Ingress and IngressClass of Kubernetes. https://kubernetes.io/docs/concepts/services-networking/ingress/"""

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from anygate.dialects.apisix.kinds.values import Host, Path
from anygate.manifests.fields import Many, ObjectName, Port
from anygate.manifests.kind import Kind, Node
from anygate.manifests.sequences import NonEmpty
from anygate.manifests.violations import Violations, check_exactly_one

INGRESS_GROUP = "networking.k8s.io"
CONTROLLER = "apisix.apache.org/apisix-ingress-controller"
"""What an IngressClass says whose Ingresses are for APISIX."""


class ServicePort(Node):
    """A port by number or by name."""

    number: Port | None = None
    name: str = ""

    @model_validator(mode="after")
    def _check_port(self) -> Self:
        found = Violations()
        check_exactly_one(found, number=self.number, name=self.name or None)
        found.refuse()
        return self


class ServiceBackend(Node):
    """A Service of the same namespace and a port of it."""

    name: ObjectName
    port: ServicePort


class IngressBackend(Node):
    """Where requests go."""

    service: ServiceBackend | None = None
    resource: Any = None

    @model_validator(mode="after")
    def _check_backend(self) -> Self:
        found = Violations()
        check_exactly_one(found, service=self.service, resource=self.resource)
        found.refuse()
        return self


class IngressPath(Node):
    """A path and how it is meant."""

    path: Path | None = None
    path_type: Literal["Exact", "Prefix", "ImplementationSpecific"]
    backend: IngressBackend

    @model_validator(mode="after")
    def _check_path(self) -> Self:
        found = Violations()
        if self.path is None and self.path_type != "ImplementationSpecific":
            found.add(f"path is required with pathType {self.path_type}", "path", code="required")
        found.refuse()
        return self


class IngressHttp(Node):
    """Paths of a host."""

    paths: NonEmpty[IngressPath]


class IngressRule(Node):
    """A host, every host if there is none, and its paths."""

    host: Host | None = None
    http: IngressHttp | None = None


class IngressTls(Node):
    """The Secret with the certificate of hosts."""

    hosts: Many[Host] = ()
    secret_name: ObjectName | None = None


class IngressSpec(Node):
    """Rules, certificates, and where everything else goes."""

    ingress_class_name: str = ""
    default_backend: IngressBackend | None = None
    tls: Many[IngressTls] = ()
    rules: Many[IngressRule] = ()


class Ingress(Kind):
    """Routes of Kubernetes' own, with annotations of the controller that reads it."""

    GROUP: ClassVar[str] = INGRESS_GROUP
    KIND: ClassVar[str] = "Ingress"

    spec: IngressSpec


class IngressClassSpec(Node):
    """Which controller reads the Ingresses of a class."""

    controller: str = Field(default="", max_length=250)
    parameters: Any = None


class IngressClass(Kind):
    """A class of Ingresses."""

    GROUP: ClassVar[str] = INGRESS_GROUP
    KIND: ClassVar[str] = "IngressClass"

    spec: IngressClassSpec = IngressClassSpec.model_construct()
