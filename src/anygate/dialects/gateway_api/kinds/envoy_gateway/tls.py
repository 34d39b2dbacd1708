"""TLS parameters, towards clients and towards backends."""

from typing import Literal, Self

from pydantic import Field, model_validator

from anygate.dialects.gateway_api.kinds.envoy_gateway.matches import StringMatch
from anygate.dialects.gateway_api.kinds.references import SecretObjectReference
from anygate.dialects.gateway_api.kinds.sequences import NonEmpty
from anygate.dialects.gateway_api.kinds.violations import Violations
from anygate.manifests.fields import Many
from anygate.manifests.kind import Node

TLSVersion = Literal["Auto", "1.0", "1.1", "1.2", "1.3"]

_LOWEST = {"Auto": 0, "1.0": 1, "1.1": 2, "1.2": 3, "1.3": 4}
_HIGHEST = {"1.0": 1, "1.1": 2, "1.2": 3, "1.3": 4, "Auto": 5}


class TLSSettings(Node):
    """Versions, ciphers and protocols."""

    # Default: 1.2.
    min_version: TLSVersion | None = None
    # Default: 1.3.
    max_version: TLSVersion | None = None
    ciphers: Many[str] = ()
    ecdh_curves: Many[str] = ()
    signature_algorithms: Many[str] = ()
    # Absent: what fits the traffic; empty: ALPN is off.
    alpn_protocols: Many[Literal["http/1.0", "http/1.1", "h2"]] | None = None
    fingerprints: Many[Literal["JA3", "JA4"]] = ()

    @model_validator(mode="after")
    def _check_versions(self) -> Self:
        found = Violations()
        if self.min_version == "1.3" and self.ciphers:
            found.add("ciphers have no effect when minVersion is 1.3", "ciphers", code="forbidden")
        if self.max_version and _LOWEST[self.min_version or "1.2"] > _HIGHEST[self.max_version]:
            found.add("must not be lower than minVersion", "maxVersion")
        found.refuse()
        return self


class OtherSANMatch(StringMatch):
    """A subject alternative name of another type."""

    oid: str


class SubjectAltNames(Node):
    """Names of which the certificate must carry one."""

    dns_names: Many[StringMatch] = ()
    email_addresses: Many[StringMatch] = ()
    ip_addresses: Many[StringMatch] = ()
    uris: Many[StringMatch] = ()
    other_names: Many[OtherSANMatch] = ()


class CrlContext(Node):
    """Revocation lists."""

    refs: NonEmpty[SecretObjectReference] = Field(max_length=8)
    only_verify_leaf_certificate: bool | None = None


class ClientValidationContext(Node):
    """How client certificates are checked."""

    # Deprecated form of mode VerifyIfGiven.
    optional: bool = False
    # Default: RequireAndVerify.
    mode: Literal["Request", "RequireAny", "VerifyIfGiven", "RequireAndVerify"] | None = None
    ca_certificate_refs: Many[SecretObjectReference] = Field(default=(), max_length=8)
    # Base64 of SHA-256 over the public key.
    spki_hashes: Many[str] = ()
    # Hexadecimal SHA-256 over the certificate.
    certificate_hashes: Many[str] = ()
    subject_alt_names: SubjectAltNames | None = None
    crl: CrlContext | None = None


class StatelessTLSSessionResumption(Node):
    """Session tickets; no settings."""


class StatefulTLSSessionResumption(Node):
    """Session ids; no settings."""


class SessionResumption(Node):
    """Ways to resume a session; each is off unless present."""

    stateless: StatelessTLSSessionResumption | None = None
    stateful: StatefulTLSSessionResumption | None = None


class Session(Node):
    """TLS sessions."""

    resumption: SessionResumption | None = None


class ClientTLSSettings(TLSSettings):
    """TLS towards clients."""

    client_validation: ClientValidationContext | None = None
    session: Session | None = None


class BackendTLSConfig(TLSSettings):
    """TLS towards backends."""

    client_certificate_ref: SecretObjectReference | None = None
