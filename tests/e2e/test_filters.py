"""Every filter with real traffic through the real Envoy: what it lets through and what it refuses."""

import re
from collections.abc import Iterator
from datetime import timedelta

import httpx2
import pytest
from filter_gateway import (
    PASSWORD,
    Running,
    Upstream,
    bootstrap,
    gateway,
    opaque,
    origin,
    route_entry,
    rule,
    running,
    security,
    server,
)

from anygate.envoy.filters import Scope
from anygate.model.limits import Faults, LimitRule, LimitSelector, RateLimit
from anygate.model.match import PathMatch, ValueMatch
from anygate.model.route import Credential, Session
from anygate.model.security import (
    BasicAuth,
    Cors,
)

HOUR = timedelta(hours=1)


# health check


def test_health_check_is_answered_by_the_gateway_before_any_authentication() -> None:
    basic = BasicAuth(origin=origin("b"), secret="users")
    routes = {"/": rule(security=security(basic=basic))}
    with gateway(routes, at=server(health_check_path="/healthz"), secrets=opaque(users=f"ann:{PASSWORD}")) as (
        _,
        client,
        echo,
    ):
        assert client.get("/healthz").status_code == 200
        assert client.get("/healthz/more").status_code == 401
        assert echo.seen == []


# CORS

CORS = Cors(
    origin=origin("c"),
    allow_origins=("https://shop.example", "https://*.friends.example", "http://*:8080"),
    allow_methods=("GET", "PUT"),
    allow_headers=("x-one", "x-two"),
    expose_headers=("x-seen",),
    max_age=timedelta(minutes=10),
    allow_credentials=True,
)


def preflight(source: str, method: str = "PUT", headers: str = "x-one") -> dict[str, str]:
    return {
        "origin": source,
        "access-control-request-method": method,
        "access-control-request-headers": headers,
    }


@pytest.fixture(scope="module")
def cors() -> Iterator[Running]:
    basic = security(basic=BasicAuth(origin=origin("b"), secret="users"))
    wild = Cors(origin=origin("w"), allow_origins=("*",), allow_methods=("*",), allow_headers=("*",))
    wild_credentials = Cors(
        origin=origin("v"),
        allow_origins=("*",),
        allow_methods=("*",),
        allow_headers=("*",),
        allow_credentials=True,
    )
    routes = {
        "/locked": rule("locked", cors=CORS, security=basic),
        "/wild": rule("wild", cors=wild),
        "/credentials": rule("credentials", cors=wild_credentials),
        "/broken": rule("broken", cors=wild, faults=Faults(origin=origin("f"), abort_status=503)),
        "/none": rule("none"),
        "/answer": rule("answer", cors=wild),
    }
    with gateway(
        routes,
        secrets=opaque(users=f"ann:{PASSWORD}"),
        overrides={"/answer": {"route": None, "direct_response": {"status": 404}}},
    ) as made:
        yield made


@pytest.mark.parametrize(
    ("source", "allowed"),
    [
        ("https://shop.example", True),
        ("https://a.friends.example", True),
        ("https://a.b.friends.example", True),
        ("http://any.host.example:8080", True),
        ("https://friends.example", False),
        ("http://a.friends.example", False),
        ("https://a.friends.example.evil", False),
        ("https://evil-friends.example", False),
        ("https://shop.example.evil", False),
        ("null", False),
    ],
)
def test_preflight_is_answered_before_authentication_for_allowed_origins(
    cors: Running, source: str, allowed: bool
) -> None:
    _, client, echo = cors
    answer = client.options("/locked", headers=preflight(source))
    assert answer.status_code == 200
    assert answer.headers.get("access-control-allow-origin") == (source if allowed else None)
    assert echo.seen == []
    if allowed:
        assert answer.headers["access-control-allow-methods"] == "GET, PUT"
        assert answer.headers["access-control-allow-headers"] == "x-one, x-two"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["access-control-max-age"] == "600"


def test_refusals_of_later_filters_are_readable_by_allowed_origins(
    cors: Running,
) -> None:
    _, client, _ = cors
    refused = client.get("/locked", headers={"origin": "https://shop.example"})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (
        401,
        "https://shop.example",
    )
    assert refused.headers["access-control-expose-headers"] == "x-seen"
    aborted = client.get("/broken", headers={"origin": "https://shop.example"})
    assert (aborted.status_code, "access-control-allow-origin" in aborted.headers) == (503, True)
    foreign = client.get("/locked", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers


def test_wildcards(cors: Running) -> None:
    _, client, _ = cors
    plain = client.options("/wild", headers=preflight("https://any.example", "DELETE", "x-odd"))
    assert plain.headers["access-control-allow-origin"] in ("*", "https://any.example")
    assert plain.headers["access-control-allow-methods"] in ("*", "DELETE")
    assert plain.headers["access-control-allow-headers"] in ("*", "x-odd")
    # With credentials browsers take `*` literally, so Envoy names what was asked for.
    named = client.options("/credentials", headers=preflight("https://any.example", "DELETE", "x-odd"))
    assert named.headers["access-control-allow-origin"] == "https://any.example"
    assert named.headers["access-control-allow-methods"] == "DELETE"
    assert named.headers["access-control-allow-headers"] == "x-odd"


def test_routes_without_cors_and_plain_options_requests_reach_the_backend(
    cors: Running,
) -> None:
    _, client, _ = cors
    assert client.options("/none", headers=preflight("https://shop.example")).json()["method"] == "OPTIONS"
    assert client.options("/wild").json()["method"] == "OPTIONS"


def test_envoy_leaves_cors_out_on_routes_that_answer_themselves(cors: Running) -> None:
    """So the extra route for preflights has to forward, although nothing is ever forwarded on it."""
    _, client, _ = cors
    for method in ("GET", "OPTIONS"):
        answer = client.request(method, "/answer", headers=preflight("https://shop.example"))
        assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (404, False)


def test_a_route_for_one_method_needs_another_for_its_preflights() -> None:
    """What the builder of routes adds where a match names a method: Envoy routes a preflight as OPTIONS."""
    one = rule("get", cors=CORS)
    settings = route_entry("/", one, Scope(server()), "echo")["typed_per_filter_config"]
    get = {"match": {"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}}
    asked = [
        {"name": ":method", "string_match": {"exact": "OPTIONS"}},
        {"name": "origin", "present_match": True},
        {"name": "access-control-request-method", "string_match": {"exact": "GET"}},
    ]
    extra = {
        "match": {"prefix": "/", "headers": asked},
        "route": {"cluster": "echo"},
        "typed_per_filter_config": settings,
    }
    with gateway({"/": one}, overrides={"/": get}, extra_routes=[extra]) as (_, client, echo):
        allowed = client.options("/", headers=preflight("https://shop.example", "GET"))
        assert (allowed.status_code, allowed.headers["access-control-allow-methods"]) == (200, "GET, PUT")
        assert client.options("/", headers=preflight("https://shop.example", "PUT")).status_code == 404
        assert client.options("/").status_code == 404
        assert client.get("/").status_code == 200
        assert len(echo.seen) == 1


# faults, limits, buffers


def test_faults() -> None:
    routes = {
        "/abort": rule("abort", faults=Faults(origin=origin("f"), abort_status=418)),
        "/never": rule("never", faults=Faults(origin=origin("f"), abort_status=418, abort_percent=0)),
        "/grpc": rule("grpc", faults=Faults(origin=origin("f"), grpc_status=14)),
        "/delay": rule("delay", faults=Faults(origin=origin("f"), delay=timedelta(milliseconds=300))),
        "/half": rule("half", faults=Faults(origin=origin("f"), abort_status=418, abort_percent=50)),
        "/open": rule("open"),
    }
    with gateway(routes) as (_, client, _):
        assert client.get("/abort").status_code == 418
        assert client.get("/never").status_code == 200
        called = client.post("/grpc", headers={"content-type": "application/grpc"})
        assert (called.status_code, called.headers["grpc-status"]) == (200, "14")
        # Envoy counts from the start of its own turn of the loop, a little before the request came.
        assert client.get("/delay").elapsed >= timedelta(milliseconds=250)
        assert {client.get("/half").status_code for _ in range(60)} == {200, 418}
        assert client.get("/open").status_code == 200


def limit(requests: int, *selectors: LimitSelector, shadow: bool = False) -> LimitRule:
    return LimitRule(origin=origin("l"), requests=requests, unit=HOUR, selectors=selectors, shadow=shadow)


def limited(*rules: LimitRule) -> RateLimit:
    return RateLimit(origin=origin("l"), rules=rules)


def test_local_limits() -> None:
    exact = ValueMatch(name="x-plan", value="free")
    routes = {
        "/all": rule("all", rate_limit=limited(limit(2))),
        "/each": rule("each", rate_limit=limited(limit(1, LimitSelector(distinct_headers=("x-user",))))),
        "/some": rule("some", rate_limit=limited(limit(1, LimitSelector(headers=(exact,), methods=("POST", "PUT"))))),
        "/path": rule(
            "path",
            rate_limit=limited(limit(1, LimitSelector(path=PathMatch(kind="prefix", value="/path/a")))),
        ),
        "/near": rule("near", rate_limit=limited(limit(1, LimitSelector(cidr="127.0.0.0/8", distinct_addresses=True)))),
        "/far": rule("far", rate_limit=limited(limit(1, LimitSelector(cidr="10.0.0.0/8")))),
        "/both": rule("both", rate_limit=limited(limit(3), limit(1, LimitSelector(headers=(exact,))))),
        "/shadow": rule("shadow", rate_limit=limited(limit(1, shadow=True))),
        "/open": rule("open"),
    }
    with gateway(routes) as (_, client, _):

        def status(path: str, method: str = "GET", times: int = 1, **headers: str) -> list[int]:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            return [client.request(method, path, headers=sent).status_code for _ in range(times)]

        first = client.get("/all")
        assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"]) == ("2", "1")
        assert status("/all", times=3) == [200, 429, 429]
        assert 0 < int(client.get("/all").headers["retry-after"]) <= 3600
        assert "x-ratelimit-limit" not in client.get("/each").headers
        for user in ("ann", "bob"):
            assert status("/each", times=2, x_user=user) == [200, 429]
        assert status("/each", times=3) == [200, 200, 200]
        assert status("/some", "POST", x_plan="free") + status("/some", "PUT", x_plan="free") == [200, 429]
        assert status("/some", x_plan="free") + status("/some", "POST", x_plan="gold") == [200, 200]
        assert status("/path/a/1?x=1") + status("/path/a") + status("/path/ab") == [200, 429, 200]
        assert (status("/near", times=2), status("/far", times=2)) == ([200, 429], [200, 200])
        assert status("/both", x_plan="free", times=2) == [200, 429]
        assert 429 in status("/both", times=4)
        assert (status("/shadow", times=3), status("/open", times=3)) == ([200] * 3, [200] * 3)


def test_local_limits_may_be_silent() -> None:
    with gateway({"/": rule(rate_limit=limited(limit(1)))}, at=server(rate_limit_headers=False)) as (
        _,
        client,
        _,
    ):
        assert not [name for name in client.get("/").headers if name.startswith("x-ratelimit")]
        assert client.get("/").status_code == 429


def test_many_values_do_not_reset_a_count() -> None:
    each = limited(limit(1, LimitSelector(distinct_headers=("x-user",))))
    with gateway({"/": rule(rate_limit=each)}) as (_, client, _):
        assert client.get("/", headers={"x-user": "ann"}).status_code == 200
        assert {client.get("/", headers={"x-user": str(number)}).status_code for number in range(100)} == {200}
        assert client.get("/", headers={"x-user": "ann"}).status_code == 429


def test_bodies_beyond_the_buffer_are_refused() -> None:
    with gateway({"/small": rule("small", request_buffer=10), "/open": rule("open")}) as (_, client, echo):
        assert client.post("/small", content=b"1" * 10).status_code == 200
        assert client.post("/small", content=iter([b"1" * 5, b"2" * 5])).json()["body"] == "1111122222"
        assert client.post("/small", content=b"1" * 11).status_code == 413
        assert client.post("/open", content=b"1" * 100).status_code == 200
        assert len(echo.seen) == 3


# sessions and credentials


def test_sessions_stay_on_their_endpoint() -> None:
    cookie = Session(origin=origin("s"), kind="cookie", name="sid", path="/cookie")
    lasting = Session(origin=origin("s"), kind="cookie", name="lasting", permanent=True, absolute_timeout=HOUR)
    header = Session(origin=origin("s"), kind="header", name="x-session")
    routes = {
        "/cookie": rule("cookie", session=cookie),
        "/lasting": rule("lasting", session=lasting),
        "/header": rule("header", session=header),
        "/open": rule("open"),
    }
    with Upstream("a") as one, Upstream("b") as two, Upstream("c") as three:
        config = bootstrap(routes, {"echo": [one.port, two.port, three.port]}, at=server("https"))
        with running(config) as envoy, httpx2.Client(base_url=envoy.url) as client:
            assert len({client.get("/open").json()["server"] for _ in range(30)}) == 3
            first = client.get("/cookie")
            assert re.fullmatch(
                r'sid="[^"]+"; Path=/cookie; SameSite=Lax; Secure; HttpOnly', first.headers["set-cookie"]
            )
            sent = {"cookie": first.headers["set-cookie"].partition(";")[0]}
            client.cookies.clear()
            again = [client.get("/cookie", headers=sent) for _ in range(50)]
            assert {answer.json()["server"] for answer in again} == {first.json()["server"]}
            assert not any("set-cookie" in answer.headers for answer in again)
            assert "; Max-Age=3600;" in client.get("/lasting").headers["set-cookie"]
            client.cookies.clear()
            start = client.get("/header")
            kept = {"x-session": start.headers["x-session"]}
            servers = {client.get("/header", headers=kept).json()["server"] for _ in range(50)}
            assert servers == {start.json()["server"]}


def test_sessions_end_by_silence_and_by_age() -> None:
    """The times that a token carries stand in for waiting: whoever has an old one is a new client."""
    path, minute = "/", timedelta(minutes=1)
    routes = {
        "/idle": rule("idle", session=Session(origin=origin("s"), kind="cookie", name="idle", idle_timeout=minute)),
        "/aged": rule("aged", session=Session(origin=origin("s"), kind="cookie", name="aged", absolute_timeout=HOUR)),
        "/both": rule(
            "both",
            session=Session(
                origin=origin("s"),
                kind="cookie",
                name="both",
                path=path,
                permanent=True,
                idle_timeout=minute,
                absolute_timeout=HOUR,
            ),
        ),
        "/header": rule(
            "header", session=Session(origin=origin("s"), kind="header", name="x-session", absolute_timeout=HOUR)
        ),
    }
    with Upstream("a") as one, Upstream("b") as two, Upstream("c") as three:
        config = bootstrap(routes, {"echo": [one.port, two.port, three.port]}, at=server("https"))
        with running(config) as envoy, httpx2.Client(base_url=envoy.url) as client:

            def ask(path: str, value: str) -> httpx2.Response:
                client.cookies.clear()
                return client.get(f"/{path}", headers={"cookie": f'theirs=1; {path}="{value}"; mine=2'})

            for name, lasts, most in (("idle", 60, None), ("aged", 3600, None), ("both", 60, 60)):
                client.cookies.clear()
                first = client.get(f"/{name}")
                given = re.fullmatch(
                    rf'{name}="([^".]+)\.(\d+)\.(\d+)"(?:; Max-Age=(\d+))?; Path=/; SameSite=Lax; Secure; HttpOnly',
                    first.headers["set-cookie"],
                )
                assert given is not None, first.headers["set-cookie"]
                bare, created, until = given[1], int(given[2]), int(given[3])
                assert (until - created, given[4]) == (lasts, str(most) if most else None)
                answers = [ask(name, f"{bare}.{created}.{until}") for _ in range(20)]
                assert {one.json()["server"] for one in answers} == {first.json()["server"]}
                assert answers[0].json()["headers"]["cookie"] == f'theirs=1; {name}="{bare}"; mine=2'
                # Using a session keeps it alive where silence ends it, and never beyond its age.
                assert ("set-cookie" in answers[0].headers) == (name != "aged")
                if name == "both":
                    nearly = ask(name, f"{bare}.{created - 3590}.{until}").headers["set-cookie"]
                    again = re.search(rf"\.{created - 3590}\.(\d+)\"; Max-Age=(\d+);", nearly)
                    assert again is not None
                    assert int(again[1]) == created + 10
                    assert int(again[2]) <= 10
                over = [ask(name, f"{bare}.1.2") for _ in range(30)]
                assert len({one.json()["server"] for one in over}) == 3
                assert over[0].json()["headers"]["cookie"] == "theirs=1; mine=2"
                assert all("set-cookie" in one.headers for one in over)
                assert len({ask(name, f"{bare}").json()["server"] for _ in range(30)}) == 3
            start = client.get("/header")
            kept = {"x-session": start.headers["x-session"]}
            assert {client.get("/header", headers=kept).json()["server"] for _ in range(20)} == {start.json()["server"]}
            old = {"x-session": start.headers["x-session"].partition(".")[0] + ".1.2"}
            assert len({client.get("/header", headers=old).json()["server"] for _ in range(30)}) == 3


def test_credentials_are_put_on_requests_to_the_backend() -> None:
    routes = {
        "/kept": rule("kept", inject=Credential(origin=origin("i", "a"), secret="one")),
        "/forced": rule(
            "forced", inject=Credential(origin=origin("i", "b"), secret="two", header="X-Key", overwrite=True)
        ),
        "/open": rule("open"),
    }
    with gateway(routes, secrets=opaque(one="Bearer first-credential", two="second-credential")) as (
        envoy,
        client,
        _,
    ):
        assert client.get("/kept").json()["headers"]["authorization"] == "Bearer first-credential"
        own = client.get("/kept", headers={"authorization": "own"}).json()["headers"]
        assert own["authorization"] == "own"
        assert client.get("/forced", headers={"x-key": "own"}).json()["headers"]["x-key"] == "second-credential"
        assert "authorization" not in client.get("/open").json()["headers"]
        assert "first-credential" not in envoy.ask_admin("/config_dump")
