"""Rows as generations of Langfuse, by its ingestion API. What was said and answered is in none of them.

https://api.reference.langfuse.com/#tag/ingestion/POST/api/public/ingestion
"""

import base64
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from anygate.services.exports.delivery import NotSent
from anygate.services.exports.destinations import LangfuseDestination
from anygate.services.exports.web import Web
from anygate.store.row import UsageRow

_MICRO = 1_000_000
_COST = "cost_micro_usd"


class _Refused(msgspec.Struct):
    """Why one of a batch was not taken."""

    status: int = 0


class _Answer(msgspec.Struct):
    """What the API says of a batch: it answers 207, whatever became of its members."""

    errors: list[_Refused] = []


class GenerationSender:
    """Sends rows as traces with one generation each to one project."""

    def __init__(self, destination: LangfuseDestination) -> None:
        pair = f"{destination.public_key}:{destination.secret_key}".encode()
        headers = {"authorization": f"Basic {base64.b64encode(pair).decode()}", "content-type": "application/json"}
        self._web = Web(f"{destination.host.rstrip('/')}/api/public/ingestion", headers)

    def send(self, rows: Sequence[UsageRow]) -> None:
        """Send a batch; raises NotSent."""
        events = [event for row in rows for event in _list_events(row)]
        answer = self._web.post(msgspec.json.encode({"batch": events}))
        try:
            errors = msgspec.json.decode(answer, type=_Answer).errors
        except msgspec.MsgspecError:
            return
        if errors:
            raise NotSent(f"it refuses {len(errors)} of {len(events)} events", lasting=errors[0].status < 500)


def _list_events(row: UsageRow) -> Iterator[dict[str, Any]]:
    """The trace of a request, and its generation. Their ids follow from the request, so that none is told twice."""
    trace, now = f"{row.request_id}-{row.time}", _render_time(row.time + row.duration_ms)
    told = {
        "id": trace,
        "name": row.route,
        "timestamp": _render_time(row.time),
        "sessionId": row.session or None,
        "userId": row.key_label or row.key_hash or None,
        "metadata": {"route": row.route, "endpoint": row.endpoint},
    }
    yield {"id": f"{trace}-trace", "type": "trace-create", "timestamp": now, "body": _without_none(told)}
    began = None if row.ttft_ms is None else _render_time(row.time + row.ttft_ms)
    usage = {"input": row.input_tokens, "output": row.output_tokens, "total": row.total_tokens, "unit": "TOKENS"}
    cost = (row.costs or {}).get(_COST)
    if cost is not None:
        usage["totalCost"] = cost / _MICRO  # type: ignore[assignment]
    generation = {
        "id": f"{trace}-generation",
        "traceId": trace,
        "name": row.endpoint,
        "startTime": _render_time(row.time),
        "completionStartTime": began if row.stream else None,
        "endTime": now,
        "model": row.answered_model or row.sent_model or row.model,
        "usage": _without_none(usage) if row.total_tokens is not None else None,
        "level": "DEFAULT" if row.outcome in ("ok", "hung_up") else "ERROR",
        "statusMessage": None if row.outcome == "ok" else f"{row.outcome}, status {row.status}",
        "metadata": {
            "service": row.provider,
            "format": row.format,
            "requested_model": row.model,
            "stream": row.stream,
            "status": row.status,
            "attempts": row.attempts,
            "latency_seconds": row.duration_ms / 1000,
            "estimated": row.estimated,
        },
    }
    yield {"id": f"{trace}-created", "type": "generation-create", "timestamp": now, "body": _without_none(generation)}


def _without_none(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not None}


def _render_time(milliseconds: float) -> str:
    """A time of the clock as Langfuse writes it."""
    found = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")
