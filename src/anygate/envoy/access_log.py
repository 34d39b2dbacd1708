"""What is written down about each request: a file for people, and a stream that AI requests are accounted from.

Tried on Envoy 1.40: an entry of the gRPC access log carries the request's typed metadata, and so the token usage, as
it is; nothing has to be formatted for that. Headers are logged as they are in the end: upstream filters have taken
the model's header off by then and put our own credential where the caller's was, so both are taken from what was
remembered on the way in (dynamic metadata and filter state).

Reference: envoy/extensions/access_loggers/grpc/v3/als.proto and envoy/data/accesslog/v3/accesslog.proto.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from anygate.envoy.api import bool_value, struct, typed, uint32
from anygate.envoy.cel import cost_expression, typed_cel
from anygate.envoy.cel_grammar import NotCel, Term, translate
from anygate.envoy.metering import is_metered, metering_tags
from anygate.envoy.names import FACTS, MODEL_KEY, MODEL_NAMESPACE, ORIGIN, SERVICES
from anygate.envoy.recording import Recording
from anygate.envoy.usage_places import found_usage
from anygate.model.inference import Inference, ModelEndpoint, Provider
from anygate.model.listener import AccessLog
from anygate.model.route import HttpRule

CALLER = "anygate.caller"
"""The filter state with the caller's key. Only the services see it, over their Unix socket, and they keep a hash."""

RULE_TAG, BACKEND_TAG = "rule", "backend"
"""The tags of an entry that carry the facts of its row and of its cluster, as JSON."""

SESSION_TAG, LABEL_TAG = "session", "label"
"""The tags with the session that a request belongs to, and with the name of the key's holder."""

LOG_NAME = "anygate"
_TOLD = "told"
"""The key, among the facts, of their text. Tried on Envoy 1.40: of an object a tag would make JSON for each entry."""

_GRPC = "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig"
_FILE = "envoy.extensions.access_loggers.file.v3.FileAccessLog"
_STATE = "envoy.extensions.filters.http.set_filter_state.v3.Config"
FLUSH = timedelta(milliseconds=50)
"""How long an entry may wait. Tried on Envoy 1.40: when Envoy is told to end, entries that still wait are lost."""

_BUFFER = 1 << 20
_COUNTS = (
    *("input_tokens", "cached_input_tokens", "cache_creation_input_tokens"),
    *("output_tokens", "total_tokens", "reasoning_tokens"),
)
_VARIABLES = {
    **{name: Term(name, "whole") for name in _COUNTS},
    **{name: Term(name, "text") for name in ("model", "backend", "route_name")},
}
_LLM_PROVIDERS = {
    "AzureOpenAI": "azure",
    "AWSBedrock": "aws",
    "AWSAnthropic": "aws",
    "AWSOpenAI": "aws",
    "GCPVertexAI": "google",
    "GCPAnthropic": "google",
    "Gemini": "google",
    "Anthropic": "anthropic",
    "Cohere": "cohere",
}
"""OpenInference's names of providers: https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md"""

_SPAN_KINDS: Mapping[ModelEndpoint, str] = {"embeddings": "EMBEDDING", "rerank": "RERANKER"}


def build_access_logs(path: str, rules: Sequence[HttpRule], recording: Recording | None = None) -> list[dict[str, Any]]:
    """Build the access logs of a server: lines in a file, and entries for the services if there is a `recording`."""
    inferences = [rule.inference for rule in rules if rule.inference is not None]
    logs = build_access_log(path)
    if path and inferences:
        plain, model = _plain_line(), _model_line(inferences)
        logs = [_file(path, plain, _is_model_request(False)), _file(path, plain | model, _is_model_request(True))]
    metering = metering_tags(rules)
    if recording is not None and (inferences or metering):
        logs.append(_stream(recording, _wanted(bool(inferences), bool(metering)), metering))
    return logs


def build_access_log(path: str) -> list[dict[str, Any]]:
    """Build a file access log of one JSON object for each request, which names the route that decided."""
    return [_file(path, _plain_line())] if path else []


def build_server_log(log: AccessLog | None) -> list[dict[str, Any]]:
    """Build the access log that a manifest asks for."""
    if log is None:
        return []
    line: dict[str, Any] | None = None
    if log.text:
        line = {"text_format_source": {"inline_string": log.text}}
    elif log.fields:
        line = {"json_format": struct(dict(log.fields))}
    return [{"name": "envoy.access_loggers.file", "typed_config": typed(_FILE, path=log.path, log_format=line)}]


def build_caller_filter(rules: Sequence[HttpRule], recording: Recording | None) -> list[dict[str, Any]]:
    """Build the filter that remembers the caller's key; it belongs before all that may take the key off."""
    if recording is None or not recording.key_headers or not any(rule.inference for rule in rules):
        return []
    text = "".join(f"%REQUEST_HEADER({name})%" for name in recording.key_headers)
    source = {"text_format_source": {"inline_string": text}, "omit_empty_values": True}
    value = {"object_key": CALLER, "factory_key": "envoy.string", "format_string": source, "skip_if_empty": True}
    return [{"name": "anygate/caller", "typed_config": typed(_STATE, on_request_headers=[value])}]


def rule_facts(inference: Inference) -> dict[str, str]:
    """What an AI row's metadata says for accounting; it belongs under `FACTS` in the namespace of origins."""
    costs = {cost.key: _plain_expression(cost.expression) for cost in inference.costs}
    return {
        "endpoint": inference.endpoint,
        "route": inference.route,
        "span": _SPAN_KINDS.get(inference.endpoint, "LLM"),
        _TOLD: _tell(endpoint=inference.endpoint, route=inference.route, costs=costs),
    }


def backend_facts(provider: Provider) -> dict[str, str]:
    """What a provider's cluster, and the adapter's in its place, says for accounting; likewise under `FACTS`."""
    namespace, _, name = provider.name.partition("/")
    told = {
        "backend": f"{name}.{namespace}",  # as the documentation of costs has it
        "provider": provider.name,
        "format": provider.format,
        "model": provider.model,
    }
    return {**told, "llm": _LLM_PROVIDERS.get(provider.format, "openai"), _TOLD: _tell(**told)}


def _tell(**facts: Any) -> str:
    return json.dumps(facts, separators=(",", ":"))


def _plain_expression(expression: str) -> str:
    """A cost over the variables themselves, all numbers doubles, for those who have the counts and not Envoy's
    metadata. Empty for what is no cost; limits and checks say so elsewhere."""
    try:
        return translate(expression, _VARIABLES).text
    except NotCel:
        return ""


def _cost_expressions(inference: Inference) -> dict[str, str]:
    return {cost.key: cost_expression(cost.expression, cost.origin, inference) for cost in inference.costs}


def _file(path: str, line: Mapping[str, Any], wanted: dict[str, Any] | None = None) -> dict[str, Any]:
    config = typed(_FILE, path=path, log_format={"json_format": struct(line)})
    return {"name": "envoy.access_loggers.file", "filter": wanted, "typed_config": config}


def _is_model_request(wanted: bool) -> dict[str, Any]:
    """Tell requests whose model was read from all others. By metadata, which costs less than an expression."""
    # Tried on Envoy 1.40: this filter takes no heed of a matcher's `invert`, but a model is never null.
    value: dict[str, Any] = {"present_match": True} if wanted else {"null_match": {}}
    matcher = {"filter": MODEL_NAMESPACE, "path": [{"key": MODEL_KEY}], "value": value}
    return {"metadata_filter": {"matcher": matcher, "match_if_key_not_found": bool_value(not wanted)}}


def _plain_line() -> dict[str, Any]:
    return {
        "start": "%START_TIME%",
        "method": "%REQUEST_HEADER(:METHOD)%",
        "host": "%REQUEST_HEADER(:AUTHORITY)%",
        "path": "%REQUEST_HEADER(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "protocol": "%PROTOCOL%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "ms": "%DURATION%",
        "received": "%BYTES_RECEIVED%",
        "sent": "%BYTES_SENT%",
        "route": "%ROUTE_NAME%",
        "place": "%METADATA(ROUTE:anygate:place)%",
        "backend": "%UPSTREAM_CLUSTER_RAW%",
        "upstream": "%UPSTREAM_HOST%",
        "client": "%DOWNSTREAM_REMOTE_ADDRESS%",
        "request_id": "%REQUEST_HEADER(X-REQUEST-ID)%",
    }


def _model_line(inferences: Sequence[Inference]) -> dict[str, Any]:
    line = {
        "endpoint": f"%METADATA(ROUTE:{ORIGIN}:{FACTS}:endpoint)%",
        "model": f"%DYNAMIC_METADATA({MODEL_NAMESPACE}:{MODEL_KEY})%",
        "response_model": typed_cel(found_usage("model")),
        "provider": f"%METADATA(CLUSTER:{ORIGIN}:{FACTS}:provider)%",
        "format": f"%METADATA(CLUSTER:{ORIGIN}:{FACTS}:format)%",
        "input_tokens": typed_cel(found_usage("input_tokens")),
        "output_tokens": typed_cel(found_usage("output_tokens")),
        "cached_tokens": typed_cel(found_usage("cached_tokens")),
        "reasoning_tokens": typed_cel(found_usage("reasoning_tokens")),
        "total_tokens": typed_cel(found_usage("total_tokens")),
        "ttft_ms": "%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:ms)%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    }
    costs = _build_costs(inferences)
    return {**line, "costs": costs} if costs else line


def _build_costs(inferences: Sequence[Inference]) -> dict[str, str]:
    """Build each key's number; where routes reckon it differently, each by the routes that do."""
    formulas: dict[str, dict[str, set[str]]] = {}
    routes = {inference.route for inference in inferences}
    for inference in inferences:
        for key, expression in _cost_expressions(inference).items():
            formulas.setdefault(key, {}).setdefault(expression, set()).add(inference.route)
    return {key: typed_cel(_choose(formulas[key], routes)) for key in sorted(formulas)}


def _choose(formulas: Mapping[str, set[str]], routes: set[str]) -> str:
    """One expression for all routes; a route without a formula gets null."""
    if list(formulas.values()) == [routes]:
        return next(iter(formulas))
    route = f"xds.route_metadata.filter_metadata['{ORIGIN}']['{FACTS}']['route']"
    chosen = "null"
    for expression in sorted(formulas, reverse=True):
        names = json.dumps(sorted(formulas[expression]))
        chosen = f"({route} in {names} ? ({expression}) : {chosen})"
    return chosen


def _wanted(inference: bool, metered: bool) -> dict[str, Any]:
    """Build the filter of the stream: AI requests, those that are counted, or both."""
    filters = [_is_model_request(True)] if inference else []
    filters += [is_metered()] if metered else []
    return filters[0] if len(filters) == 1 else {"or_filter": {"filters": filters}}


def _stream(recording: Recording, wanted: dict[str, Any], metering: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Build the stream of entries to the services.

    An entry waits at most for the flush, and at most the buffer's bytes wait. Tried on Envoy 1.40: entries that are
    flushed while the services are away are lost, also with a `grpc_stream_retry_policy`, which gives up on streams.
    """
    # Of two tags of one name the later one holds, so the first header of a list comes last.
    sessions = [_header_tag(SESSION_TAG, name) for name in reversed(recording.session_headers)]
    labels = [_header_tag(LABEL_TAG, recording.label_header)] if recording.label_header else []
    facts = [_facts_tag(RULE_TAG, "route"), _facts_tag(BACKEND_TAG, "cluster")]
    config = typed(
        _GRPC,
        common_config={
            "log_name": LOG_NAME,
            "grpc_service": {"envoy_grpc": {"cluster_name": SERVICES}},
            "transport_api_version": "V3",
            "buffer_flush_interval": FLUSH,
            "buffer_size_bytes": uint32(_BUFFER),
            "filter_state_objects_to_log": [CALLER],
            "custom_tags": [*facts, *sessions, *labels, *metering],
        },
        additional_response_headers_to_log=["content-type"],
    )
    return {"name": "envoy.access_loggers.http_grpc", "filter": wanted, "typed_config": config}


def _header_tag(tag: str, name: str) -> dict[str, Any]:
    return {"tag": tag, "request_header": {"name": name}}


def _facts_tag(tag: str, kind: str) -> dict[str, Any]:
    path = [{"key": FACTS}, {"key": _TOLD}]
    return {"tag": tag, "metadata": {"kind": {kind: {}}, "metadata_key": {"key": ORIGIN, "path": path}}}
