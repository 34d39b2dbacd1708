"""What is logged of which server: plain ones as ever, those with AI rules with usage, and nothing without a place."""

import json

from anygate.envoy.access_log import backend_facts, build_access_log, build_access_logs, build_caller_filter, rule_facts
from anygate.envoy.api import to_json, unpack
from anygate.envoy.recording import AS_USUAL, Recording, Tracing
from anygate.envoy.tracing import build_tracing
from anygate.model.inference import Cost, Inference, Provider
from anygate.model.origin import Origin
from anygate.model.route import Forward, HttpRule

AI = Origin("AIGatewayRoute", "default", "ai")
PLAIN = HttpRule(origin=AI, name="plain", action=Forward(origin=AI))


def ai(route: str = "default/ai", **costs: str) -> HttpRule:
    made = tuple(Cost(origin=AI, key=key, expression=text) for key, text in costs.items())
    inference = Inference(origin=AI, endpoint="chat", route=route, costs=made)
    return HttpRule(origin=AI, name="ai", action=Forward(origin=AI), inference=inference)


def test_a_server_without_ai_rules_is_logged_as_ever() -> None:
    assert build_access_logs("/log", [PLAIN], AS_USUAL) == build_access_log("/log")
    assert build_access_logs("", [PLAIN], AS_USUAL) == []
    assert build_caller_filter([PLAIN], AS_USUAL) == []
    assert build_tracing([PLAIN], Tracing()) is None


def test_without_services_nothing_is_recorded() -> None:
    assert build_access_logs("", [ai()]) == []
    assert build_caller_filter([ai()], None) == []
    assert build_caller_filter([ai()], Recording(key_headers=())) == []
    assert build_tracing([ai()], None) is None


def test_ai_requests_have_lines_of_their_own_and_a_stream() -> None:
    plain, lines, stream = build_access_logs("/log", [PLAIN, ai()], AS_USUAL)
    assert unpack(plain["typed_config"]) == unpack(build_access_log("/log")[0]["typed_config"])
    assert [one["name"].rpartition(".")[2] for one in (plain, lines, stream)] == ["file", "file", "http_grpc"]
    assert "costs" not in to_json(unpack(lines["typed_config"]))["log_format"]["json_format"]


def test_a_cost_that_all_routes_share_is_no_choice_between_them() -> None:
    def costs(*rules: HttpRule) -> dict[str, str]:
        line = to_json(unpack(build_access_logs("/log", rules)[1]["typed_config"]))
        return line["log_format"]["json_format"]["costs"]

    shared = costs(ai(total="total_tokens"), ai("default/other", total="total_tokens"))
    assert "xds.route_metadata" not in shared["total"]
    mixed = costs(ai(total="total_tokens"), ai("default/other", total="input_tokens"))
    assert mixed["total"].count("['route'] in [") == 2


def test_facts() -> None:
    facts = rule_facts(ai(money="input_tokens * 2", broken="input_tokens *").inference)  # type: ignore[arg-type]
    assert (facts["endpoint"], facts["route"], facts["span"]) == ("chat", "default/ai", "LLM")
    costs = json.loads(facts["told"])["costs"]
    assert set(costs) == {"money", "broken"}
    assert costs["broken"] == ""
    provider = Provider(origin=AI, name="default/claude", format="AWSAnthropic", model="m")
    told = {"backend": "claude.default", "provider": "default/claude", "format": "AWSAnthropic", "model": "m"}
    facts = backend_facts(provider)
    assert json.loads(facts.pop("told")) == told
    assert facts == {**told, "llm": "aws"}
