"""TLS of listeners and towards backends."""

from typing import Literal, Self

from pydantic import Field, model_validator

from anygate.dialects.app_mesh.kinds.values import Text
from anygate.manifests.fields import Many, Port
from anygate.manifests.kind import Node
from anygate.manifests.violations import Violations, check_exactly_one


class FileCertificate(Node):
    """Paths of PEM files where Envoy runs."""

    certificate_chain: Text
    private_key: Text


class SdsSecret(Node):
    """A secret that the local SDS server delivers."""

    secret_name: Text


class AcmCertificate(Node):
    """A certificate of AWS Certificate Manager."""

    certificate_arn: Text | None = Field(default=None, alias="certificateARN")
    # As the API and the first controller write it.
    old_certificate_arn: Text | None = Field(default=None, alias="certificateArn")

    @property
    def arn(self) -> str:
        """The ARN, however it is written."""
        return self.certificate_arn or self.old_certificate_arn or ""

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        found = Violations()
        check_exactly_one(found, certificateARN=self.certificate_arn or self.old_certificate_arn)
        found.refuse()
        return self


class ListenerCertificate(Node):
    """The certificate that a listener shows."""

    acm: AcmCertificate | None = None
    file: FileCertificate | None = None
    sds: SdsSecret | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        found = Violations()
        check_exactly_one(found, acm=self.acm, file=self.file, sds=self.sds)
        found.refuse()
        return self


class ClientCertificate(Node):
    """The certificate that is shown to backends."""

    file: FileCertificate | None = None
    sds: SdsSecret | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        found = Violations()
        check_exactly_one(found, file=self.file, sds=self.sds)
        found.refuse()
        return self


class FileTrust(Node):
    """A PEM file with the certificates of authorities."""

    certificate_chain: Text


class AcmTrust(Node):
    """Private authorities of AWS."""

    certificate_authority_arns: Many[Text] | None = Field(default=None, alias="certificateAuthorityARNs")
    # As the API and the first controller write it.
    old_certificate_authority_arns: Many[Text] | None = Field(default=None, alias="certificateAuthorityArns")

    @property
    def arns(self) -> tuple[str, ...]:
        """The ARNs, however they are written."""
        return self.certificate_authority_arns or self.old_certificate_authority_arns or ()

    @model_validator(mode="after")
    def _check_some(self) -> Self:
        found = Violations()
        if not 1 <= len(self.arns) <= 3:
            found.add("expected 1 to 3 ARNs", "certificateAuthorityARNs")
        found.refuse()
        return self


class Trust(Node):
    """Whose signature is trusted."""

    acm: AcmTrust | None = None
    file: FileTrust | None = None
    sds: SdsSecret | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        found = Violations()
        check_exactly_one(found, acm=self.acm, file=self.file, sds=self.sds)
        found.refuse()
        return self


class NameMatch(Node):
    """Any of these names."""

    exact: Many[str] = Field(min_length=1)


class SubjectAlternativeNames(Node):
    """Names that the peer's certificate must have one of."""

    match: NameMatch


class Validation(Node):
    """How a peer is verified."""

    trust: Trust
    subject_alternative_names: SubjectAlternativeNames | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names, none for no condition."""
        return self.subject_alternative_names.match.exact if self.subject_alternative_names else ()


class ListenerTls(Node):
    """TLS of a listener."""

    mode: Literal["DISABLED", "PERMISSIVE", "STRICT"]
    certificate: ListenerCertificate
    validation: Validation | None = None


class ClientTls(Node):
    """TLS towards a backend."""

    enforce: bool = True
    # Empty: all ports.
    ports: Many[Port] = ()
    certificate: ClientCertificate | None = None
    validation: Validation


class ClientPolicy(Node):
    """How backends are reached."""

    tls: ClientTls | None = None


class BackendDefaults(Node):
    """What holds for backends without a policy of their own."""

    client_policy: ClientPolicy | None = None
