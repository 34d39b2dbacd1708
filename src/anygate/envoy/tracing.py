"""Spans of AI requests, with OpenInference's attributes.

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
from anygate.envoy.names import FACTS, MODEL_KEY, MODEL_NAMESPACE, ORIGIN, SERVICES
from anygate.envoy.recording import Tracing
from anygate.envoy.usage_places import HAS_STRUCT, HAS_TYPED, found_usage
from anygate.model.route import HttpRule

_PROVIDER = "envoy.config.trace.v3.OpenTelemetryConfig"
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


def build_tracing(rules: Sequence[HttpRule], tracing: Tracing | None) -> dict[str, Any] | None:
    """Build the tracing of a server's requests; None unless it is wanted and the server has AI rules."""
    if tracing is None or not any(rule.inference for rule in rules):
        return None
    provider = typed(
        _PROVIDER,
        grpc_service={"envoy_grpc": {"cluster_name": SERVICES}, "timeout": _TIMEOUT},
        service_name=tracing.service,
    )
    return {
        "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": provider},
        "spawn_upstream_span": bool_value(False),
        "custom_tags": _tags(tracing),
    }


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
