"""TLS on both sides.

Reference: envoy/extensions/transport_sockets/tls/v3 (tls.proto, common.proto). Every certificate and authority
travels over SDS and is named here only, so that a rotation changes no listener and no cluster.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from anygate.envoy.api import any_of, bool_value, build, typed, uint32
from anygate.envoy.refusal import CannotBuild
from anygate.envoy.regex import checked_regex
from anygate.model.origin import Origin
from anygate.model.tls import ClientTls, ClientValidation, NameMatch, Secret, ServerTls, SocketSecret, TlsParameters

_TLS = "envoy.extensions.transport_sockets.tls.v3."
_ADS = {"ads": {}, "resource_api_version": "V3"}
_VERSIONS = {"1.0": "TLSv1_0", "1.1": "TLSv1_1", "1.2": "TLSv1_2", "1.3": "TLSv1_3"}
_NAMES = {"dns": "DNS", "uri": "URI", "email": "EMAIL", "ip": "IP_ADDRESS", "other": "OTHER_NAME"}

Secrets = Mapping[str, Secret]
"""The model's secrets by name."""


class Trust(NamedTuple):
    """What there is to verify a backend with: the model's secrets, and the file of the machine's authorities."""

    secrets: Secrets
    system_authorities: str


def build_server_tls(tls: ServerTls, secrets: Secrets, alpn: Sequence[str] = ()) -> Any:
    """Build a DownstreamTlsContext; `alpn` holds where the model gives none."""
    for name in tls.certificates:
        _need(name, secrets, tls.origin)
    if not tls.certificates:
        raise CannotBuild(tls.origin, "a TLS server needs a certificate")
    validation = tls.client_validation
    return build(
        _TLS + "DownstreamTlsContext",
        common_tls_context={
            "tls_params": build_parameters(tls.parameters, tls.origin),
            "tls_certificate_sds_secret_configs": [_over_sds(secrets[name]) for name in tls.certificates],
            "alpn_protocols": alpn if tls.alpn is None else tls.alpn,
            **(_client_validation(validation, secrets) if validation else {}),
        },
        require_client_certificate=bool_value(validation.required) if validation else None,
        disable_stateless_session_resumption=not tls.stateless_resumption,
        disable_stateful_session_resumption=not tls.stateful_resumption,
    )


def build_client_tls(tls: ClientTls, trust: Trust, alpn: Sequence[str], *, by_endpoint: bool) -> Any:
    """Build an UpstreamTlsContext; `by_endpoint` takes the server name from the endpoint's own hostname."""
    if tls.certificate:
        _need(tls.certificate, trust.secrets, tls.origin)
    return build(
        _TLS + "UpstreamTlsContext",
        sni=tls.sni,
        auto_host_sni=tls.auto_sni and by_endpoint,
        auto_sni_san_validation=tls.auto_sni and by_endpoint and _verifies(tls) and not tls.names,
        common_tls_context={
            # Envoy stops at TLS 1.2 as a client unless it is told otherwise.
            "tls_params": build_parameters(tls.parameters, tls.origin, highest="TLSv1_3"),
            "tls_certificate_sds_secret_configs": [_over_sds(trust.secrets[tls.certificate])]
            if tls.certificate
            else [],
            "alpn_protocols": tls.alpn or alpn,
            **_server_validation(tls, trust),
        },
    )


def build_parameters(parameters: TlsParameters, origin: Origin, highest: str = "TLS_AUTO") -> dict[str, Any]:
    """Build TlsParameters. Envoy's own range is 1.2 to 1.3 for servers."""
    return {
        "tls_minimum_protocol_version": _version(parameters.min_version, origin) or "TLS_AUTO",
        "tls_maximum_protocol_version": _version(parameters.max_version, origin) or highest,
        "cipher_suites": parameters.ciphers,
        "ecdh_curves": parameters.curves,
        "signature_algorithms": parameters.signature_algorithms,
    }


def _version(version: str, origin: Origin) -> str | None:
    if version and version not in _VERSIONS:
        raise CannotBuild(origin, f"there is no TLS version {version}")
    return _VERSIONS.get(version)


def build_name_match(name: NameMatch, origin: Origin) -> dict[str, Any]:
    """Build a SubjectAltNameMatcher."""
    if name.match == "regex":
        matcher: dict[str, Any] = {"safe_regex": {"regex": checked_regex(name.value, origin)}}
    else:
        matcher = {name.match: name.value}
    return {"san_type": _NAMES[name.kind], "matcher": matcher}


def _client_validation(validation: ClientValidation, secrets: Secrets) -> dict[str, Any]:
    own = {
        "verify_certificate_spki": validation.spki_hashes,
        "verify_certificate_hash": validation.certificate_hashes,
        "match_typed_subject_alt_names": [build_name_match(name, validation.origin) for name in validation.names],
        "trust_chain_verification": "ACCEPT_UNTRUSTED" if validation.accept_untrusted else None,
        "max_verify_depth": uint32(validation.depth),
    }
    if not validation.authorities:
        if validation.required and not (own["verify_certificate_spki"] or own["verify_certificate_hash"]):
            raise CannotBuild(validation.origin, "nothing says which client certificates to trust")
        return {"validation_context": own}
    _need(validation.authorities, secrets, validation.origin)
    return _validated_by(secrets[validation.authorities], own)


def _server_validation(tls: ClientTls, trust: Trust) -> dict[str, Any]:
    """Build how the server is verified. A name to be verified that nobody gave is the name we ask for."""
    if not _verifies(tls):
        if not tls.insecure:
            raise CannotBuild(tls.origin, "nothing says which certificates of the backend to trust")
        return {}
    names = tls.names or ((NameMatch(kind="dns", value=tls.sni),) if tls.sni else ())
    own = {"match_typed_subject_alt_names": [build_name_match(name, tls.origin) for name in names]}
    if tls.system_authorities:
        # Envoy's API has `system_root_certs`, but Envoy 1.40 takes that for no authority at all.
        return {"validation_context": {**own, "trusted_ca": {"filename": trust.system_authorities}}}
    _need(tls.authorities, trust.secrets, tls.origin)
    return _validated_by(trust.secrets[tls.authorities], own)


def _validated_by(authorities: Secret, own: dict[str, Any]) -> dict[str, Any]:
    """Join our own conditions with the authorities, which SDS brings."""
    if not any(own.values()):
        return {"validation_context_sds_secret_config": _over_sds(authorities)}
    return {
        "combined_validation_context": {
            "default_validation_context": own,
            "validation_context_sds_secret_config": _over_sds(authorities),
        }
    }


def _verifies(tls: ClientTls) -> bool:
    return not tls.insecure and bool(tls.authorities or tls.system_authorities)


def _over_sds(secret: Secret) -> dict[str, Any]:
    """Build where Envoy gets a secret.

    Tried on Envoy 1.40: a gRPC service by its address takes a Unix socket, where one by the name of a cluster would
    have to be in the bootstrap. A listener whose socket does not answer takes connections after 15 s and fails each.
    """
    if not isinstance(secret, SocketSecret):
        return {"name": secret.name, "sds_config": _ADS}
    service = {"google_grpc": {"target_uri": f"unix:{secret.socket}", "stat_prefix": "sds"}}
    source = {"api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [service]}
    return {"name": secret.secret, "sds_config": {"api_config_source": source, "resource_api_version": "V3"}}


def _need(name: str, secrets: Secrets, origin: Origin) -> None:
    """Refuse a name that SDS would never bring: Envoy would hold the whole listener back for it."""
    if name not in secrets:
        raise CannotBuild(origin, f"the secret {name} is not there")


def tls_socket(context: Any) -> dict[str, Any]:
    """Wrap a TLS context as a transport socket."""
    return {"name": "envoy.transport_sockets.tls", "typed_config": any_of(context)}


def quic_socket(context: Any) -> dict[str, Any]:
    """Wrap a DownstreamTlsContext as the transport socket of a QUIC listener."""
    name = "envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport"
    return {"name": "envoy.transport_sockets.quic", "typed_config": typed(name, downstream_tls_context=context)}
