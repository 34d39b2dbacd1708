"""Which requests of a rule have spans, decided by the choice of its route, and what backends are told of them.

Envoy's tracer decides for a whole server: a request that comes with a `traceparent` has its decision, all others that
of the server. And it tells the backends of every route of a span, also where there is none. So the routes that are
traced say so in their metadata, by which a sampler decides, and put the header on themselves; what no rule wants to
have traced passes as it came.

Tried on Envoy 1.40: the sampler has the last word on a span, whoever sends a `traceparent` with it; `%TRACE_ID%` and
`%SPAN_ID%` are those of the request's span when a route puts headers on it; a `traceparent` that is none makes no span.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from anygate.envoy.actions import Variant
from anygate.envoy.api import struct
from anygate.envoy.draws import DRAW, drawn_below, is_drawn
from anygate.envoy.names import TRACED
from anygate.envoy.texts import render_text
from anygate.model.telemetry import Trace

PARENT = "traceparent"
_SAMPLED = r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f][13579bdf].*"


def split_traces(variants: Sequence[Variant], trace: Trace | None) -> list[Variant]:
    """Split each variant of what a rule does into what has spans and what has none; the last takes what is left."""
    if trace is None:
        return list(variants)
    return [one for variant in variants for one in _split(variant, trace)]


def _split(variant: Variant, trace: Trace) -> Iterator[Variant]:
    if trace.follow:
        yield _with(variant, trace, traced=True, header=_header(PARENT, safe_regex={"regex": _SAMPLED}))
        yield _with(variant, trace, traced=False, header={"name": PARENT, "present_match": True})
    drawn = is_drawn(trace)
    if drawn:
        yield _with(variant, trace, traced=True, header=_header(DRAW, safe_regex={"regex": drawn_below(trace)}))
    yield _with(variant, trace, traced=not drawn and round(trace.share) == 1)


def _with(variant: Variant, trace: Trace, *, traced: bool, header: dict[str, Any] | None = None) -> Variant:
    """A variant for requests with a header that have spans or have none."""
    fields = dict(variant.fields)
    if traced:
        tags = [{"tag": name, "value": render_text(value)} for name, value in trace.attributes]
        fields |= {"metadata": {"filter_metadata": {TRACED: struct({"on": True})}}, "tracing": {"custom_tags": tags}}
    if "route" in fields:
        told = {"key": PARENT, "value": f"00-%TRACE_ID%-%SPAN_ID%-{'01' if traced else '00'}"}
        given = [*fields.get("request_headers_to_add", ()), {"header": told, "append_action": _OVERWRITE}]
        fields["request_headers_to_add"] = given
    narrower = variant.narrower
    if header is not None:
        narrower = {**narrower, "headers": [*narrower.get("headers", ()), header]}
    return variant._replace(fields=fields, narrower=narrower)


_OVERWRITE = "OVERWRITE_IF_EXISTS_OR_ADD"


def _header(name: str, **match: Any) -> dict[str, Any]:
    return {"name": name, "string_match": match}
