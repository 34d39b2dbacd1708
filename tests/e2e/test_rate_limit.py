"""Limits with real traffic: the real Envoy asks the rate-limit service, whose clock the tests set."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx2
import msgspec
import pytest
from filter_gateway import Gateway, Upstream, gateway, origin, rule, server
from limit_service import Limits, limited_gateway, private_redis

from anygate.model.inference import Cost, Inference
from anygate.model.limits import Expression, LimitRule, LimitSelector, MetadataNumber, RateLimit
from anygate.model.match import PathMatch, ValueMatch
from anygate.services.ratelimit.redis import RedisCounters

HOUR = timedelta(hours=1)
EACH_USER = LimitSelector(distinct_headers=("x-user-id",))
Asking = tuple[httpx2.Client, Limits, Gateway]


def limit(requests: int, *selectors: LimitSelector, name: str = "p", **fields: Any) -> LimitRule:
    known = {"unit": HOUR, "scope": "global", **fields}
    return LimitRule(origin=origin(name), requests=requests, selectors=selectors, **known)


def limited(*rules: LimitRule) -> RateLimit:
    return RateLimit(origin=origin("p"), rules=rules)


@contextmanager
def asking(routes: dict[str, Any], *, answer: Any = None, **options: Any) -> Iterator[Asking]:
    with (
        Limits() as limits,
        Upstream("echo", answer) as echo,
        limited_gateway(routes, {"echo": [echo.port]}, limits.socket, **options) as envoy,
        httpx2.Client(base_url=envoy.url) as client,
    ):
        yield client, limits, envoy


def test_each_value_has_its_own_limit_until_the_window_is_over() -> None:
    routes = {"/": rule(rate_limit=limited(limit(2, EACH_USER)))}
    with asking(routes) as (client, limits, _):
        ann, bob = {"x-user-id": "ann"}, {"x-user-id": "bob"}
        assert [client.get("/", headers=ann).status_code for _ in range(3)] == [200, 200, 429]
        assert client.get("/", headers=bob).status_code == 200
        # A request that says no user is not counted.
        assert [client.get("/").status_code for _ in range(4)] == [200] * 4
        limits.now += 3600
        assert client.get("/", headers=ann).status_code == 200


def test_clients_learn_what_is_left_and_when_to_come_again() -> None:
    routes = {
        "/shown": rule("shown", rate_limit=limited(limit(1, unit=timedelta(seconds=90)))),
        "/hidden": rule("hidden", rate_limit=limited(limit(1, headers=False))),
    }
    with asking(routes) as (client, limits, _):
        limits.now = 900.0 + 30
        shown = client.get("/shown").headers
        assert shown["x-ratelimit-limit"] == "1, 1;w=90"
        assert (shown["x-ratelimit-remaining"], shown["x-ratelimit-reset"]) == ("0", "60")
        refused = client.get("/shown")
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "60"
        assert not [name for name in client.get("/hidden").headers if name.startswith("x-ratelimit")]


def test_routes_share_a_limit_only_if_it_says_so() -> None:
    for shared, second in ((False, 200), (True, 429)):
        one = limited(limit(1, shared=shared))
        routes = {
            path: msgspec.structs.replace(rule(path, rate_limit=one), origin=origin(f"route{path}"))
            for path in ("/a", "/b")
        }
        with asking(routes) as (client, _, _):
            assert client.get("/a").status_code == 200
            assert client.get("/b").status_code == second


CONDITIONS = [
    (LimitSelector(methods=("POST", "PUT")), ("POST", "/", {}), ("GET", "/", {})),
    (LimitSelector(methods=("POST", "PUT"), other_methods=True), ("GET", "/", {}), ("POST", "/", {})),
    (LimitSelector(path=PathMatch(kind="prefix", value="/a")), ("GET", "/a/b?x=1", {}), ("GET", "/ab", {})),
    (
        LimitSelector(path=PathMatch(kind="prefix", value="/a"), other_path=True),
        ("GET", "/ab", {}),
        ("GET", "/a/b?x=1", {}),
    ),
    (
        LimitSelector(query=(ValueMatch(name="plan", value="free"),)),
        ("GET", "/?plan=free", {}),
        ("GET", "/?plan=pro", {}),
    ),
    (
        LimitSelector(query=(ValueMatch(name="plan", kind="regex", value="f.*", invert=True),)),
        ("GET", "/?plan=pro", {}),
        ("GET", "/?plan=free", {}),
    ),
    (LimitSelector(distinct_query=("user",)), ("GET", "/?user=a", {}), ("GET", "/?user=b", {})),
    (LimitSelector(cidr="127.0.0.0/8"), ("GET", "/", {}), None),
    (LimitSelector(cidr="127.0.0.0/8", other_addresses=True), None, ("GET", "/", {})),
    (LimitSelector(cidr="127.0.0.0/8", distinct_addresses=True), ("GET", "/", {}), None),
    (
        LimitSelector(headers=(ValueMatch(name="x-plan", value="free", invert=True),)),
        ("GET", "/", {"x-plan": "pro"}),
        ("GET", "/", {"x-plan": "free"}),
    ),
]


@pytest.mark.parametrize("scope", ["local", "global"])
def test_which_requests_count(scope: str) -> None:
    # Each condition is tried on a server of its own: paths are conditions too.
    for selector, counted, other in CONDITIONS:
        with asking({"/": rule(rate_limit=limited(limit(1, selector, scope=scope)))}) as (client, _, _):
            for one, expected in ((counted, [200, 429]), (other, [200] * (1 if selector.distinct_query else 2))):
                if one is not None:
                    method, path, headers = one
                    found = [client.request(method, path, headers=headers).status_code for _ in expected]
                    assert found == expected, (selector, one)


def test_a_limit_of_nothing_refuses_and_shadow_mode_never_does() -> None:
    routes = {
        f"/{scope}/{name}": rule(
            f"{scope}{name}", rate_limit=limited(limit(requests, scope=scope, shadow=shadow, name=f"{scope}{name}"))
        )
        for scope in ("local", "global")
        for name, requests, shadow in (("nothing", 0, False), ("shadow", 1, True))
    }
    with asking(routes) as (client, _, _):
        for scope in ("local", "global"):
            assert client.get(f"/{scope}/nothing").status_code == 429
            assert [client.get(f"/{scope}/shadow").status_code for _ in range(3)] == [200] * 3


def test_requests_may_cost_more_than_one() -> None:
    routes = {
        f"/{scope}": rule(scope, rate_limit=limited(limit(10, scope=scope, request_cost=4, name=scope)))
        for scope in ("local", "global")
    }
    with asking(routes) as (client, _, _):
        for scope in ("local", "global"):
            assert [client.get(f"/{scope}").status_code for _ in range(3)] == [200, 200, 429]


def test_local_limits_that_routes_share() -> None:
    one = limited(limit(2, scope="local", shared=True))
    with gateway({"/a": rule("a", rate_limit=one), "/b": rule("b", rate_limit=one), "/c": rule("c")}) as (_, client, _):
        assert [client.get(path).status_code for path in ("/a", "/b", "/b", "/a", "/c")] == [200, 200, 429, 429, 200]


# costs of answers

COSTS = (
    Cost(origin=origin("c"), key="input", expression="input_tokens"),
    Cost(origin=origin("c"), key="output", expression="output_tokens"),
    Cost(origin=origin("c"), key="total", expression="total_tokens"),
    Cost(origin=origin("c"), key="money", expression="input_tokens * 0.5 + output_tokens * 1.25"),
)


def completion(request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """18 tokens in and 9 out, unless the path says that there is no usage."""
    answer: dict[str, Any] = {"object": "chat.completion", "model": "m", "choices": []}
    if "silent" not in request["path"]:
        answer["usage"] = {"prompt_tokens": 18, "completion_tokens": 9, "total_tokens": 27}
    return 200, {"content-type": "application/json"}, json.dumps(answer).encode()


def budget(requests: int, key: str, **fields: Any) -> LimitRule:
    cost = MetadataNumber(namespace="io.envoy.ai_gateway", key=key)
    return limit(requests, EACH_USER, request_cost=0, response_cost=cost, name=f"b-{key}", **fields)


def chat(*limits: LimitRule) -> Any:
    inference = Inference(origin=origin("i"), endpoint="chat", route="default/chat", costs=COSTS)
    return rule("chat", inference=inference, rate_limit=limited(*limits))


def test_budgets_are_charged_what_answers_used() -> None:
    routes = {"/": chat(budget(100, "input"), budget(20, "output"), budget(1000, "money"))}
    with asking(routes, answer=completion) as (client, limits, _):
        ann = {"x-user-id": "ann"}
        for number in range(1, 4):
            # The third finds 18 of 20 used, so it passes, and leaves the budget overdrawn.
            assert client.post("/", headers=ann, json={}).status_code == 200
            limits.wait_for_calls(2 * number)
        assert limits.charges() == [18, 9, 20] * 3
        assert client.post("/", headers=ann, json={}).status_code == 429
        assert client.post("/", headers={"x-user-id": "bob"}, json={}).status_code == 200
        limits.now += 3600
        assert client.post("/", headers=ann, json={}).status_code == 200


def test_an_answer_without_usage_is_not_charged() -> None:
    with asking({"/": chat(budget(10, "total"))}, answer=completion) as (client, limits, _):
        for number in range(1, 4):
            assert client.post("/silent", headers={"x-user-id": "ann"}, json={}).status_code == 200
            limits.wait_for_calls(2 * number)
        assert limits.charges() == [0, 0, 0]


def test_a_cost_that_no_rule_knows_is_nothing() -> None:
    with asking({"/": chat(budget(10, "unheard"))}, answer=completion) as (client, limits, _):
        assert client.post("/", headers={"x-user-id": "ann"}, json={}).status_code == 200
        limits.wait_for_calls(2)
        assert limits.charges() == [0]


def test_a_refused_request_takes_nothing_from_other_limits() -> None:
    routes = {"/": rule(rate_limit=limited(limit(1, EACH_USER, name="small"), limit(3, name="all")))}
    with asking(routes) as (client, _, _):
        for user, expected in (("ann", [200, 429, 429, 429]), ("bob", [200]), ("cid", [200]), ("dan", [429])):
            assert [client.get("/", headers={"x-user-id": user}).status_code for _ in expected] == expected


# bad weather


def test_without_the_service_requests_pass_unless_the_limit_is_closed() -> None:
    routes = {
        "/open": rule("open", rate_limit=limited(limit(1))),
        "/closed": rule("closed", rate_limit=limited(limit(1, fail_closed=True))),
    }
    with asking(routes) as (client, limits, envoy):
        limits.stop()
        assert [client.get("/open").status_code for _ in range(2)] == [200, 200]
        assert client.get("/closed").status_code == 500
        counted = envoy.ask_admin("/stats?filter=ratelimit")
        assert "cluster.echo.ratelimit.failure_mode_allowed: 2" in counted


def test_two_envoys_share_a_limit_in_redis_and_go_on_without_it() -> None:
    routes = {"/": rule(rate_limit=limited(limit(3)))}
    with (
        private_redis() as redis,
        Upstream("echo") as echo,
        Limits(RedisCounters(redis.url)) as one,
        Limits(RedisCounters(redis.url)) as two,
        limited_gateway(routes, {"echo": [echo.port]}, one.socket) as left,
        limited_gateway(routes, {"echo": [echo.port]}, two.socket) as right,
    ):
        order = [left, right, left, right, left]
        assert [httpx2.get(envoy.url).status_code for envoy in order] == [200, 200, 200, 429, 429]
        redis.stop()
        assert [httpx2.get(envoy.url).status_code for envoy in order] == [200] * 5
        assert "failure_mode_allowed: 3" in left.ask_admin("/stats?filter=failure_mode_allowed")
        redis.start()
        assert [httpx2.get(envoy.url).status_code for envoy in order] == [200, 200, 200, 429, 429]


def test_only_the_metadata_of_a_rule_without_models_is_read() -> None:
    cost = MetadataNumber(namespace="plans", key="cost")
    routes = {
        "/": rule(rate_limit=limited(limit(5, request_cost=0, response_cost=cost), limit(9, response_cost=3, name="q")))
    }
    with asking(routes, at=server()) as (client, limits, _):
        assert client.get("/").status_code == 200
        limits.wait_for_calls(2)
        assert limits.charges() == [0, 3]


def test_an_expression_of_its_own() -> None:
    cost = Expression(expression="output_tokens > 5 ? total_tokens : 0")
    with asking({"/": chat(limit(100, response_cost=cost))}, answer=completion) as (client, limits, _):
        assert client.post("/", json={}).status_code == 200
        limits.wait_for_calls(2)
        assert limits.charges() == [27]
