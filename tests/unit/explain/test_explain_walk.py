from datetime import timedelta
from typing import Any

import msgspec
from explain_models import exact, header, listener, model, origin, prefix, route, rule, serve, server, to

from anygate.explain import Explanation, explain, parse_request
from anygate.model.edit import HeaderEdit, Redirect, Respond
from anygate.model.limits import Faults
from anygate.model.listener import HttpServer
from anygate.model.match import HttpMatch, PathMatch
from anygate.model.mcp import Mcp, McpServer
from anygate.model.root import Model
from anygate.model.route import BackendTarget, Forward, StreamRoute
from anygate.model.security import ApiKeyAuth, BasicAuth, Cors, Jwt, JwtProvider, Security


def ask(found: Model, url: str, *headers: str, **more: Any) -> Explanation:
    ports = more.pop("ports", {})
    return explain(found, parse_request(url, headers=headers, **more), ports)


def names(answer: Explanation, kind: str) -> list[str]:
    return [step.name for step in answer.steps if step.kind == kind]


def test_a_request_is_followed_from_listener_to_backend() -> None:
    rules = rule(to("a"), prefix("/cart"))
    answer = ask(serve(route(rules, hostnames=("*.test",))), "shop.test/cart?x=1")
    assert [step.kind for step in answer.steps] == ["listener", "server", "hostname", "route", "rule", "backend"]
    assert answer.steps[4].place == rules.matches[0].origin.place
    assert answer.decision.kind == "forward"
    assert answer.targets[0].percent == 100
    assert answer.targets[0].endpoints == ("10.0.0.1:8080",)
    assert answer.targets[0].upstream
    assert answer.targets[0].upstream.path == "/cart?x=1"


def test_the_first_row_of_the_shared_table_wins() -> None:
    found = serve(route(rule(to("a"), prefix("/")), rule(to("b"), exact("/x"))))
    assert names(ask(found, "shop.test/x"), "backend") == ["b"]
    assert names(ask(found, "shop.test/y"), "backend") == ["a"]


def test_servers_of_an_mcp_endpoint_have_no_shares() -> None:
    servers = tuple(McpServer(origin=origin(), name=name) for name in ("a", "b"))
    answer = ask(serve(route(rule(to("a", "b"), mcp=Mcp(origin=origin(), route="web", servers=servers)))), "shop.test")
    assert names(answer, "backend") == ["a", "b"]
    assert not any("%" in step.text for step in answer.steps)


def test_a_listener_is_found_by_its_port_as_written_and_as_bound() -> None:
    found = serve(route(rule(to("a"))))
    for url, ports in [("shop.test", {}), ("shop.test:10080", {}), ("shop.test:777", {"default/web/80": 777})]:
        assert ask(found, url, ports=ports).decision.kind == "forward"
    answer = ask(found, "shop.test:10080", ports={"default/web/80": 777})
    assert answer.decision.kind == "none"
    assert answer.near_misses[0].kind == "port"
    assert "777 here" in answer.near_misses[0].text


def test_another_scheme_is_a_near_miss() -> None:
    answer = ask(serve(route(rule(to("a")))), "https://shop.test:80")
    assert answer.decision.kind == "none"
    assert [miss.kind for miss in answer.near_misses] == ["scheme"]


def test_a_similar_host_is_suggested() -> None:
    answer = ask(serve(route(rule(to("a")), hostnames=("shop.example.com",))), "shop.exampel.com")
    assert answer.decision.status == 404
    assert (answer.near_misses[0].kind, answer.near_misses[0].name) == ("hostname", "shop.example.com")
    assert "did you mean it?" in answer.near_misses[0].text


def test_tls_servers_are_chosen_by_name_and_strangers_are_misdirected() -> None:
    wide = server(route(rule(to("a"))), hostname="*.test", protocol="https")
    narrow = server(route(rule(to("b"))), hostname="b.test", protocol="https")
    found = model(listener(wide, narrow, port=443))
    assert names(ask(found, "https://a.test"), "backend") == ["a"]
    assert names(ask(found, "https://B.test"), "backend") == ["b"]
    assert ask(found, "https://a.test", "Host: b.test").decision.status == 421
    refused = ask(found, "https://other.org")
    assert refused.decision.kind == "none"
    assert {miss.name for miss in refused.near_misses} == {"*.test", "b.test"}
    assert ask(found, "https://127.0.0.1").decision.kind == "none"


def test_passed_through_bytes_are_not_looked_at() -> None:
    stream = StreamRoute(
        origin=origin(kind="TLSRoute"),
        name="db",
        kind="TLSRoute",
        hostnames=("db.test",),
        targets=(BackendTarget(origin=origin(), backend="a"),),
    )
    found = model(listener(server(protocol="tls_passthrough", streams=(stream,)), port=443))
    answer = ask(found, "https://db.test/x")
    assert answer.decision.kind == "forward"
    assert names(answer, "stream") == ["TLSRoute/default/web"]
    assert answer.targets[0].upstream is None
    assert ask(found, "https://other.test").decision.kind == "none"


def test_near_misses_name_the_condition_that_failed() -> None:
    found = serve(
        route(
            rule(to("a"), exact("/cart", method="POST", headers=(header("x-user", "ann"),))),
            rule(to("a"), exact("/cart", method="POST")),
            rule(to("a"), exact("/nothing/like/it", method="PUT")),
        )
    )
    answer = ask(found, "shop.test/cart")
    assert answer.decision.status == 404
    assert [miss.failed for miss in answer.near_misses] == [1, 2]
    assert answer.near_misses[0].text == "POST, path /cart: not method POST (the method is GET)"


def test_of_the_rows_behind_the_winner_the_first_that_holds_is_named() -> None:
    older = route(rule(to("a"), exact("/x")), name="older", created="2024")
    newer = route(rule(to("b"), exact("/x")), name="newer", created="2025")
    answer = ask(serve(newer, older), "shop.test/x")
    assert names(answer, "backend") == ["a"]
    assert [(miss.name, miss.failed) for miss in answer.near_misses] == [("HTTPRoute/default/newer", 0)]
    assert answer.near_misses[0].text == "path /x: matches too, but its route is newer"


def test_a_condition_with_several_rows_is_one_near_miss_and_its_own_rule_none() -> None:
    here = origin("testers")
    halves = [
        HttpMatch(origin=here, path=PathMatch(kind="string_prefix", value=path), headers=(header("x-user", "ann"),))
        for path in ("/cart/", "/cart")
    ]
    testers = route(rule(to("tester"), *(msgspec.structs.replace(one, rank=(9,)) for one in halves)), name="testers")
    answer = ask(serve(testers, route(rule(to("all"), prefix("/cart"), exact("/cart")), name="all")), "shop.test/cart")
    assert names(answer, "backend") == ["all"]
    assert [(miss.name, miss.place) for miss in answer.near_misses] == [("HTTPRoute/default/testers", here.place)]
    assert answer.near_misses[0].text.startswith("path starting with /cart, ")


def test_what_holds_too_is_said_to_rank_lower_and_not_to_ask_for_less() -> None:
    first = route(rule(to("a"), HttpMatch(origin=origin(), rank=(1000,))), name="first")
    answer = ask(serve(first, route(rule(to("b"), exact("/x")), name="second")), "shop.test/x")
    assert names(answer, "backend") == ["a"]
    assert answer.near_misses[0].text == "path /x: matches too, but it ranks lower, by its priority or its conditions"


def test_the_other_hostname_that_would_have_matched_is_named() -> None:
    found = serve(
        route(rule(to("a"), exact("/x")), hostnames=("a.test",)),
        route(rule(to("b"), exact("/y")), hostnames=("b.test",)),
    )
    answer = ask(found, "b.test/x")
    assert answer.decision.status == 404
    assert ("hostname", "a.test") in [(miss.kind, miss.name) for miss in answer.near_misses]


def test_shares_are_told_in_percent() -> None:
    targets = (
        BackendTarget(origin=origin(), backend="a", weight=3),
        BackendTarget(origin=origin(), backend="", weight=1, reason="no such Service"),
        BackendTarget(origin=origin(), backend="b", weight=0),
    )
    answer = ask(serve(route(rule(Forward(origin=origin(), targets=targets)))), "shop.test")
    assert [(share.percent, share.status) for share in answer.targets] == [(75, None), (25, 500), (0, None)]
    assert answer.targets[1].reason == "no such Service"
    assert len(names(answer, "backend")) == 2
    assert answer.decision.kind == "forward"


def test_rules_that_reach_no_backend_say_why() -> None:
    nothing = ask(serve(route(rule(Forward(origin=origin())))), "shop.test").decision
    assert (nothing.status, nothing.reason) == (500, "the rule has no backends")
    off = ask(serve(route(rule(to("a", weight=0)))), "shop.test").decision
    assert (off.status, off.reason) == (500, "all targets have weight 0")
    empty = ask(serve(route(rule(to("empty")))), "shop.test").decision
    assert (empty.status, empty.reason) == (503, "the backend has no endpoints")
    unknown = ask(serve(route(rule(to("nowhere")))), "shop.test").decision
    assert (unknown.status, unknown.reason) == (500, "backend nowhere is not known")
    refused = ask(serve(route(rule(to("a"), request_headers=HeaderEdit(set=(("Host", "x"),))))), "shop.test")
    assert refused.decision.status == 500


def test_redirects_and_fixed_answers() -> None:
    moved = ask(serve(route(rule(Redirect(origin=origin(), scheme="https", status=301)))), "shop.test/a?b").decision
    assert (moved.kind, moved.status, moved.location) == ("redirect", 301, "https://shop.test/a?b")
    fixed = ask(serve(route(rule(Respond(origin=origin(), status=403, body="no", reason="broken")))), "shop.test")
    assert (fixed.decision.status, fixed.decision.body, fixed.decision.reason) == (403, "no", "broken")


def test_what_the_connection_manager_answers_itself() -> None:
    found = serve(route(rule(to("a"))), http=HttpServer(health_check_path="/healthz"))
    escaped = ask(found, "shop.test/a%2Fb?c").decision
    assert (escaped.status, escaped.location) == (307, "/a/b?c")
    assert ask(found, "shop.test/healthz").decision.status == 200
    assert ask(found, "shop.test/healthz?x").decision.kind == "forward"
    for url, headers, method in [
        ("shop.test/%00", [], ""),
        ("shop.test", ["x_a: 1"], ""),
        ("shop.test", ["Host: a b"], ""),
        ("shop.test", [], "BREW"),
        ("shop.test/?ä", [], ""),
    ]:
        assert ask(found, url, *headers, method=method).decision.status == 400


def test_headers_with_underscores_may_be_dropped() -> None:
    found = serve(
        route(rule(to("a"), prefix("/", headers=(header("x_a", kind="present"),)))), http=HttpServer(underscores="drop")
    )
    assert ask(found, "shop.test", "x_a: 1").decision.status == 404


def test_early_header_changes_decide_too() -> None:
    early = HttpServer(early_request_headers=HeaderEdit(set=(("x-a", "1"),)))
    found = serve(route(rule(to("a"), prefix("/", headers=(header("x-a", "1"),)))), http=early)
    answer = ask(found, "shop.test")
    assert answer.targets[0].upstream
    assert [change.name for change in answer.targets[0].upstream.headers] == ["x-a"]


def test_an_expression_that_cannot_be_evaluated_is_noted() -> None:
    match = HttpMatch(origin=origin(), path=PathMatch(kind="regex", value=r"/\pL+"), rank=(1,))
    answer = ask(serve(route(rule(to("a"), match), rule(to("b"), prefix("/")))), "shop.test/a")
    assert names(answer, "backend") == ["b"]
    assert "cannot be evaluated here" in answer.notes[0]


def test_preflights_are_answered_by_the_gateway() -> None:
    cors = Cors(origin=origin(), allow_origins=("https://*.test",))
    found = serve(route(rule(to("a"), cors=cors)))
    preflight = ["Origin: https://a.test", "Access-Control-Request-Method: GET"]
    assert ask(found, "shop.test", *preflight, method="OPTIONS").decision.status == 200
    assert ask(found, "shop.test", *preflight).decision.kind == "forward"
    fixed = serve(route(rule(Respond(origin=origin(), status=204), cors=cors)))
    assert ask(fixed, "shop.test", *preflight, method="OPTIONS").decision.status == 200
    assert ask(found, "shop.test", "Origin: https://test").notes == ("CORS: origin https://test is not allowed",)


def test_missing_credentials_are_told() -> None:
    provider = JwtProvider(origin=origin(), name="p", issuer="https://issuer")
    for security, credential in [
        (Security(origin=origin(), basic=BasicAuth(origin=origin(), secret="s")), "Authorization: Basic eA=="),
        (Security(origin=origin(), jwt=Jwt(origin=origin(), providers=(provider,))), "Authorization: Bearer x"),
        (
            Security(origin=origin(), api_key=ApiKeyAuth(origin=origin(), secrets=("s",), headers=("X-Key",))),
            "x-key: 1",
        ),
    ]:
        found = serve(route(rule(to("a"), security=security)))
        assert ask(found, "shop.test").decision.status == 401
        assert ask(found, "shop.test", credential).decision.kind == "forward"


def test_certain_faults_are_the_answer() -> None:
    always = Faults(origin=origin(), abort_status=418, delay=timedelta(milliseconds=5))
    assert ask(serve(route(rule(to("a"), faults=always))), "shop.test").decision.status == 418
    seldom = msgspec.structs.replace(always, abort_percent=5.0)
    answer = ask(serve(route(rule(to("a"), faults=seldom))), "shop.test")
    assert answer.decision.kind == "forward"
    assert answer.applied[0].text == "100% delayed by 5ms, 5% aborted with 418"


def test_grpc_clients_see_another_status() -> None:
    answer = ask(serve(route(rule(to("empty")))), "shop.test", "content-type: application/grpc")
    assert answer.notes == ("a gRPC client sees status 14 instead of 503",)


def test_listeners_on_the_same_port_are_told_apart_by_what_they_speak() -> None:
    plain = listener(server(route(rule(to("a")))), port=8080)
    secure = msgspec.structs.replace(
        listener(server(route(rule(to("b"))), protocol="https"), port=8080), name="default/other/8080"
    )
    found = model(plain, secure)
    assert names(ask(found, "http://shop.test:8080"), "backend") == ["a"]
    assert names(ask(found, "https://shop.test:8080"), "backend") == ["b"]
    twin = msgspec.structs.replace(plain, name="default/twin/8080")
    assert "default/twin/8080" in ask(model(plain, twin), "http://shop.test:8080").notes[0]
