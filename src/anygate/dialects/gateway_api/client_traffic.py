"""ClientTrafficPolicy: how listeners take connections and speak HTTP with clients."""

from collections.abc import Iterator

from anygate.diagnostics import FieldPath
from anygate.dialects.gateway_api.connections import read_http2, read_keepalive
from anygate.dialects.gateway_api.context import origin
from anygate.dialects.gateway_api.kinds.envoy_gateway.clienttrafficpolicy import (
    ClientTrafficPolicy,
    ClientTrafficPolicySpec,
    EnvoyHeaderFilter,
    HeaderSettings,
)
from anygate.dialects.gateway_api.route_filters import read_header_edit
from anygate.model.edit import HeaderEdit
from anygate.model.listener import ClientConnection, HttpServer

_SLASHES = {
    "KeepUnchanged": "keep",
    "RejectRequest": "reject",
    "UnescapeAndRedirect": "redirect",
    "UnescapeAndForward": "forward",
}
_UNDERSCORES = {"Allow": "allow", "DropHeader": "drop", "RejectRequest": "reject"}
_CERTIFICATE_HEADER = {
    "Sanitize": "sanitize",
    "ForwardOnly": "forward_only",
    "AppendForward": "append_forward",
    "SanitizeSet": "sanitize_set",
    "AlwaysForwardOnly": "always_forward_only",
}
_REQUEST_ID = {
    "PreserveOrGenerate": "preserve_or_generate",
    "Preserve": "preserve",
    "Generate": "generate",
    "Disable": "disable",
}


def read_client_connection(item: ClientTrafficPolicy) -> ClientConnection:
    """What the policy says of connections as such."""
    spec = item.spec
    link = spec.connection
    limit = link.connection_limit if link else None
    tcp = spec.timeout.tcp if spec.timeout else None
    proxy = ""
    if spec.proxy_protocol is not None:
        proxy = "optional" if spec.proxy_protocol.optional else "required"
    elif spec.enable_proxy_protocol:
        proxy = "required"
    return ClientConnection(
        origin=origin(item.manifest, ("spec",)),
        keepalive=read_keepalive(spec.tcp_keepalive),
        proxy_protocol=proxy,  # type: ignore[arg-type]
        connection_limit=limit.value if limit else None,
        close_delay=limit.close_delay if limit else None,
        buffer_limit=link.buffer_limit if link else None,
        max_accept_per_event=(link.max_accept_per_socket_event or None) if link else None,
        tcp_idle_timeout=tcp.idle_timeout if tcp else None,
    )


def read_http_server(spec: ClientTrafficPolicySpec) -> HttpServer:
    """What the policy says of HTTP."""
    forwarded = spec.client_ip_detection.x_forwarded_for if spec.client_ip_detection else None
    custom = spec.client_ip_detection.custom_header if spec.client_ip_detection else None
    http = spec.timeout.http if spec.timeout else None
    limit = spec.connection.connection_limit if spec.connection else None
    headers = spec.headers or HeaderSettings.model_construct()
    certificate = headers.x_forwarded_client_cert
    return HttpServer(
        trusted_hops=(forwarded.num_trusted_hops or 0) if forwarded else 0,
        trusted_cidrs=tuple(forwarded.trusted_cidrs or ()) if forwarded else (),
        client_ip_header=custom.name if custom else "",
        client_ip_fail_closed=custom.fail_closed if custom else False,
        request_timeout=http.request_received_timeout if http else None,
        idle_timeout=http.idle_timeout if http else None,
        stream_idle_timeout=http.stream_idle_timeout if http else None,
        max_stream_duration=limit.max_stream_duration if limit else None,
        max_connection_duration=limit.max_connection_duration if limit else None,
        max_requests_per_connection=limit.max_requests_per_connection if limit else None,
        http2=read_http2(spec.http2),
        http3=spec.http3 is not None,
        http1_trailers=bool(spec.http1 and spec.http1.enable_trailers),
        http1_preserve_case=bool(spec.http1 and spec.http1.preserve_header_case),
        http10=bool(spec.http1 and spec.http1.http10 is not None),
        envoy_headers=bool(headers.enable_envoy_headers),
        rate_limit_headers=not headers.disable_rate_limit_headers,
        underscores=_UNDERSCORES[headers.with_underscores_action or "RejectRequest"],  # type: ignore[arg-type]
        client_certificate_header=_CERTIFICATE_HEADER[certificate.mode] if certificate else "",  # type: ignore[arg-type]
        client_certificate_details=tuple(one.lower() for one in certificate.cert_details_to_add) if certificate else (),
        request_id=_request_id(headers),  # type: ignore[arg-type]
        escaped_slashes=_SLASHES[(spec.path and spec.path.escaped_slashes_action) or "UnescapeAndRedirect"],  # type: ignore[arg-type]
        merge_slashes=not (spec.path and spec.path.disable_merge_slashes),
        early_request_headers=_read_edit(headers.early_request_headers),
        late_response_headers=_read_edit(headers.late_response_headers),
        health_check_path=spec.health_check.path if spec.health_check else "",
        scheme_from_backend=spec.scheme == "MatchBackend",
    )


def _request_id(headers: HeaderSettings) -> str:
    if headers.request_id is not None:
        return _REQUEST_ID[headers.request_id]
    return "preserve_or_generate" if headers.preserve_x_request_id else ""


def _read_edit(found: EnvoyHeaderFilter | None) -> HeaderEdit | None:
    return read_header_edit(found) if found is not None else None


def find_unread_client_fields(spec: ClientTrafficPolicySpec) -> Iterator[tuple[FieldPath, str]]:
    """Fields of the policy that have no effect here, each with a sentence."""
    headers = spec.headers
    for name, edit in (
        ("earlyRequestHeaders", headers.early_request_headers if headers else None),
        ("lateResponseHeaders", headers.late_response_headers if headers else None),
    ):
        if edit is not None and (edit.add_if_absent or edit.remove_on_match):
            yield ("spec", "headers", name), "addIfAbsent and removeOnMatch have no effect here"
    forwarded = spec.client_ip_detection.x_forwarded_for if spec.client_ip_detection else None
    if forwarded is not None and forwarded.disable_x_forwarded_for_append:
        yield (
            ("spec", "clientIPDetection", "xForwardedFor", "disableXForwardedForAppend"),
            "has no effect here",
        )
    if spec.http1 is not None:
        if spec.http1.ignored_upgrade_types:
            yield ("spec", "http1", "ignoredUpgradeTypes"), "has no effect here"
        if spec.http1.disable_safe_max_connection_duration:
            yield ("spec", "http1", "disableSafeMaxConnectionDuration"), "has no effect here"
        if spec.http1.http10 is not None and spec.http1.http10.use_default_host:
            yield ("spec", "http1", "http10", "useDefaultHost"), "has no effect here"
    if spec.grpc is not None and spec.grpc.enable_web:
        yield ("spec", "grpc", "enableWeb"), "gRPC-Web is not translated here"
    if spec.tls is not None and spec.tls.fingerprints:
        yield ("spec", "tls", "fingerprints"), "TLS fingerprints are not computed here"
    validation = spec.tls.client_validation if spec.tls else None
    if validation is not None and validation.crl is not None and validation.crl.only_verify_leaf_certificate:
        path = ("spec", "tls", "clientValidation", "crl", "onlyVerifyLeafCertificate")
        yield path, "every certificate of the chain is checked"
    if spec.http2 is not None and spec.http2.connection_keepalive is not None:
        ping = spec.http2.connection_keepalive
        if ping.interval_jitter is not None or ping.idle_interval is not None:
            yield (
                ("spec", "http2", "connectionKeepalive"),
                "intervalJitter and idleInterval have no effect here",
            )
