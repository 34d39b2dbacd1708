"""Spans of requests: of all to servers with AI rules, with OpenInference's attributes, or of rules that want them.

Envoy makes the spans, so that trace contexts are honoured on both sides: the span's parent is whatever the client's
`traceparent` names, and a provider that traces too gets the span as its parent. They leave over gRPC to our services,
which pass them on; so headers with credentials for the collector never stand in Envoy's configuration.

Tried on Envoy 1.40: tags are worked out when the request has ended, so they know the usage, and `value_type` makes
numbers of them; a tag without a value is left out. A client's decision not to sample is kept. There is one span for a
request: a second one for the upstream would carry the same tags, and tools would count it as another model call.

Bodies are in no span. https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from anygate.envoy.api import bool_value, typed
from anygate.envoy.cel import typed_cel
from anygate.envoy.cel_tree import call, route_metadata, text
from anygate.envoy.names import FACTS, MODEL_KEY, MODEL_NAMESPACE, ORIGIN, PATH_KEY, SERVICES, TRACED
from anygate.envoy.recording import Tracing
from anygate.envoy.usage_places import HAS_STRUCT, HAS_TYPED, found_usage
from anygate.model.route import HttpRule
from anygate.model.telemetry import SpanSource, Trace

_PROVIDER = "envoy.config.trace.v3.OpenTelemetryConfig"
_RESOURCE = "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig"
_SAMPLER = "envoy.extensions.tracers.opentelemetry.samplers.v3.CELSamplerConfig"
_REQUEST_IDS = "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig"
_TIMEOUT = timedelta(seconds=1)
_WANTED = f"metadata.filter_metadata['{MODEL_NAMESPACE}']['{MODEL_KEY}']"
_ASKED = f"%DYNAMIC_METADATA({MODEL_NAMESPACE}:{MODEL_KEY})%"
_ANSWERED = f"({HAS_STRUCT} || {HAS_TYPED}) ? ({found_usage('model')}) : {_WANTED}"
_COUNTS = {
    "llm.token_count.prompt": "input_tokens",
    "llm.token_count.completion": "output_tokens",
    "llm.token_count.total": "total_tokens",
    "llm.token_count.prompt_details.cache_read": "cached_tokens",
    "llm.token_count.prompt_details.cache_write": "cache_creation_tokens",
    "llm.token_count.completion_details.reasoning": "reasoning_tokens",
}


def build_tracing(
    rules: Sequence[HttpRule], tracing: Tracing | None, source: SpanSource | None = None
) -> dict[str, Any] | None:
    """Build the tracing of a server's requests; None where no rule has spans.

    AI rules have them if there is a `tracing`. With a `source` routes decide (`sampling.py`): then their metadata does,
    and nothing but they themselves tells backends.
    """
    inference = any(rule.inference for rule in rules)
    if source is None:
        return _build(tracing.service, _tags(tracing)) if tracing is not None and inference else None
    tags = [_ROUTE_TAG, *_STATUS_TAGS, *(_tags(tracing or Tracing()) if inference else ())]
    return {
        **_build(source.service, tags, sampler=_route_sampler(), resource_detectors=_resource(source)),
        "no_context_propagation": True,
        "operation": f"%REQUEST_HEADER(:METHOD)% %METADATA(ROUTE:{ORIGIN}:{PATH_KEY})%",
    }


def build_request_ids(source: SpanSource | None) -> dict[str, Any] | None:
    """Build how ids of requests and spans depend on each other: not at all where routes decide about spans.

    Tried on Envoy 1.40: without it a request that has no id has no span, and an id gets the decision written into it.
    """
    if source is None:
        return None
    config = typed(
        _REQUEST_IDS, pack_trace_reason=bool_value(False), use_request_id_for_trace_sampling=bool_value(False)
    )
    return {"typed_config": config}


def default_trace(rules: Sequence[HttpRule], tracing: Tracing | None) -> Trace | None:
    """What AI rules that say nothing of spans have where other rules of their server do."""
    traced = next((rule.trace for rule in rules if rule.trace is not None), None)
    return Trace(origin=traced.origin, follow=True) if traced is not None and tracing is not None else None


def _build(service: str, tags: Sequence[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    provider = typed(
        _PROVIDER,
        grpc_service={"envoy_grpc": {"cluster_name": SERVICES}, "timeout": _TIMEOUT},
        service_name=service,
        **fields,
    )
    return {
        "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": provider},
        "spawn_upstream_span": bool_value(False),
        "custom_tags": list(tags),
    }


def _route_sampler() -> dict[str, Any]:
    tree = call(1, "@in", text(2, TRACED), route_metadata(3))
    return {"name": "route", "typed_config": typed(_SAMPLER, expression={"cel_expr_parsed": {"expr": tree}})}


def _resource(source: SpanSource) -> list[dict[str, Any]]:
    if not source.resource:
        return []
    config = typed(_RESOURCE, attributes=dict(source.resource))
    return [{"name": "envoy.tracers.opentelemetry.resource_detectors.static_config", "typed_config": config}]


_ROUTE_KEY = {"key": ORIGIN, "path": [{"key": PATH_KEY}]}
_ROUTE_TAG = {"tag": "http.route", "metadata": {"kind": {"route": {}}, "metadata_key": _ROUTE_KEY}}
_STATUS_TAGS = [
    {"tag": name, "value": "%RESPONSE_CODE%", "value_type": "INT"}
    for name in ("http.status_code", "http.response.status_code")
]


def _tags(tracing: Tracing) -> list[dict[str, Any]]:
    tags = [
        _facts("openinference.span.kind", "route", "span"),
        _facts("llm.provider", "cluster", "llm"),
        _facts("anygate.backend", "cluster", "provider"),
        _facts("anygate.route", "route", "route"),
        {"tag": "llm.model_name", "value": typed_cel(_ANSWERED)},
        {"tag": "gen_ai.request.model", "value": _ASKED},
        {"tag": "gen_ai.response.model", "value": typed_cel(found_usage("model"))},
    ]
    tags += [{"tag": name, "value": typed_cel(found_usage(key)), "value_type": "INT"} for name, key in _COUNTS.items()]
    if tracing.session_header:
        tags.append({"tag": "session.id", "request_header": {"name": tracing.session_header}})
    return tags


def _facts(tag: str, kind: str, key: str) -> dict[str, Any]:
    path = [{"key": FACTS}, {"key": key}]
    return {"tag": tag, "metadata": {"kind": {kind: {}}, "metadata_key": {"key": ORIGIN, "path": path}}}
