"""What the models of AIServices cost, and the cost of a request by them."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from anygate.dialects.nantian.ai_findings import AI_NOT_HONOURED, AI_PRICE
from anygate.dialects.nantian.context import Context, origin
from anygate.dialects.nantian.kinds.aiservice import AIService
from anygate.model.inference import Cost

COST_KEY = "cost_micro_usd"
"""The key of the cost of a request, in millionths of a dollar."""

KNOWN: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "gpt-4o": (2.5, 10.0),
        "gpt-4o-mini": (0.15, 0.6),
        "gpt-3.5-turbo": (0.5, 1.5),
        "claude-3-opus": (15.0, 75.0),
        "claude-3-sonnet": (3.0, 15.0),
        "claude-3-haiku": (0.25, 1.25),
    }
)
"""Dollars for a million tokens, of input and of output: the providers' own list prices."""

_HIGHEST = 1.0


def read_prices(context: Context, item: AIService) -> Mapping[str, tuple[float, float]]:
    """Dollars for a million tokens by model: a service's own beside the known ones; none where it asks for no costs."""
    spec = item.spec
    name = "cost" if spec.cost is not None else "costTracking"
    block = spec.cost or spec.cost_tracking
    if block is None or not block.enabled:
        return {}
    found = dict(KNOWN)
    for model, price in block.pricing.items():
        path = ("spec", name, "pricing", model)
        if price.currency.upper() != "USD":
            context.add(AI_NOT_HONOURED, "costs are in dollars, so that this price is left out", item, path)
            continue
        given = price.given
        if max(given) > _HIGHEST:
            text = f"{max(given):g} dollars for 1,000 tokens are {max(given) * 1000:g} for a million"
            context.add(AI_PRICE, text, item, path, hint="divide the price for a million by 1,000")
        found[model] = (given[0] * 1000, given[1] * 1000)
    return found


def make_costs(asked: Sequence[tuple[AIService, str, Mapping[str, tuple[float, float]]]]) -> tuple[Cost, ...]:
    """What a request costs that one of some services answers, each with a model; of unknown prices nothing is said.

    Prices in dollars for a million tokens are millionths of a dollar for a token.
    """
    priced = [(item, model, _formula(*prices[model])) for item, model, prices in asked if model in prices]
    if not priced or any(model not in prices for _, model, prices in asked):
        return ()
    item, _, expression = priced[-1]
    for other, model, formula in reversed(priced[:-1]):
        if formula != expression:
            same = f"backend == '{other.name}.{other.namespace}' && model == '{model}'"
            expression = f"{same} ? {formula} : ({expression})"
    name = "cost" if item.spec.cost is not None else "costTracking"
    return (Cost(origin=origin(item, ("spec", name)), key=COST_KEY, expression=f"uint({expression})"),)


def _formula(given: float, made: float) -> str:
    return f"double(input_tokens) * {given!r} + double(output_tokens) * {made!r}"
