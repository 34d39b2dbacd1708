"""Second stages: tables of routes that other routes lead to, on listeners inside of Envoy, and the way there.

References: https://www.envoyproxy.io/docs/envoy/latest/configuration/other_features/internal_listener and
envoy/config/core/v3/address.proto (EnvoyInternalAddress).
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from anygate.envoy.api import any_of, bool_value, build, typed, uint32
from anygate.envoy.bounds import build_no_bounds
from anygate.envoy.clusters import BUFFER_LIMIT
from anygate.envoy.filters.body_reading import LONGEST_BODY
from anygate.envoy.filters.usage import counts_plain_answers
from anygate.envoy.http_connection import MANAGER, ConnectionOptions, build_http2_options, build_http_connection
from anygate.envoy.names import stage_name, stage_stat
from anygate.envoy.origins import build_place
from anygate.envoy.recording import Recording
from anygate.model.backend import Http2
from anygate.model.body_rows import asks_for_bodies
from anygate.model.listener import Stage
from anygate.model.retry import Retry
from anygate.model.route import BackendTarget, Continue, Forward, HttpRule

_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_NEVER = timedelta(0)
_CONNECT_TIMEOUT = timedelta(seconds=1)
_TRIES = 8
_BODY_LIMIT = 52_428_800
"""How much of a body is held that has to be read whole."""
_MOST_HEADERS, _MOST_KILOBYTES = 1000, 1024
"""Well above what the first stage lets through, which has put headers of its own to those of the client."""
_HTTP2 = Http2(stream_window=1_048_576, connection_window=2**31 - 1)
"""Streams of many clients share a connection: what is held for a slow one must not use up the window of all."""


def send_on(rule: HttpRule, action: Continue) -> tuple[HttpRule, BackendTarget]:
    """What a rule that goes on to a stage is as one that forwards: to the stage's own cluster.

    Limits and tries are the second stage's, so that none holds twice. Only the way there is tried again. Tried on
    Envoy 1.40: a listener that is new refuses connections until it has its routes, while the first stage has its own
    already, so that a reload would drop requests.
    """
    times = rule.timeouts
    if times.stream_idle is None:
        times = msgspec.structs.replace(times, stream_idle=_NEVER)
    target = BackendTarget(origin=action.origin, backend=stage_name(action.stage))
    forward = Forward(origin=action.origin, targets=(target,))
    retry = rule.retry or Retry(
        origin=action.origin,
        attempts=_TRIES,
        triggers=("connect-failure",),
        backoff=timedelta(milliseconds=20),
        max_backoff=timedelta(milliseconds=500),
    )
    return msgspec.structs.replace(rule, action=forward, timeouts=times, retry=retry), target


def build_stage_cluster(stage: Stage) -> Any:
    """Build the cluster whose only endpoint is the stage's listener.

    It speaks with the stage what the client speaks with us: what got through the first stage then gets through the
    second as well.
    """
    name = stage_name(stage.name)
    address = {"envoy_internal_address": {"server_listener_name": name}}
    options = typed(
        _OPTIONS,
        common_http_protocol_options={
            "max_headers_count": uint32(_MOST_HEADERS),
            "max_response_headers_kb": uint32(_MOST_KILOBYTES),
        },
        use_downstream_protocol_config={
            "http_protocol_options": {},
            "http2_protocol_options": build_http2_options(_HTTP2),
        },
    )
    return build(
        "envoy.config.cluster.v3.Cluster",
        name=name,
        type="STATIC",
        connect_timeout=_CONNECT_TIMEOUT,
        per_connection_buffer_limit_bytes=uint32(BUFFER_LIMIT),
        circuit_breakers=build_no_bounds(),
        typed_extension_protocol_options={_OPTIONS: options},
        metadata=build_place(stage.origin),
        load_assignment={
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    )


def buffer_limit(rules: Sequence[HttpRule]) -> int:
    """How many bytes of a body a listener holds: AI requests are held whole, and their images and files are long."""
    held = any(rule.inference or rule.prompts or counts_plain_answers(rule) for rule in rules)
    short = LONGEST_BODY if asks_for_bodies(rules) else BUFFER_LIMIT
    return _BODY_LIMIT if held else short


def build_stage_listener(stage: Stage, rules: list[HttpRule], recording: Recording | None = None) -> Any:
    """Build the listener of a stage, which has no socket; `rules` are those of the stage.

    It believes what the first stage says of the client, adds nothing to it and writes no log: there is one line for
    each request, that of the first stage. But what becomes of a request is known here, so here the services are told of
    it, as `recording` says. Where an answer breaks off the first stage has to know at once.
    """
    name = stage_name(stage.name)
    limit = buffer_limit(rules)
    options = ConnectionOptions(recording=recording)
    manager = build_http_connection(stage.server, rules, name, stage_stat(stage.name), options)
    for field in ("use_remote_address", "http2_protocol_options"):
        manager.ClearField(field)
    manager.MergeFrom(
        build(
            MANAGER,
            use_remote_address=bool_value(False),
            skip_xff_append=True,
            common_http_protocol_options={"max_headers_count": uint32(_MOST_HEADERS)},
            max_request_headers_kb=uint32(_MOST_KILOBYTES),
            delayed_close_timeout=_NEVER,
            http2_protocol_options=build_http2_options(_HTTP2),
        )
    )
    return build(
        "envoy.config.listener.v3.Listener",
        name=name,
        stat_prefix=stage_stat(stage.name),
        internal_listener={},
        per_connection_buffer_limit_bytes=uint32(limit),
        traffic_direction="OUTBOUND",
        metadata=build_place(stage.origin),
        filter_chains=[
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": any_of(manager)}]}
        ],
    )
