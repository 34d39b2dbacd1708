"""TLS versions, ciphers and names, as Envoy Gateway's policies write them."""

from anygate.dialects.gateway_api.kinds.envoy_gateway.tls import SubjectAltNames, TLSSettings
from anygate.model.tls import NameMatch, TlsParameters

_HOW = {"Exact": "exact", "Prefix": "prefix", "Suffix": "suffix", "RegularExpression": "regex"}


def read_parameters(found: TLSSettings) -> TlsParameters:
    """Versions, ciphers, curves and signature algorithms."""
    return TlsParameters(
        min_version="" if found.min_version in (None, "Auto") else str(found.min_version),
        max_version="" if found.max_version in (None, "Auto") else str(found.max_version),
        ciphers=tuple(found.ciphers),
        curves=tuple(found.ecdh_curves),
        signature_algorithms=tuple(found.signature_algorithms),
    )


def read_names(found: SubjectAltNames | None) -> tuple[NameMatch, ...]:
    """Names of which a certificate must carry one."""
    if found is None:
        return ()
    listed = (
        *(("dns", one) for one in found.dns_names),
        *(("email", one) for one in found.email_addresses),
        *(("ip", one) for one in found.ip_addresses),
        *(("uri", one) for one in found.uris),
    )
    return tuple(
        NameMatch(kind=kind, value=one.value, match=_HOW[one.type])  # type: ignore[arg-type]
        for kind, one in listed
    )
