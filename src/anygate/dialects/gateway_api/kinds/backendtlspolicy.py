"""BackendTLSPolicy: TLS towards a backend. Version v1alpha2 has a shape of its own."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, model_validator

from anygate.dialects.gateway_api.kinds.listener import OptionValue, QualifiedName
from anygate.dialects.gateway_api.kinds.references import (
    GATEWAY_API_GROUP,
    LocalObjectReference,
    LocalPolicyTargetReferenceWithSectionName,
    PolicyTargetReferenceWithSectionName,
    check_targets,
)
from anygate.dialects.gateway_api.kinds.sequences import NonEmpty
from anygate.dialects.gateway_api.kinds.violations import Violations, check_selected
from anygate.manifests.fields import Hostname, Many, PreciseHostname
from anygate.manifests.kind import Kind, Node

_OLD_VERSION = f"{GATEWAY_API_GROUP}/v1alpha2"


class SubjectAltName(Node):
    """A name that the backend's certificate may carry."""

    type: Literal["Hostname", "URI"]
    hostname: Hostname | None = None
    uri: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        pattern=r"^(([^:/?#]+):)(//([^/?#]*))([^?#]*)(\?([^#]*))?(#(.*))?",
    )

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        found = Violations()
        check_selected(found, "type", self.type, {"Hostname": ("hostname", self.hostname), "URI": ("uri", self.uri)})
        found.refuse()
        return self


def check_trust(found: Violations, refs: str, count: int, well_known: str, chosen: str | None) -> None:
    """Require own certificate authorities or well-known ones, not both."""
    if count and chosen:
        found.add(f"{well_known} cannot be combined with {refs}", well_known, code="forbidden")
    if not count and not chosen:
        found.add(f"{refs} or {well_known} is required", refs, code="required")


class BackendTLSPolicyValidation(Node):
    """How the backend's certificate is checked."""

    ca_certificate_refs: Many[LocalObjectReference] = Field(default=(), max_length=8)
    well_known_ca_certificates: Literal["System", ""] | None = Field(default=None, alias="wellKnownCACertificates")
    # Server name to send, and the name to check unless subjectAltNames are given.
    hostname: PreciseHostname
    subject_alt_names: Many[SubjectAltName] = Field(default=(), max_length=5)

    @model_validator(mode="after")
    def _check_trust(self) -> Self:
        found = Violations()
        check_trust(
            found,
            "caCertificateRefs",
            len(self.ca_certificate_refs),
            "wellKnownCACertificates",
            self.well_known_ca_certificates,
        )
        found.refuse()
        return self


class BackendTLSPolicySpec(Node):
    """Targets and checks."""

    target_refs: NonEmpty[LocalPolicyTargetReferenceWithSectionName] = Field(max_length=16)
    validation: BackendTLSPolicyValidation
    options: dict[QualifiedName, OptionValue] = Field(default={}, max_length=16)

    @model_validator(mode="after")
    def _check_targets(self) -> Self:
        found = Violations()
        check_targets(found, self.target_refs)
        found.refuse()
        return self


class BackendTLSPolicyConfig(Node):
    """How the backend's certificate is checked, in v1alpha2."""

    ca_cert_refs: Many[LocalObjectReference] = Field(default=(), max_length=8)
    well_known_ca_certs: Literal["System", ""] | None = Field(default=None, alias="wellKnownCACerts")
    hostname: PreciseHostname

    @model_validator(mode="after")
    def _check_trust(self) -> Self:
        found = Violations()
        count = len(self.ca_cert_refs)
        check_trust(found, "caCertRefs", count, "wellKnownCACerts", self.well_known_ca_certs)
        found.refuse()
        return self


class BackendTLSPolicySpecV1Alpha2(Node):
    """Target and checks, in v1alpha2."""

    target_ref: PolicyTargetReferenceWithSectionName
    tls: BackendTLSPolicyConfig


class BackendTLSPolicyV1Alpha2(Kind):
    """TLS towards backends (v1alpha2)."""

    GROUP: ClassVar[str] = GATEWAY_API_GROUP
    KIND: ClassVar[str] = "BackendTLSPolicy"

    spec: BackendTLSPolicySpecV1Alpha2


class BackendTLSPolicy(Kind):
    """TLS towards backends (v1 and v1alpha3)."""

    GROUP: ClassVar[str] = GATEWAY_API_GROUP
    KIND: ClassVar[str] = "BackendTLSPolicy"

    spec: BackendTLSPolicySpec

    @model_validator(mode="wrap")
    @classmethod
    def _read_version(cls, value: Any, read: ModelWrapValidatorHandler[Self]) -> Any:
        """Give v1alpha2 objects the model of their own shape."""
        version = value.get("apiVersion") if isinstance(value, Mapping) else None
        return BackendTLSPolicyV1Alpha2.model_validate(value) if version == _OLD_VERSION else read(value)
