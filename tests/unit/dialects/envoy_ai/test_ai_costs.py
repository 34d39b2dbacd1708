"""Costs: keys, expressions as the data plane evaluates them, and what is wrong with others."""

import pytest
from ai_model import GATEWAY, Outcome, model_rule, provider, route

from anygate.cel import load_cel
from anygate.dialects.envoy_ai.expressions import read_expression

CONFIG = """
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: GatewayConfig
metadata: {name: all}
spec:
  globalLLMRequestCosts:
  - {metadataKey: total, type: TotalToken}
  - {metadataKey: shared, type: InputToken}
"""
COUNTS = {
    "input_tokens": 100,
    "output_tokens": 7,
    "total_tokens": 107,
    "cached_input_tokens": 120,
    "cache_creation_input_tokens": 0,
    "reasoning_tokens": 3,
}


def evaluate(expression: str, model: str = "gpt-4o") -> object:
    """What an expression gives when the counts are unsigned integers, as in Envoy."""
    for name, count in sorted(COUNTS.items(), key=lambda one: -len(one[0])):
        expression = expression.replace(name, f"uint({count})") if name not in ("input_tokens",) else expression
    expression = expression.replace("input_tokens", f"uint({COUNTS['input_tokens']})")
    return load_cel().evaluate(expression, {"model": model, "backend": "openai.default", "route_name": "default/chat"})


@pytest.mark.parametrize(
    ("written", "result"),
    [
        ("input_tokens", 100),
        ("input_tokens * 2u + output_tokens", 207),
        ("input_tokens * 2 + output_tokens", 207),
        ("output_tokens * 1.25", 9),
        ("input_tokens - cached_input_tokens", 0),
        ("double(input_tokens) * 0.5", 50),
        ("input_tokens % 3u", 1),
        ("input_tokens / 30u", 3),
        ("model == 'gpt-4o' ? output_tokens * 1.5 : input_tokens", 11),
        ("model.startsWith('input_tokens') ? 1u : 2u", 2),
        ("input_tokens > 0x10u ? 1 : 0", 1),
        ("output_tokens - 1000", 0),
    ],
)
def test_an_expression_gives_a_whole_number_that_is_not_negative(written: str, result: int) -> None:
    found = read_expression(written)
    assert found.problem == ""
    # `%` is not defined for doubles, so whatever is written there stays as it is.
    text = found.text if "startsWith" not in written else found.text.replace("'input_tokens'", "'x'")
    assert evaluate(text) == result


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("input_token", "undeclared reference to 'input_token'"),
        ("input_tokens +", "syntax error"),
        ("'a'", "not a number"),
        ("input_tokens > 1u", "not a number"),
        ("0 - 5", "negative (-5)"),
        ("input_tokens / output_tokens", "division by zero"),
        ("model", "not a number"),
    ],
)
def test_what_gives_no_number_is_refused(written: str, problem: str) -> None:
    assert problem in read_expression(written).problem


def test_a_route_wins_over_its_gateway_and_the_last_of_a_key_counts() -> None:
    gateway = GATEWAY.replace("{name: web}", "{name: web, annotations: {aigateway.envoyproxy.io/gateway-config: all}}")
    costs = "llmRequestCosts:\n- {metadataKey: total, type: OutputToken}\n- {metadataKey: total, type: ReasoningToken}"
    parts = (provider("openai"), CONFIG, route(model_rule("a", "{name: openai}"), more=costs))
    found = Outcome(gateway, *parts)
    inference = found.rule("0/chat").inference
    assert inference is not None
    assert {cost.key: cost.expression for cost in inference.costs} == {
        "total": "reasoning_tokens",
        "shared": "input_tokens",
    }
    assert {cost.key: cost.origin.object for cost in inference.costs} == {
        "total": "AIGatewayRoute/default/chat",
        "shared": "GatewayConfig/default/all",
    }
    without = Outcome(GATEWAY, *parts).rule("0/chat").inference
    assert without is not None
    assert [cost.key for cost in without.costs] == ["total"]


def test_a_cost_that_is_not_sound_is_left_out_and_refuses_its_route_only() -> None:
    bad = """
llmRequestCosts:
- {metadataKey: money, type: CEL, cel: input_token * 2}
- {metadataKey: number, type: InputToken}
"""
    rule = model_rule("a", "{name: openai}")
    found = Outcome(GATEWAY, provider("openai"), route(rule, more=bad), route(rule.replace("a}", "b}"), name="fine"))
    assert found.rules_found == ["ai-cost-invalid"]
    assert found.condition("AIGatewayRoute", "chat") == (
        "NotAccepted",
        "invalid CEL expression of money: undeclared reference to 'input_token'",
    )
    assert found.condition("AIGatewayRoute", "fine")[0] == "Accepted"
    inference = found.rule("0/chat").inference
    assert inference is not None
    assert [cost.key for cost in inference.costs] == ["number"]
    (hint,) = [one.hint for one in found.found if one.rule == "ai-cost-invalid"]
    assert hint == 'did you mean "input_tokens"?'
