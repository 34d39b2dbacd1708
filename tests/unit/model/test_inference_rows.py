"""The rows that AI rules bring into the route table, and where they stand."""

import msgspec
import pytest

from anygate.model.inference import Inference
from anygate.model.inference_rows import may_hold
from anygate.model.listener import Server
from anygate.model.match import HttpMatch, PathMatch, ValueMatch
from anygate.model.origin import Origin
from anygate.model.route import Forward, HttpRoute, HttpRule
from anygate.model.route_table import VirtualHost, virtual_hosts

CHAT = "/v1/chat/completions"
ORIGIN = Origin("AIGatewayRoute", "default", "ai")


def rule(name: str, path: str, *headers: ValueMatch, kind: str = "exact", ai: bool = True, rank: int = 1) -> HttpRule:
    match = HttpMatch(
        origin=ORIGIN,
        path=PathMatch(kind=kind, value=path),  # type: ignore[arg-type]
        headers=headers,
        rank=(rank, len(headers)),
    )
    inference = Inference(origin=ORIGIN, endpoint="chat", route="default/ai") if ai else None
    return HttpRule(origin=ORIGIN, name=name, action=Forward(origin=ORIGIN), matches=(match,), inference=inference)


def model(name: str) -> ValueMatch:
    return ValueMatch(name="x-ai-eg-model", value=name)


def host(*routes: HttpRoute, domain: str = "*") -> VirtualHost:
    server = Server(origin=ORIGIN, name="web", protocol="http", routes=routes)
    return next(found for found in virtual_hosts([server]) if found.domain == domain)


def route(name: str, *rules: HttpRule, hostnames: tuple[str, ...] = ()) -> HttpRoute:
    return HttpRoute(origin=ORIGIN, name=name, rules=rules, hostnames=hostnames)


def names(found: VirtualHost) -> list[str]:
    return [row.role or row.rule.name for row in found.rows]


def test_a_table_without_ai_rules_stays_as_it_is() -> None:
    assert names(host(route("r", rule("plain", "/", kind="prefix", ai=False)))) == ["plain"]


def test_entrances_come_first_and_refusals_last() -> None:
    found = host(
        route(
            "r",
            rule("one", CHAT, model("one")),
            rule("any", CHAT),
            rule("team", CHAT, ValueMatch(name="x-a"), ValueMatch(name="x-b"), ai=False),
            rule("plain", "/", kind="prefix", ai=False, rank=0),
        )
    )
    before = ["entrance", "unprintable", "team", "encoded", "malformed", "one", "any", "plain"]
    assert names(found) == [*before, "nameless", "unknown", "method", "unsupported"]


def test_each_path_has_its_own_rows_and_the_host_one_for_the_rest() -> None:
    found = names(host(route("r", rule("one", CHAT, model("one")), rule("two", "/v1/embeddings", model("one")))))
    assert found.count("entrance") == found.count("unknown") == found.count("malformed") == 2
    assert found.count("unsupported") == 1


def test_refusals_stand_behind_the_rules_of_less_specific_hostnames() -> None:
    narrow = route("n", rule("narrow", CHAT, model("one")), hostnames=("a.test",))
    wide = route("w", rule("wide", CHAT, model("two")))
    found = names(host(narrow, wide, domain="a.test"))
    assert found.index("narrow") < found.index("wide") < found.index("unknown")
    assert found.count("unknown") == 1


def test_rules_of_models_take_only_what_has_been_read() -> None:
    rows = {row.rule.name: row for row in host(route("r", rule("one", CHAT, model("one")), rule("any", CHAT))).rows}
    assert rows["one"].wanted == rows["one"].match
    assert rows["any"].wanted is not None
    assert rows["any"].wanted.headers == (ValueMatch(name="x-ai-eg-model", kind="present"),)


def test_an_entrance_knows_every_rule_that_may_come_after_it() -> None:
    rules = (
        rule("one", CHAT, model("one")),
        rule("elsewhere", "/v1/embeddings", model("one")),
        rule("all", "/", kind="prefix", ai=False),
        rule("v1", "/v1", kind="prefix", ai=False),
        rule("v10", "/v10", kind="prefix", ai=False),
        rule("pattern", "/x.*", kind="regex", ai=False),
    )
    entrance = next(row for row in host(route("r", *rules)).rows if row.role == "entrance" and row.match)
    assert {each.name for each in entrance.followers} == {"one", "all", "v1", "pattern"}


def test_special_rows_lead_back_to_the_rule() -> None:
    written = Origin("AIGatewayRoute", "default", "ai", "spec.rules[0]", "ai.yaml", 7, 1)
    made = msgspec.structs.replace(rule("one", CHAT, model("one")), origin=written)
    assert {row.rule.origin for row in host(route("r", made)).rows} == {written}


@pytest.mark.parametrize(
    ("match", "path", "wanted"),
    [
        (None, "/a", True),
        (PathMatch(kind="exact", value="/A", ignore_case=True), "/a", True),
        (PathMatch(kind="exact", value="/A"), "/a", False),
        (PathMatch(kind="prefix", value="/a/"), "/a/b", True),
        (PathMatch(kind="prefix", value="/a"), "/ab", False),
        (PathMatch(kind="string_prefix", value="/a"), "/ab", True),
        (PathMatch(kind="regex", value="/z"), "/a", True),
    ],
)
def test_which_conditions_may_hold(match: PathMatch | None, path: str, wanted: bool) -> None:
    assert may_hold(match, path) is wanted
