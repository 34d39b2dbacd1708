"""Rows as spans for an OpenTelemetry collector: Nantian's names of attributes, and those of the `gen_ai` conventions.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from anygate.envoy.api import message
from anygate.services.exports.delivery import NotSent
from anygate.services.exports.destinations import OtelDestination
from anygate.services.exports.web import TIMEOUT, Web
from anygate.store.row import UsageRow
from anygate.urls import split_url

if TYPE_CHECKING:
    import grpc

_REQUEST = "opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest"
_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_CLIENT, _ERROR = 3, 2
_OPERATIONS: Mapping[str, str] = {"embeddings": "embeddings", "completions": "text_completion"}
_SYSTEMS: Mapping[str, str] = {
    "AzureOpenAI": "azure.ai.openai",
    **dict.fromkeys(("AWSBedrock", "AWSAnthropic", "AWSOpenAI"), "aws.bedrock"),
    **dict.fromkeys(("GCPVertexAI", "GCPAnthropic"), "gcp.vertex_ai"),
    "Gemini": "gcp.gemini",
    "Anthropic": "anthropic",
    "Cohere": "cohere",
}


class SpanSender:
    """Sends rows as spans to one endpoint."""

    def __init__(self, destination: OtelDestination) -> None:
        self._destination = destination
        parts = split_url(destination.endpoint)
        self._is_http = parts.path.strip("/") != ""
        self._secure = parts.scheme == "https"
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        self._target = f"{host}:{parts.port or (443 if self._secure else 4317)}"
        self._web = Web(destination.endpoint, {"content-type": "application/x-protobuf"})

    def send(self, rows: Sequence[UsageRow]) -> None:
        """Send a batch; raises NotSent."""
        raw = render_spans(rows, self._destination.service)
        if self._is_http:
            self._web.post(raw)
            return
        import grpc

        try:
            self._method(raw, timeout=TIMEOUT)
        except grpc.RpcError as problem:
            raise NotSent(f"it answers {problem.code().name}") from None

    @cached_property
    def _method(self) -> "grpc.UnaryUnaryMultiCallable[bytes, bytes]":
        import grpc

        if self._secure:
            channel = grpc.secure_channel(self._target, grpc.ssl_channel_credentials())
        else:
            channel = grpc.insecure_channel(self._target)
        return channel.unary_unary(_METHOD, request_serializer=None, response_deserializer=None)


def render_spans(rows: Sequence[UsageRow], service: str) -> bytes:
    """The message with a span for each row."""
    found = message(_REQUEST)()
    told = found.resource_spans.add()
    _put(told.resource.attributes, "service.name", service)
    scope = told.scope_spans.add()
    scope.scope.name = "anygate"
    for row in rows:
        _fill(scope.spans.add(), row)
    return bytes(found.SerializeToString())


def _fill(span: Any, row: UsageRow) -> None:
    known = hashlib.sha256(f"{row.request_id}/{row.time}".encode()).digest()
    span.trace_id, span.span_id = known[:16], known[16:24]
    span.name, span.kind = "ai.inference", _CLIENT
    span.start_time_unix_nano = row.time * 1_000_000
    span.end_time_unix_nano = row.time * 1_000_000 + int(row.duration_ms * 1_000_000)
    if row.status >= 400 or row.outcome not in ("ok", "hung_up"):
        span.status.code = _ERROR
    for name, value in _list_attributes(row).items():
        if value not in ("", None):
            _put(span.attributes, name, value)


def _list_attributes(row: UsageRow) -> dict[str, object]:
    sent = row.sent_model or row.model
    return {
        "ai.model": sent,
        "ai.format": row.format,
        "ai.stream": row.stream,
        "ai.prompt_tokens": row.input_tokens,
        "ai.completion_tokens": row.output_tokens,
        "upstream.ttfb_ms": row.ttft_ms,
        "upstream.total_ms": row.duration_ms,
        "gen_ai.operation.name": _OPERATIONS.get(row.endpoint, "chat"),
        "gen_ai.system": _SYSTEMS.get(row.format, "openai"),
        "gen_ai.request.model": row.model or sent,
        "gen_ai.response.model": row.answered_model,
        "gen_ai.usage.input_tokens": row.input_tokens,
        "gen_ai.usage.output_tokens": row.output_tokens,
        "http.response.status_code": row.status,
        "anygate.backend": row.provider,
        "anygate.route": row.route,
        "anygate.attempts": row.attempts,
        "error.type": "" if row.outcome == "ok" else row.outcome,
    }


def _put(attributes: Any, name: str, value: object) -> None:
    place = attributes.add(key=name).value
    if isinstance(value, bool):
        place.bool_value = value
    elif isinstance(value, int):
        place.int_value = value
    elif isinstance(value, float):
        place.double_value = value
    else:
        place.string_value = str(value)
