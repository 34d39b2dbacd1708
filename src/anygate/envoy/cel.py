"""The cost of an answer as an expression that Envoy works out.

Manifests write costs in CEL over a few variables, as in `input_tokens + output_tokens * 4`. Envoy's CEL has neither
those variables nor arithmetic on mixed numbers, so an expression is translated, with every number as a double.

Tried on Envoy 1.40:

* Usage is in metadata (`envoy/usage_places.py`). Where an answer has none, or an expression fails, there is no value: a
  limit is then not charged (and Envoy logs a warning), and an access log shows null. The answer itself never suffers.
* When a client hangs up or a provider breaks off there is no usage either; what a stream of Anthropic's has said at its
  start is in dynamic metadata then (`filters/stream_start.py`).
* A count that a provider did not give is null, and arithmetic on null fails; hence the `has`.
* `xds.cluster_metadata` is that of the cluster which answered, also after a failover.
* Text that `+` joins gives nothing; comprehensions and `string()` make Envoy refuse the whole configuration.
* Envoy takes `)%` for the end of the expression, even inside a text.
"""

from functools import cache

from anygate.envoy.cel_grammar import NotCel, Term, quote, translate
from anygate.envoy.estimates import INPUT, estimated_output, was_given
from anygate.envoy.names import FACTS, MODEL_KEY, MODEL_NAMESPACE, ORIGIN, STARTED
from anygate.envoy.refusal import CannotBuild
from anygate.envoy.usage_places import count_expression, has_usage
from anygate.model.inference import Inference, ModelEndpoint
from anygate.model.origin import Origin

_STARTED = f"metadata.filter_metadata['{STARTED}']"
_HAS_STARTED = f"'{STARTED}' in metadata.filter_metadata"
_CLUSTER = f"xds.cluster_metadata.filter_metadata['{ORIGIN}']['{FACTS}']"
_ASKED = f"metadata.filter_metadata['{MODEL_NAMESPACE}']['{MODEL_KEY}']"

_SAYING_START: frozenset[ModelEndpoint | None] = frozenset({"messages"})
_PLACES = {
    "input_tokens": "input_tokens",
    "cached_input_tokens": "cached_tokens",
    "cache_creation_input_tokens": "cache_creation_tokens",
    "output_tokens": "output_tokens",
    "reasoning_tokens": "reasoning_tokens",
    "total_tokens": "total_tokens",
}
_AT_START = {
    "input_tokens": ("input", "cached", "creation"),
    "cached_input_tokens": ("cached",),
    "cache_creation_input_tokens": ("creation",),
}
"""What of the counts a stream of Anthropic's says at its start; there input does not have the others in it."""

_TEXTS = {
    # What the backend is sent, which may be another model than the client asked for.
    "model": Term(f"(has({_CLUSTER}.model) && {_CLUSTER}.model != '' ? {_CLUSTER}.model : {_ASKED})", "text"),
    "backend": Term(f"{_CLUSTER}.backend", "text"),
}


@cache
def _variables(endpoint: ModelEndpoint | None, *, estimated: bool = False) -> dict[str, Term]:
    """The variables that costs have."""
    told = _usage_place(endpoint)
    counts = {name: count_expression(key, told) for name, key in _PLACES.items()}
    others = _begun(endpoint)
    if estimated:
        others = _estimate(endpoint, others)
    if others:
        counts = {name: f"({has_usage(told)} ? {text} : {others.get(name, '0.0')})" for name, text in counts.items()}
    return {**{name: Term(text, "whole") for name, text in counts.items()}, **_TEXTS}


def _usage_place(endpoint: ModelEndpoint | None) -> ModelEndpoint | None:
    """The endpoint whose usage is looked for: answers to requests that nobody knows may be those of a chat."""
    return "chat" if endpoint is None else endpoint


def _begun(endpoint: ModelEndpoint | None) -> dict[str, str]:
    """The counts that a stream of Anthropic's which broke off has said at its start."""
    if endpoint not in _SAYING_START:
        return {}
    begun = {name: " + ".join(map(_at_start, keys)) for name, keys in _AT_START.items()}
    return {**begun, "total_tokens": begun["input_tokens"]}


def _estimate(endpoint: ModelEndpoint | None, begun: dict[str, str]) -> dict[str, str]:
    """The counts that sizes suggest, with the input as the start of a stream told it if it did."""
    given = INPUT
    if begun:  # zeros are what the adapter begins with where the provider tells only in the end
        told = begun["input_tokens"]
        given = f"({_HAS_STARTED} && {told} > 0.0 ? {told} : {INPUT})"
    made = estimated_output(endpoint)
    return {**begun, "input_tokens": given, "output_tokens": made, "total_tokens": f"{given} + {made}"}


def _at_start(key: str) -> str:
    return f"('{key}' in {_STARTED} ? double({_STARTED}['{key}']) : 0.0)"


def cost_expression(
    expression: str, origin: Origin, inference: Inference | None = None, *, estimated: bool = False
) -> str:
    """Translate a cost's CEL into Envoy's: a whole number, rounded, at least zero, and zero without usage.

    If it may be `estimated`, sizes stand for usage that nobody told.
    """
    route = Term(quote(inference.route if inference else ""), "text")
    endpoint = inference.endpoint if inference else None
    try:
        term = translate(expression, {**_variables(endpoint, estimated=estimated), "route_name": route})
    except NotCel as problem:
        raise CannotBuild(origin, f"the cost {expression!r} cannot be worked out: {problem}") from problem
    if term.kind not in ("whole", "number"):
        raise CannotBuild(origin, f"the cost {expression!r} is no number")
    is_known = has_usage(_usage_place(endpoint))
    if endpoint in _SAYING_START:
        is_known = f"({is_known} || {_HAS_STARTED})"
    if estimated:
        is_known = f"({is_known} || {was_given(endpoint)})"
    # Of a number that Envoy cannot hold it would make nothing, so what cannot be counted is zero.
    return f"{is_known} ? ({term.text} > 0.0 && {term.text} < 1e15 ? uint({term.text} + 0.5) : 0u) : 0u"


def metadata_expression(namespace: str, key: str) -> str:
    """Return the expression for a number in the dynamic metadata of a request; what is not there is zero."""
    name, inner = quote(namespace), quote(key)
    place = f"metadata.filter_metadata[{name}][{inner}]"
    is_there = f"{name} in metadata.filter_metadata && {inner} in metadata.filter_metadata[{name}]"
    return f"{is_there} && {place} > 0.0 ? uint({place} + 0.5) : 0u"


def typed_cel(expression: str) -> str:
    """Return a format string that gives an expression's value."""
    return f"%TYPED_CEL({expression})%"
