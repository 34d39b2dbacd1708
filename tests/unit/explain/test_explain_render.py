import json
from datetime import timedelta

import msgspec
from explain_models import exact, header, listener, model, origin, prefix, route, rule, serve, server, to

from anygate.explain import explain, parse_request, render_json, render_text
from anygate.explain.applied import describe_rule
from anygate.model.edit import HeaderEdit, PathRewrite, Respond, Rewrite
from anygate.model.limits import Expression, LimitRule, LimitSelector, MetadataNumber, RateLimit
from anygate.model.origin import Origin
from anygate.model.retry import Retry
from anygate.model.route import Credential, Forward, HashPolicy, Mirror, Session, Timeouts
from anygate.model.security import (
    ApiKeyAuth,
    Authorization,
    AuthorizationRule,
    Cors,
    ExtAuth,
    Oidc,
    Principal,
    Security,
)

PLACE = Origin("HTTPRoute", "default", "cart", "spec.rules[0]", "route.yaml", 14, 5)


def test_text_is_complete_and_aligned() -> None:
    cart = rule(
        to("a", "b"),
        msgspec.structs.replace(prefix("/cart"), origin=PLACE),
        rewrite=Rewrite(path=PathRewrite(kind="prefix", value="/")),
        request_headers=HeaderEdit(set=(("x-team", "cart"),), remove=("x-debug",)),
        timeouts=Timeouts(request=timedelta(seconds=10)),
    )
    pay = rule(to("a"), exact("/cart/pay", method="POST"))
    answer = explain(
        serve(route(cart, pay, hostnames=("*.example.com",))),
        parse_request("http://10.1.1.1:10080/cart//pay?x=1", headers=["Host: shop.example.com", "x-debug: 1"]),
    )
    placed = [msgspec.structs.replace(step, place=PLACE.place) for step in answer.steps]
    applied = [msgspec.structs.replace(each, place=PLACE.place) for each in answer.applied]
    misses = [msgspec.structs.replace(each, place=PLACE.place) for each in answer.near_misses]
    text = render_text(
        msgspec.structs.replace(answer, steps=tuple(placed), applied=tuple(applied), near_misses=tuple(misses))
    )
    assert (
        text
        == """\
GET http://10.1.1.1:10080/cart//pay?x=1
  host: shop.example.com

  listener  default/web/80         route.yaml:14:5  port 80, bound to 10080 here, http
  server    default/web/any        route.yaml:14:5  any hostname: the most specific server for shop.example.com
  hostname  *.example.com          route.yaml:14:5  the host is shop.example.com
  route     HTTPRoute/default/web  route.yaml:14:5
  rule      spec.rules[0]          route.yaml:14:5  path prefix /cart
  backend   a                      route.yaml:14:5  50% 10.0.0.1:8080
  backend   b                      route.yaml:14:5  50% 10.0.0.2:8080

applies
  request headers  route.yaml:14:5  remove x-debug, set x-team: cart
  rewrite          route.yaml:14:5  prefix becomes /
  timeout          route.yaml:14:5  request 10s

upstream
  GET /pay?x=1
  host: shop.example.com
  = x-team: cart
  - x-debug

near misses
  rule  HTTPRoute/default/web  route.yaml:14:5  POST, path /cart/pay: not method POST (the method is GET)

note: the path /cart//pay is put in order before routing: /cart/pay
"""
    )


def test_targets_that_receive_different_requests_are_told_apart() -> None:
    first = to("a", weight=1, rewrite=Rewrite(host="a.internal")).targets
    action = Forward(origin=origin(), targets=(*first, *to("b", weight=3).targets))
    text = render_text(explain(serve(route(rule(action))), parse_request("shop.test")))
    assert "upstream a: 25% of such requests\n  GET /\n  host: a.internal\n" in text
    assert "upstream b: 75% of such requests\n  GET /\n  host: shop.test\n" in text


def test_answers_of_the_gateway_are_shown_whole() -> None:
    respond = Respond(origin=origin(), status=503, body="one\ntwo", content_type="text/plain", reason="broken")
    text = render_text(explain(serve(route(rule(respond))), parse_request("shop.test")))
    assert text.endswith("answer 503: broken\n  content-type: text/plain\n  one\n  two\n")
    nothing = render_text(explain(model(listener(server())), parse_request("shop.test:1")))
    assert "no answer: nothing listens on port 1: the connection is refused\n" in nothing


def test_json_has_the_same_content_under_stable_names() -> None:
    answer = explain(serve(route(rule(to("a"), prefix("/", headers=(header("x", "1"),))))), parse_request("shop.test"))
    found = json.loads(render_json(answer))
    assert list(found) == [
        *("method", "url", "host", "path", "decision", "steps", "applied", "targets", "near_misses", "notes")
    ]
    assert found["decision"]["status"] == 404
    assert list(found["near_misses"][0]) == ["kind", "name", "text", "place", "failed"]


def test_everything_that_applies_is_named_in_order() -> None:
    whole = rule(
        to("a"),
        cors=Cors(origin=origin(), allow_origins=("*",), allow_credentials=True),
        security=Security(
            origin=origin(),
            api_key=ApiKeyAuth(origin=origin(), secrets=("s",), headers=("x-key",), query=("key",)),
            oidc=Oidc(
                origin=origin(),
                name="o",
                issuer="https://issuer",
                client_id="c",
                client_secret="s",
                hmac_secret="h",
                token_backend="t",
            ),
            ext_auth=ExtAuth(origin=origin(), protocol="grpc", backend="auth", fail_open=True),
            authorization=Authorization(
                origin=origin(),
                rules=(AuthorizationRule(origin=origin(), name="staff", allow=True, principal=Principal()),),
            ),
        ),
        rate_limit=RateLimit(
            origin=origin(),
            rules=(
                LimitRule(
                    origin=origin(),
                    requests=5,
                    unit=timedelta(minutes=1),
                    selectors=(LimitSelector(distinct_headers=("x-user",), methods=("GET",), cidr="10.0.0.0/8"),),
                ),
                LimitRule(
                    origin=origin(),
                    requests=9,
                    unit=timedelta(hours=1),
                    scope="global",
                    selectors=(
                        LimitSelector(
                            methods=("GET",),
                            other_methods=True,
                            distinct_query=("t",),
                            cidr="::/0",
                            other_addresses=True,
                        ),
                    ),
                    request_cost=0,
                    response_cost=MetadataNumber(namespace="n", key="k"),
                    limit_from=MetadataNumber(namespace="n", key="l"),
                    shared=True,
                    shadow=True,
                ),
                LimitRule(
                    origin=origin(),
                    requests=9,
                    unit=timedelta(hours=1),
                    scope="global",
                    request_cost=0,
                    response_cost=Expression(expression="total_tokens"),
                    backends=("b",),
                    fail_closed=True,
                ),
            ),
        ),
        session=Session(origin=origin(), kind="cookie", name="sid"),
        hash_policies=(HashPolicy(kind="header", name="x-user"),),
        request_buffer=1024,
        inject=Credential(origin=origin(), secret="s"),
        mirrors=(Mirror(origin=origin(), backend="b", numerator=1, denominator=8),),
        retry=Retry(origin=origin(), attempts=2, triggers=("5xx",), statuses=(409,)),
        response_headers=HeaderEdit(add=(("x-seen", "1"),)),
    )
    assert [(each.kind, each.text) for each in describe_rule(whole)] == [
        ("cors", "allowed from * with credentials"),
        ("api key", "needed in header x-key or query key"),
        ("oidc", "login at https://issuer"),
        ("ext auth", "auth is asked over grpc, passes when that fails"),
        ("authorization", "staff allows, otherwise denied"),
        ("local limit", "5 per 1min for each value of x-user, method GET, clients in 10.0.0.0/8"),
        (
            "global limit",
            "9 per 1h for each value of the query parameter t, method other than GET, clients outside ::/0, "
            "a request costs 0, an answer costs k of n, shared by all its routes, or as l of n says, only counted",
        ),
        (
            "quota",
            "9 per 1h of b, a request costs 0, an answer costs total_tokens, refuses when it cannot be counted",
        ),
        ("session", "kept on one endpoint by cookie sid"),
        ("hash", "the endpoint is chosen by header x-user"),
        ("buffer", "body held whole, at most 1024 bytes"),
        ("credential", "put on header Authorization"),
        ("mirror", "12.5% copied to b"),
        ("retry", "up to 2 on 5xx, 409"),
        ("response headers", "add x-seen: 1"),
    ]
