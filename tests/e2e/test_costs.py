"""Costs as people write them, worked out by the real Envoy from what an answer says it used."""

import json
import math
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cel
import httpx2
import pytest
from filter_gateway import Upstream, bootstrap, rule, running, validate
from hypothesis import given
from hypothesis import strategies as st

from anygate.envoy.api import struct, to_json, typed
from anygate.envoy.cel import cost_expression, metadata_expression, typed_cel
from anygate.envoy.cel_grammar import NotCel, Term, quote, translate
from anygate.envoy.names import FACTS, ORIGIN
from anygate.envoy.refusal import CannotBuild
from anygate.model.inference import Cost, Inference
from anygate.model.origin import Origin

HERE = Origin("AIGatewayRoute", "default", "chat")
INFERENCE = Inference(origin=HERE, endpoint="chat", route="default/chat")
USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 7,
    "total_tokens": 107,
    "prompt_tokens_details": {"cached_tokens": 40},
}
COSTS: dict[str, float] = {
    "input_tokens": 100,
    "output_tokens": 7,
    "total_tokens": 107,
    "cached_input_tokens": 40,
    "cache_creation_input_tokens": 0,
    "reasoning_tokens": 0,
    "output_tokens * 0.5": 4,
    "input_tokens * 2u + output_tokens": 207,
    "input_tokens - cached_input_tokens + cached_input_tokens / 3": 73,
    "output_tokens - input_tokens": 0,
    "-1": 0,
    "output_tokens / 2": 3,
    "output_tokens / 2.0": 4,
    "input_tokens % 7": 2,
    "input_tokens / reasoning_tokens": 0,
    "1.0 / 0.0": 0,
    "uint(output_tokens) + uint(1)": 8,
    "int(2.9)": 2,
    "double(output_tokens) * 2": 14,
    "output_tokens > 5 && !(input_tokens < 5) ? 11 : 0x0C": 11,
    "input_tokens == 100 || false ? 3 : 4": 3,
    "[1, 20, 300][1]": 20,
    "{'gpt-4o': 2.5, 'other': 9}[model] * 10": 25,
    "{'unheard': 2.5}[model]": 0,
    "model in ['gpt-4o'] ? 6 : 7": 6,
    "model.startsWith('gpt') && model.contains(\"4\") && model.matches('g.*o') ? 8 : 0": 8,
    "model == 'a)%' ? 1 : 2": 2,
    "model != 'it\\'s \\u00e4' ? 1 : 2": 1,
    "backend == 'openai.default' ? 5 : 0": 5,
    "route_name == 'default/chat' ? 5 : 0": 5,
    "size(model)": 6,
    "size([1, 2]) + 1.5": 4,
    "input_tokens // what it read\n + 1": 101,
    "(1 + 2) * -3 + 20": 11,
}


def work_out(expressions: list[str], answer: dict[str, Any]) -> list[Any]:
    """Let Envoy work out expressions in its access log, for one answer."""

    def complete(request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        return 200, {"content-type": "application/json"}, json.dumps(answer).encode()

    with TemporaryDirectory() as folder, Upstream("llm", complete) as upstream:
        log = Path(folder, "log")
        line = struct({str(number): typed_cel(one) for number, one in enumerate(expressions)})
        logging = typed(
            "envoy.extensions.access_loggers.file.v3.FileAccessLog", path=str(log), log_format={"json_format": line}
        )
        config = bootstrap(
            {"/": rule(inference=INFERENCE)},
            {"llm": [upstream.port]},
            manager={"access_log": [{"name": "file", "typed_config": logging}]},
        )
        facts = {FACTS: {"model": "gpt-4o", "backend": "openai.default"}}
        config["static_resources"]["clusters"][0]["metadata"] = {"filter_metadata": {ORIGIN: facts}}
        with running(config) as envoy:
            assert httpx2.post(envoy.url, json={"model": "asked"}).status_code == 200
        written = json.loads(log.read_text())
        return [written[str(number)] for number in range(len(expressions))]


def test_envoy_works_costs_out() -> None:
    wanted = list(COSTS)
    found = work_out([cost_expression(one, HERE, INFERENCE) for one in wanted], {"choices": [], "usage": USAGE})
    # What fails has no value, which charges nothing.
    assert dict(zip(wanted, [one or 0 for one in found], strict=True)) == COSTS


def test_an_answer_without_usage_costs_nothing() -> None:
    wanted = [one for one in COSTS if "model" not in one]
    found = work_out([cost_expression(one, HERE, INFERENCE) for one in wanted], {"choices": []})
    assert found == [0] * len(wanted)


def test_what_has_no_total_is_summed_up() -> None:
    answer = {"data": [], "usage": {"prompt_tokens": 100}}
    assert work_out([cost_expression("total_tokens", HERE, INFERENCE)], answer) == [100]


def test_numbers_in_metadata() -> None:
    assert work_out([metadata_expression("a)%", "it's")], {}) == [0]


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("", "ends too early"),
        ("tokens", "no variable 'tokens'"),
        ("input_tokens +", "ends too early"),
        ("input_tokens output_tokens", "'output_tokens' is not expected"),
        ("(1", "')' is missing"),
        ("model", "is no number"),
        ("true", "is no number"),
        ("model + 'a'", "cannot put texts together"),
        ("model * 2", "cannot put texts together"),
        ("model > 2", "compares a text with a whole"),
        ("true ? 1 : model", "is no number"),
        ("1 ? 2 : 3", "a whole stands where a bool belongs"),
        ("[1].exists(x, x > 0) ? 1 : 0", "no variable 'x'"),
        ("string(1)", "has no string()"),
        ("size(model, model)", "has no size()"),
        ("model.foo", "'(' is missing"),
        ("1.5 % 2", "needs whole numbers"),
        ("'a\\q' == model ? 1 : 2", "nobody can read the text"),
        ("'\\ud800' == model ? 1 : 2", "nobody can read the text"),
        ("1e999", "too large"),
        ("9" * 400, "too large"),
        ("#", "nobody can read '#'"),
        ("(" * 60 + "1" + ")" * 60, "nested deeper"),
        ("/".join(["(7"] * 40) + ")" * 40, "too many divisions"),
        ("1 + " * 2000 + "1", "longer than"),
    ],
)
def test_what_envoy_could_not_work_out_is_refused(expression: str, problem: str) -> None:
    with pytest.raises(CannotBuild) as refused:
        cost_expression(expression, HERE, INFERENCE)
    assert problem in str(refused.value)


@given(st.text(max_size=60) | st.text(alphabet="aeu_('\")[]{}?:.+-*/%<>=!&| 0123456789\\", max_size=40))
def test_any_text_is_translated_or_refused(expression: str) -> None:
    with suppress(NotCel):
        translate(expression, {"a": Term("1.0", "whole")})


NUMBERS = st.integers(0, 1000).map(str) | st.floats(0, 1000).map(lambda one: f"{one:.3f}")


@given(
    st.recursive(
        NUMBERS | st.just("input_tokens"),
        lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda one: f"({' '.join(one)})"),
        max_leaves=8,
    )
)
def test_the_translation_says_the_same(expression: str) -> None:
    term = translate(expression, {"input_tokens": Term("tokens", "whole")})
    found = cel.evaluate(term.text, {"tokens": 12.0})
    expected = eval(expression, {"input_tokens": 12})
    assert math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)


@given(st.text(max_size=30))
def test_a_text_is_the_same_text(text: str) -> None:
    quoted = quote(text)
    assert quoted.isascii()
    assert "%" not in quoted
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert cel.evaluate(quoted, {}) == text


def test_envoy_accepts_every_cost() -> None:
    costs = tuple(Cost(origin=HERE, key=str(number), expression=one) for number, one in enumerate(COSTS))
    lines = struct({one.key: typed_cel(cost_expression(one.expression, HERE, INFERENCE)) for one in costs})
    logging = typed(
        "envoy.extensions.access_loggers.file.v3.FileAccessLog", path="/dev/null", log_format={"json_format": lines}
    )
    config = bootstrap({"/": rule()}, {"llm": [1]}, manager={"access_log": [{"name": "file", "typed_config": logging}]})
    assert validate(config) == ""
    assert to_json(logging)
