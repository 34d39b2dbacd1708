"""`llmRequestCosts`: what is counted of each request, from the route and from its Gateway's GatewayConfig."""

from collections.abc import Sequence

from anygate.diagnostics import FieldPath
from anygate.dialects.envoy_ai.context import Context, origin
from anygate.dialects.envoy_ai.expressions import NAMES, TOKENS, read_expression
from anygate.dialects.envoy_ai.kinds.schema import LLMRequestCost
from anygate.dialects.envoy_ai.route_findings import COST_COERCED, COST_INVALID
from anygate.manifests.names import suggest_word
from anygate.manifests.object import Manifest
from anygate.model.inference import Cost

_TYPES = {
    "InputToken": "input_tokens",
    "OutputToken": "output_tokens",
    "TotalToken": "total_tokens",
    "CachedInputToken": "cached_input_tokens",
    "CacheCreationInputToken": "cache_creation_input_tokens",
    "ReasoningToken": "reasoning_tokens",
}


def read_costs(
    context: Context, manifest: Manifest, written: Sequence[LLMRequestCost], path: FieldPath
) -> tuple[Cost, ...]:
    """The costs of one list by their keys, the last of each; one that is not sound is reported and left out."""
    kept: dict[str, Cost] = {}
    for number, one in enumerate(written):
        at = (*path, number)
        expression = _TYPES.get(one.type) or _read_cel(context, manifest, one, (*at, "cel"))
        if expression:
            kept[one.metadata_key] = Cost(origin=origin(manifest, at), key=one.metadata_key, expression=expression)
    # A node keeps its identity, so that the rules made of it can be found again.
    return tuple(context.cache.keep(one) for one in kept.values())


def merge_costs(shared: tuple[Cost, ...], own: tuple[Cost, ...]) -> tuple[Cost, ...]:
    """A Gateway's costs under those of a route, which win."""
    if not shared:
        return own
    return tuple({**{one.key: one for one in shared}, **{one.key: one for one in own}}.values())


def _read_cel(context: Context, manifest: Manifest, one: LLMRequestCost, path: FieldPath) -> str:
    found = read_expression(one.cel or "")
    problem = "type CEL needs an expression in cel" if not one.cel else found.problem
    if problem:
        message = f"invalid CEL expression of {one.metadata_key}: {problem}"
        word = problem.removeprefix("undeclared reference to '").removesuffix("'")
        hint = suggest_word(word, (*TOKENS, *NAMES)) if word != problem else ""
        context.add(COST_INVALID, message, manifest, path, hint=hint)
        context.conditions.refuse(manifest.ref, message)
        return ""
    if found.coerced:
        text = f"{one.metadata_key} works here; a cluster does not mix token counts with other numbers"
        context.add(
            COST_COERCED, text, manifest, path, hint="put double(...) around the counts, uint(...) around it all"
        )
    return found.text
