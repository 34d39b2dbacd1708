"""How listeners take connections and speak HTTP with clients, as a ClientTrafficPolicy."""

from typing import Any

from anygate.dialects.gateway_api.write.backends import write_parameters
from anygate.dialects.gateway_api.write.connections import write_http2, write_keepalive
from anygate.dialects.gateway_api.write.words import edit, given, span
from anygate.dialects.gateway_api.write.writing import Writing
from anygate.model.edit import HeaderEdit
from anygate.model.listener import ClientConnection, HttpServer, Server
from anygate.model.tls import ClientValidation, NameMatch, ServerTls

_SLASHES = {"keep": "KeepUnchanged", "reject": "RejectRequest", "forward": "UnescapeAndForward"}
_UNDERSCORES = {"allow": "Allow", "drop": "DropHeader"}
_HOW = {"exact": "Exact", "prefix": "Prefix", "suffix": "Suffix", "regex": "RegularExpression"}
_NAMES = {"dns": "dnsNames", "email": "emailAddresses", "ip": "ipAddresses", "uri": "uris"}
_SPELLINGS = {"dns": "DNS", "uri": "URI"}
_KIND = "ClientTrafficPolicy"


def write_client(writing: Writing, server: Server, connection: ClientConnection, namespace: str) -> dict[str, Any]:
    """The settings of a policy for one listener, empty when none is needed."""
    http = server.http
    limit = given(
        value=connection.connection_limit,
        close_delay=span(connection.close_delay),
        max_connection_duration=span(http.max_connection_duration),
        max_requests_per_connection=http.max_requests_per_connection,
        max_stream_duration=span(http.max_stream_duration),
    )
    streams = [one.idle_timeout for one in server.streams if one.idle_timeout is not None]
    idle = connection.tcp_idle_timeout if connection.tcp_idle_timeout is not None else next(iter(streams), None)
    link = given(connection_limit=limit, buffer_limit=connection.buffer_limit)
    if connection.max_accept_per_event != 1 and (link or connection.max_accept_per_event):
        # 1 is the default where anything is said of connections, and 0 stands for no bound.
        link["maxAcceptPerSocketEvent"] = connection.max_accept_per_event or 0
    proxy = None
    if connection.proxy_protocol:
        proxy = {"optional": connection.proxy_protocol == "optional"}
    return {
        **given(
            tcp_keepalive=write_keepalive(connection.keepalive),
            connection=link,
            timeout=given(
                tcp=given(idle_timeout=span(idle)),
                http=given(
                    request_received_timeout=span(http.request_timeout),
                    idle_timeout=span(http.idle_timeout),
                    stream_idle_timeout=span(http.stream_idle_timeout),
                ),
            ),
            tls=_write_tls(writing, server.tls, namespace) if server.tls else None,
        ),
        **({"proxyProtocol": proxy} if proxy is not None else {}),
        **_write_http(http),
    }


def _write_http(found: HttpServer) -> dict[str, Any]:
    detection = None
    if found.client_ip_header:
        detection = {
            "customHeader": given(name=found.client_ip_header, fail_closed=found.client_ip_fail_closed or None)
        }
    elif found.trusted_cidrs:
        detection = {"xForwardedFor": {"trustedCIDRs": list(found.trusted_cidrs)}}
    elif found.trusted_hops:
        detection = {"xForwardedFor": {"numTrustedHops": found.trusted_hops}}
    http1: dict[str, Any] = given(
        enable_trailers=found.http1_trailers or None, preserve_header_case=found.http1_preserve_case or None
    )
    if found.http10:
        http1["http10"] = {}
    made = given(
        client_ip_detection=detection,
        path=given(
            escaped_slashes_action=_SLASHES.get(found.escaped_slashes),
            disable_merge_slashes=None if found.merge_slashes else True,
        ),
        headers=_write_headers(found),
        http1=http1,
        http2=write_http2(found.http2),
        health_check={"path": found.health_check_path} if found.health_check_path else None,
        scheme="MatchBackend" if found.scheme_from_backend else None,
    )
    return {**made, "http3": {}} if found.http3 else made


def _write_headers(found: HttpServer) -> dict[str, Any]:
    certificate = None
    if found.client_certificate_header:
        mode = "".join(part.capitalize() for part in found.client_certificate_header.split("_"))
        details = [_SPELLINGS.get(one, one.capitalize()) for one in found.client_certificate_details]
        certificate = given(mode=mode, cert_details_to_add=details or None)
    request_id = "".join(part.capitalize() for part in found.request_id.split("_"))
    return given(
        enable_envoy_headers=found.envoy_headers or None,
        disable_rate_limit_headers=None if found.rate_limit_headers else True,
        x_forwarded_client_cert=certificate,
        with_underscores_action=_UNDERSCORES.get(found.underscores),
        request_id=request_id or None,
        early_request_headers=_write_edit(found.incoming_changes),
        late_response_headers=_write_edit(found.late_response_headers),
    )


def _write_edit(found: HeaderEdit | None) -> dict[str, Any] | None:
    return edit(found) if found is not None else None


def _write_tls(writing: Writing, found: ServerTls, namespace: str) -> dict[str, Any] | None:
    resumption: dict[str, Any] = {}
    if found.stateless_resumption:
        resumption["stateless"] = {}
    if found.stateful_resumption:
        resumption["stateful"] = {}
    made = {
        **write_parameters(found.parameters),
        **given(session={"resumption": resumption} if resumption else None),
    }
    if found.alpn is not None:
        made["alpnProtocols"] = list(found.alpn)
    if found.client_validation is not None:
        made["clientValidation"] = _write_validation(writing, found.client_validation, namespace)
    return made or None


def _write_validation(writing: Writing, found: ClientValidation, namespace: str) -> dict[str, Any]:
    modes = {
        (True, False): "RequireAndVerify",
        (True, True): "RequireAny",
        (False, False): "VerifyIfGiven",
        (False, True): "Request",
    }
    return given(
        mode=modes[found.required, found.accept_untrusted],
        ca_certificate_refs=[writing.authorities(found.authorities, _KIND, namespace)] if found.authorities else None,
        spki_hashes=list(found.spki_hashes) or None,
        certificate_hashes=list(found.certificate_hashes) or None,
        subject_alt_names=_write_names(found.names),
    )


def _write_names(names: tuple[NameMatch, ...]) -> dict[str, Any]:
    found: dict[str, list[dict[str, str]]] = {}
    for one in names:
        kind, value, how = _NAMES[one.kind], one.value, _HOW.get(one.match)
        # The one that contains a text matches what is around it too.
        entry = {"type": how or "RegularExpression", "value": value if how else f".*{value}.*"}
        found.setdefault(kind, []).append(entry)
    return found
