import msgspec
from explain_models import exact, origin, route, rule, serve, to

from anygate.explain import Explanation, explain, parse_request, render_text
from anygate.model.edit import PathRewrite, Rewrite
from anygate.model.listener import Stage
from anygate.model.match import HttpMatch, PathMatch
from anygate.model.route import Continue

SERVICE = origin("service")


def start(path: str) -> HttpMatch:
    return HttpMatch(origin=origin("entrance"), path=PathMatch(kind="string_prefix", value=path))


def ask(url: str) -> Explanation:
    """A gateway whose `/shop` leads to a second stage, where it is `/`, with a rule for `/cart` only."""
    rewrite = Rewrite(host="shop.local", path=PathRewrite(kind="prefix", value="/"))
    action = Continue(origin=origin("entrance"), stage="second")
    entrance = rule(action, start("/shop/"), start("/shop"), rewrite=rewrite)
    stage = Stage(origin=SERVICE, name="second", routes=(route(rule(to("a"), exact("/cart")), name="inner"),))
    found = serve(route(entrance))
    gateway = msgspec.structs.replace(found.gateways[0], stages=(stage,))
    return explain(msgspec.structs.replace(found, gateways=(gateway,)), parse_request(url))


def test_a_request_is_followed_through_both_stages() -> None:
    answer = ask("http://web.test/shop/cart?x=1")
    kinds = [step.kind for step in answer.steps]
    assert kinds == ["listener", "server", "hostname", "route", "rule", "stage", "hostname", "route", "rule", "backend"]
    stage = next(step for step in answer.steps if step.kind == "stage")
    assert (stage.name, stage.place, stage.text) == ("second", SERVICE.place, "GET /cart?x=1 for shop.local")
    (share,) = answer.targets
    assert share.upstream is not None
    assert (share.upstream.path, share.upstream.host, share.upstream.headers) == ("/cart?x=1", "shop.local", ())
    assert [one.kind for one in answer.applied] == ["rewrite"]
    assert "second" in render_text(answer)


def test_what_the_second_stage_has_no_rule_for_is_not_found() -> None:
    answer = ask("http://web.test/shop/card")
    assert answer.decision.status == 404
    assert [miss.name for miss in answer.near_misses] == ["HTTPRoute/default/inner"]


def test_a_path_does_not_leave_the_prefix_that_it_gets() -> None:
    answer = ask("http://web.test/shop../cart")
    assert (answer.decision.status, answer.targets) == (404, ())
