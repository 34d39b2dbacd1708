"""The HTTP connection manager: how one server, or all plain HTTP servers of a port, speak HTTP with clients.

Reference: envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto. Limits follow
https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge where the model gives none.
"""

from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_network
from typing import Any, NamedTuple

from anygate.envoy.access_log import build_access_logs, build_caller_filter, build_server_log
from anygate.envoy.api import any_of, bool_value, build, typed, uint32
from anygate.envoy.draws import DRAW, draw_headers
from anygate.envoy.edits import build_mutations
from anygate.envoy.filters import FILTERS
from anygate.envoy.filters.handover import hands_over
from anygate.envoy.key_sets import place_key_sets
from anygate.envoy.local_replies import build_local_replies
from anygate.envoy.placement import CREDENTIALS
from anygate.envoy.recording import Recording, Tracing
from anygate.envoy.refusal import CannotBuild
from anygate.envoy.switch import with_switches
from anygate.envoy.tracing import build_request_ids, build_tracing
from anygate.model.backend import Http2
from anygate.model.body_rows import asks_for_bodies
from anygate.model.edit import HeaderEdit
from anygate.model.inference_rows import RESERVED
from anygate.model.listener import HttpServer, Server
from anygate.model.route import HttpRule

MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ADS = {"ads": {}, "resource_api_version": "V3"}
_ROUTER = "envoy.extensions.filters.http.router.v3.Router"
_PRESERVE_CASE = "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig"
_UNDERSCORES = {"allow": "ALLOW", "drop": "DROP_HEADER", "reject": "REJECT_REQUEST"}
_ESCAPED_SLASHES = {
    "keep": "KEEP_UNCHANGED",
    "reject": "REJECT_REQUEST",
    "redirect": "UNESCAPE_AND_REDIRECT",
    "forward": "UNESCAPE_AND_FORWARD",
}
_REQUEST_IDS = {
    "preserve_or_generate": (True, True),
    "preserve": (False, True),
    "generate": (True, False),
    "disable": (False, False),
}
_CERTIFICATE_PARTS = {"subject", "cert", "chain", "dns", "uri", "issuer"}
_ALT_SVC_AGE = 86_400
_OUR_OWN = {"remove_on_match": {"key_matcher": {"prefix": "x-anygate-"}}}
"""What filters leave for each other on the way to the name of a caller."""
_DRAWN = {"append": {"header": {"key": DRAW, "value": "%UNIQUE_ID%"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}


class ConnectionOptions(NamedTuple):
    """What a connection manager takes from its place: the access log, the port at which it offers HTTP/3, what is
    recorded and traced of AI requests, and the folder of files with keys."""

    access_log: str = ""
    http3_port: int = 0
    recording: Recording | None = None
    tracing: Tracing | None = None
    credentials: str = CREDENTIALS


NO_OPTIONS = ConnectionOptions()
"""No log, no HTTP/3, nothing recorded."""


def build_http_connection(
    server: Server, rules: Sequence[HttpRule], routes: str, stat: str, options: ConnectionOptions
) -> Any:
    """Build the connection manager of one server; `rules` are all that can be reached through it."""
    http = server.http
    generate, preserve = _REQUEST_IDS.get(http.request_id, (None, None))
    source = server.spans if options.recording is not None else None
    certificate = http.client_certificate_header.upper() or None
    return build(
        MANAGER,
        stat_prefix=stat,
        rds={"route_config_name": routes, "config_source": ADS},
        http_filters=build_filter_chain(server, rules, options),
        common_http_protocol_options=_common_options(http),
        http_protocol_options=_http1_options(http),
        http2_protocol_options=build_http2_options(http.http2, edge=True),
        http1_safe_max_connection_duration=http.max_connection_duration is not None,
        request_timeout=http.request_timeout,
        stream_idle_timeout=http.stream_idle_timeout,
        server_header_transformation="PASS_THROUGH",
        scheme_header_transformation={"match_upstream": True} if http.scheme_from_backend else None,
        normalize_path=bool_value(True),
        merge_slashes=http.merge_slashes,
        path_with_escaped_slashes_action=_ESCAPED_SLASHES[http.escaped_slashes],
        strip_trailing_host_dot=True,
        upgrade_configs=[{"upgrade_type": "websocket"}],
        early_header_mutation_extensions=_early_mutations(server, rules),
        local_reply_config=build_local_replies(http, rules),
        generate_request_id=bool_value(generate),
        preserve_external_request_id=preserve,
        forward_client_cert_details=certificate,
        set_current_client_cert_details=_certificate_details(server),
        access_log=[
            *build_access_logs(options.access_log, rules, options.recording),
            *build_server_log(server.access_log),
        ],
        tracing=build_tracing(rules, options.tracing, source),
        request_id_extension=build_request_ids(source),
        **_client_address(http, server),
    )


def over_http3(manager: Any) -> Any:
    """The same connection manager for HTTP/3."""
    made = type(manager)()
    made.CopyFrom(manager)
    made.codec_type = "HTTP3"
    made.http3_protocol_options.SetInParent()
    return made


def build_filter_chain(
    server: Server, rules: Sequence[HttpRule], options: ConnectionOptions = NO_OPTIONS
) -> list[dict[str, Any]]:
    """Build the HTTP filters in their order, the router last."""
    rules = place_key_sets(rules, options.credentials)
    entries = [entry for each in FILTERS for entry in each.chain(server, rules)]
    if any(rule.inference for rule in rules) or hands_over(rules) or asks_for_bodies(rules):
        entries = with_switches(entries)
    made = [{"name": entry.name, "typed_config": any_of(entry.config), "disabled": entry.disabled} for entry in entries]
    late = _late_mutations(server, options.http3_port)
    caller = build_caller_filter(rules, options.recording)
    router = typed(_ROUTER, suppress_envoy_headers=not server.http.envoy_headers)
    # Answers pass the filters backwards, so the first in the list has the last word on them.
    return [*late, *caller, *made, {"name": "envoy.filters.http.router", "typed_config": router}]


def build_http2_options(http2: Http2, *, edge: bool = False) -> Any:
    """Build Http2ProtocolOptions; `edge` bounds what an unknown client may ask for."""
    keepalive = None
    if http2.ping_interval is not None:
        timeout = http2.ping_timeout or timedelta(seconds=20)
        keepalive = {"interval": http2.ping_interval, "timeout": timeout}
    reset = http2.reset_stream_on_invalid
    return build(
        "envoy.config.core.v3.Http2ProtocolOptions",
        max_concurrent_streams=uint32(http2.max_streams or (100 if edge else None)),
        initial_stream_window_size=uint32(http2.stream_window or (65_536 if edge else None)),
        initial_connection_window_size=uint32(http2.connection_window or (1_048_576 if edge else None)),
        override_stream_error_on_invalid_http_message=bool_value(reset),
        connection_keepalive=keepalive,
    )


def build_preserved_case() -> dict[str, Any]:
    """Build the header key format that keeps the case in which names were sent."""
    return {"stateful_formatter": {"name": "preserve_case", "typed_config": typed(_PRESERVE_CASE)}}


def _common_options(http: HttpServer) -> dict[str, Any]:
    return {
        "idle_timeout": http.idle_timeout,
        "max_connection_duration": http.max_connection_duration,
        "max_stream_duration": http.max_stream_duration,
        "max_requests_per_connection": uint32(http.max_requests_per_connection),
        "headers_with_underscores_action": _UNDERSCORES[http.underscores],
    }


def _http1_options(http: HttpServer) -> dict[str, Any]:
    return {
        "enable_trailers": http.http1_trailers,
        "accept_http_10": http.http10,
        "default_host_for_http_10": http.http10_default_host,
        "header_key_format": build_preserved_case() if http.http1_preserve_case else None,
        "ignore_http_11_upgrade": [{"exact": name, "ignore_case": True} for name in http.ignored_upgrades],
    }


def _client_address(http: HttpServer, server: Server) -> dict[str, Any]:
    """Build how the client's address is found. Envoy refuses detection extensions beside `use_remote_address`."""
    if http.client_ip_header:
        name = "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig"
        config = typed(
            name,
            header_name=http.client_ip_header,
            allow_extension_to_set_address_as_trusted=True,
            reject_with_status={"code": 403} if http.client_ip_fail_closed else None,
        )
        return _detection("custom_header", config)
    if http.trusted_cidrs:
        name = "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig"
        cidrs = [_cidr(text, server) for text in http.trusted_cidrs]
        config = typed(name, xff_trusted_cidrs={"cidrs": cidrs}, skip_xff_append=bool_value(False))
        return _detection("xff", config)
    return {"use_remote_address": bool_value(True), "xff_num_trusted_hops": http.trusted_hops}


def _detection(kind: str, config: Any) -> dict[str, Any]:
    return {
        "original_ip_detection_extensions": [
            {"name": f"envoy.http.original_ip_detection.{kind}", "typed_config": config}
        ],
        "use_remote_address": bool_value(False),
    }


def _cidr(text: str, server: Server) -> dict[str, Any]:
    try:
        network = ip_network(text, strict=False)
    except ValueError as problem:
        raise CannotBuild(server.origin, f"{text!r} is not a range of addresses") from problem
    return {"address_prefix": str(network.network_address), "prefix_len": uint32(network.prefixlen)}


def _early_mutations(server: Server, rules: Sequence[HttpRule]) -> list[dict[str, Any]]:
    """Build what is done to a request before it is routed.

    A client must not choose its own model, credential or backend past the policies, so the headers in which those
    stand are removed. The server's own edits come after that: who writes them may set such a header.
    """
    edit = server.http.early_request_headers
    inference = any(rule.inference for rule in rules)
    mutations: list[Any] = []
    if inference:
        mutations += [{"remove_on_match": {"key_matcher": {"prefix": name}}} for name in RESERVED]
    mutations += [{"remove": name} for name in server.http.caller_headers]
    mutations += [_OUR_OWN] if server.http.caller_headers else []
    mutations += [_DRAWN for _ in draw_headers(rules)]
    mutations += build_mutations(edit, server.origin) if edit else []
    if not mutations:
        return []
    name = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
    config = typed(name, mutations=mutations)
    return [{"name": "envoy.http.early_header_mutation.header_mutation", "typed_config": config}]


def _late_mutations(server: Server, http3_port: int) -> list[dict[str, Any]]:
    edit = server.http.late_response_headers
    mutations = build_mutations(edit, server.origin) if edit else []
    if http3_port:
        # https://www.rfc-editor.org/rfc/rfc7838: how a client learns that it may come back over HTTP/3.
        offer = HeaderEdit(set=(("alt-svc", f'h3=":{http3_port}"; ma={_ALT_SVC_AGE}'),))
        mutations += build_mutations(offer, server.origin)
    if not mutations:
        return []
    name = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
    config = typed(name, mutations={"response_mutations": mutations})
    return [{"name": "anygate/late-response-headers", "typed_config": config}]


def _certificate_details(server: Server) -> dict[str, Any] | None:
    """Build which parts of the client's certificate `x-forwarded-client-cert` shows."""
    wanted = [name.lower() for name in server.http.client_certificate_details]
    for name in wanted:
        if name not in _CERTIFICATE_PARTS:
            raise CannotBuild(server.origin, f"there is no part {name} of a client certificate to forward")
    return {name: bool_value(True) if name == "subject" else True for name in wanted} or None
