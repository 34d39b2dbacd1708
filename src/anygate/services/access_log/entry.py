"""Access-log entries as rows of usage.

Reference: envoy/data/accesslog/v3/accesslog.proto and envoy/data/ai/v3/token_usage.proto.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from anygate.envoy.access_log import BACKEND_TAG, CALLER, LABEL_TAG, RULE_TAG, SESSION_TAG
from anygate.envoy.api import message
from anygate.envoy.names import COUNTS, MODEL_KEY, MODEL_NAMESPACE, STARTED, USAGE, USED
from anygate.services.access_log.costs import reckon_costs
from anygate.services.access_log.estimate import estimate_input, estimate_output, is_counted
from anygate.services.access_log.excerpt import log_message, usage_message
from anygate.services.access_log.metered import MeteredRequest, read_metered
from anygate.store.row import Outcome, UsageRow

_STRING = "google.protobuf.StringValue"
_HASH_LENGTH = 12
_LONGEST_NAME = 256
_SCHEMES = ("bearer ", "basic ")
_UNREAD_MODELS = ("", "-", "!")
_LIMITED = 429


class RuleFacts(msgspec.Struct, frozen=True):
    """What a row says about itself (`access_log.rule_facts`)."""

    endpoint: str = ""
    route: str = ""
    costs: dict[str, str] = {}


class BackendFacts(msgspec.Struct, frozen=True):
    """What a cluster says about itself (`access_log.backend_facts`)."""

    backend: str = ""
    provider: str = ""
    format: str = ""
    model: str = ""


class Logged(NamedTuple):
    """What one entry is about: a request for a model, one that is counted for an exporter, or both."""

    row: UsageRow | None
    metered: MeteredRequest | None


def read_message(raw: bytes) -> Iterator[Logged]:
    """The entries of one message of the stream; raises DecodeError for what is no such message."""
    for entry in log_message().FromString(raw).http_logs.log_entry:
        asked = MODEL_NAMESPACE in entry.common_properties.metadata.filter_metadata
        yield Logged(read_entry(entry) if asked else None, read_metered(entry))


def read_entry(entry: Any) -> UsageRow:
    """The row of one entry, its costs included."""
    seen, request, response = entry.common_properties, entry.request, entry.response
    tags, metadata = seen.custom_tags, seen.metadata
    rule: RuleFacts = _read_facts(tags.get(RULE_TAG, ""), RuleFacts)
    backend: BackendFacts = _read_facts(tags.get(BACKEND_TAG, ""), BackendFacts)
    status, start = response.response_code.value, seen.start_time
    row = UsageRow(
        time=start.seconds * 1000 + start.nanos // 1_000_000,
        request_id=_cut(request.request_id or seen.stream_id),
        route=rule.route or seen.route_name.partition("/rule/")[0],
        rule=seen.route_name,
        endpoint=rule.endpoint,
        backend=backend.backend or seen.upstream_cluster,
        provider=backend.provider,
        format=backend.format,
        model=_read_model(metadata.filter_metadata),
        sent_model=backend.model,
        key_hash=_read_key(seen.filter_state_objects),
        key_label=_cut(tags.get(LABEL_TAG, "")),
        session=_cut(tags.get(SESSION_TAG, "")),
        stream=response.response_headers.get("content-type", "").startswith("text/event-stream"),
        status=status,
        outcome=read_outcome(seen, response, status),
        attempts=seen.upstream_request_attempt_count,
        ttft_ms=_read_ms(seen, "time_to_first_upstream_rx_byte"),
        duration_ms=_read_ms(seen, "duration") or 0.0,
        request_bytes=request.request_body_bytes,
        response_bytes=response.response_body_bytes,
    )
    _add_usage(row, metadata)
    if rule.costs and row.total_tokens is not None:
        words = {"model": row.sent_model or row.model, "backend": backend.backend, "route_name": rule.route}
        row.costs = reckon_costs(rule.costs, row, words)
    return row


def read_outcome(seen: Any, response: Any, status: int) -> Outcome:
    """What became of the request, by its status and Envoy's flags."""
    # Envoy leaves the flags out where it has none.
    flags = seen.response_flags if seen.HasField("response_flags") else None
    if flags is not None and (flags.downstream_connection_termination or flags.downstream_remote_reset):
        return "hung_up"
    is_answered = response.response_code_details == "via_upstream"
    if is_answered and status >= 400:
        return "error"
    if is_answered or (0 < status < 400):
        is_whole = flags is None or not (
            flags.upstream_remote_reset
            or flags.upstream_connection_termination
            or flags.upstream_protocol_error
            or flags.stream_idle_timeout
            or flags.duration_timeout
            or flags.upstream_max_stream_duration_reached
            or flags.upstream_request_timeout
            or flags.local_reset
        )
        return "ok" if is_whole else "cut"
    if status == _LIMITED or (flags is not None and flags.rate_limited):
        return "limited"
    return "refused" if 400 <= status < 500 else "failed"


def _add_usage(row: UsageRow, metadata: Any) -> None:
    """Add what the provider said; where it said nothing of an answer that was given, an estimate."""
    typed = metadata.typed_filter_metadata
    if USAGE in typed:
        usage = usage_message().FromString(typed[USAGE].value)
        if usage.HasField("input_tokens") or usage.HasField("output_tokens"):
            _add_reported(row, usage)
            return
    elif USED in metadata.filter_metadata:
        _add_read(row, metadata.filter_metadata[USED].fields[COUNTS].struct_value.fields)
        return
    is_given = row.status < 400 and row.outcome in ("ok", "cut", "hung_up") and row.attempts > 0
    if is_given and is_counted(row.endpoint):
        _add_estimated(row, metadata.filter_metadata)


def _add_reported(row: UsageRow, usage: Any) -> None:
    row.answered_model = _cut(usage.model)
    row.output_tokens = made = usage.output_tokens.value
    if usage.HasField("input_tokens"):
        row.input_tokens = given = usage.input_tokens.value
        # Tried on Envoy 1.40: for embeddings, which have no output, there is no total either.
        row.total_tokens = usage.total_tokens.value if usage.HasField("total_tokens") else given + made
    else:
        row.input_tokens = estimate_input(row.request_bytes)
        row.total_tokens = row.input_tokens + made
        row.estimated = True
    details = usage.input_token_details
    row.cached_tokens = details.cached_tokens.value if details.HasField("cached_tokens") else None
    if details.HasField("cache_creation_tokens"):
        row.cache_creation_tokens = details.cache_creation_tokens.value
    if usage.output_token_details.HasField("reasoning_tokens"):
        row.reasoning_tokens = usage.output_token_details.reasoning_tokens.value


def _add_read(row: UsageRow, fields: Any) -> None:
    """Add what our own script has read (`filters/usage.lua`): at least one of input and output."""
    row.answered_model = fields["model"].string_value
    found = {name: int(value.number_value) for name, value in fields.items() if name != "model"}
    row.output_tokens = made = found.get("output_tokens", 0)
    given = found.get("input_tokens")
    if given is None:
        given = estimate_input(row.request_bytes)
        row.estimated = True
    row.input_tokens = given
    row.total_tokens = given + made
    row.cached_tokens = found.get("cached_tokens")
    row.cache_creation_tokens = found.get("cache_creation_tokens")
    row.reasoning_tokens = found.get("reasoning_tokens")


def _add_estimated(row: UsageRow, filter_metadata: Any) -> None:
    """Add an estimate, with the input as the start of the stream told it if it did."""
    started = filter_metadata[STARTED].fields if STARTED in filter_metadata else {}
    told = {name: int(started[name].number_value) for name in ("input", "cached", "creation") if name in started}
    # Anthropic counts what it read from its cache, and what it wrote there, apart from the input. The adapter starts
    # its streams with zeros where the provider tells usage only in the end.
    row.input_tokens = sum(told.values()) or estimate_input(row.request_bytes)
    row.output_tokens = estimate_output(row.endpoint, row.response_bytes, stream=row.stream)
    row.cached_tokens, row.cache_creation_tokens = told.get("cached"), told.get("creation")
    row.total_tokens = row.input_tokens + row.output_tokens
    row.estimated = True


@lru_cache(maxsize=4096)
def _read_facts(text: str, kind: Any) -> Any:
    """The facts in a tag; without it, or with anything else in it, none."""
    try:
        return msgspec.json.decode(text, type=kind) if text else kind()
    except msgspec.MsgspecError:
        return kind()


def _read_model(filter_metadata: Any) -> str:
    if MODEL_NAMESPACE not in filter_metadata:
        return ""
    fields = filter_metadata[MODEL_NAMESPACE].fields
    asked = fields[MODEL_KEY].string_value if MODEL_KEY in fields else ""
    return "" if asked in _UNREAD_MODELS else _cut(asked)


def _read_key(states: Any) -> str:
    """The identity of the caller's key: the beginning of a SHA-256 of the key without its scheme."""
    if CALLER not in states:
        return ""
    key = message(_STRING).FromString(states[CALLER].value).value.strip()
    return hash_key(key) if key else ""


def hash_key(key: str) -> str:
    """The identity of a key that a header carried."""
    for scheme in _SCHEMES:
        if key[: len(scheme)].lower() == scheme:
            key = key[len(scheme) :].strip()
    return hashlib.sha256(key.encode()).hexdigest()[:_HASH_LENGTH]


def _read_ms(seen: Any, name: str) -> float | None:
    if not seen.HasField(name):
        return None
    span = getattr(seen, name)
    return float(span.seconds * 1000 + span.nanos / 1_000_000)


def _cut(text: str) -> str:
    """What a client chose the length of."""
    return text[:_LONGEST_NAME]
