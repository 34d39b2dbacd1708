"""What Envoy does with requests once it has what we build."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from build_models import ORIGIN, backend, forward, listener, model, prefix, route, rule, server, target
from validate import echo, free_port, get, running

from anygate.envoy.build import build
from anygate.envoy.retries import build_times
from anygate.model.edit import HeaderEdit, PathRewrite, Redirect, Respond, Rewrite
from anygate.model.match import HttpMatch, PathMatch, ValueMatch
from anygate.model.route import Timeouts
from anygate.model.security import Cors


def _path(kind: Any, value: str, pattern: str = "") -> PathRewrite:
    return PathRewrite(kind=kind, value=value, pattern=pattern)


def _match(kind: Any, value: str, **fields: Any) -> HttpMatch:
    return HttpMatch(origin=ORIGIN, path=PathMatch(kind=kind, value=value, **fields))


def _to(name: str, full: str, weight: int = 1) -> Any:
    return target(name, weight, rewrite=Rewrite(path=_path("full", full)))


TARGET_EDIT = HeaderEdit(set=(("x-who", "target"),), add=(("x-both", "target"),))
RULE_EDIT = HeaderEdit(set=(("x-who", "rule"), ("x-percent", "100%x%")), remove=("x-gone",))
CORS = Cors(origin=ORIGIN, allow_origins=("https://a.test",), allow_methods=("PUT",))
RULES = (
    rule("one", prefix("/foo"), rewrite=Rewrite(path=_path("prefix", "/"))),
    rule("one", prefix("/bar/"), rewrite=Rewrite(path=_path("prefix", "/xyz/"))),
    rule("one", prefix("/full"), rewrite=Rewrite(path=_path("full", "/a\\b"))),
    rule("one", prefix("/re"), rewrite=Rewrite(path=_path("regex", "/x\\1", "/re/([^/]+)"))),
    rule("one", prefix("/host"), rewrite=Rewrite(host="literal.example")),
    rule("one", prefix("/taken"), rewrite=Rewrite(host_header="x-h")),
    rule("named", prefix("/named"), rewrite=Rewrite(host_from_backend=True)),
    rule("dynamic", prefix("/dynamic")),
    rule("one", _match("regex", "/number/[0-9]+")),
    rule("one", _match("exact", "/Case", ignore_case=True)),
    rule("one", prefix("/query", query=(ValueMatch(name="a", value="1", invert=True),))),
    rule("one", prefix("/cookie", cookies=(ValueMatch(name="s", kind="present"),))),
    rule("one", prefix("/not", headers=(ValueMatch(name="x-i", value="no", invert=True),))),
    rule(forward(target("one"), target("", 1)), prefix("/half")),
    rule(forward(target("one", 0)), prefix("/zero")),
    rule("missing", prefix("/missing")),
    rule("empty", prefix("/empty")),
    rule(forward(_to("one", "/1"), _to("two", "/2"), target("two", 2)), prefix("/split")),
    rule(
        forward(target("one", request_headers=TARGET_EDIT), target("one")), prefix("/edit"), request_headers=RULE_EDIT
    ),
    rule(Respond(origin=ORIGIN, status=418, body="{}" * 4000, content_type="application/json"), prefix("/respond")),
    rule("one", prefix("/cors/write", method="PUT", headers=(ValueMatch(name="x-key", value="1"),)), cors=CORS),
    rule(Respond(origin=ORIGIN, status=204), prefix("/cors/fixed"), cors=CORS),
    rule(Redirect(origin=ORIGIN), prefix("/to/here")),
    rule(Redirect(origin=ORIGIN, scheme="https"), prefix("/to/https")),
    rule(Redirect(origin=ORIGIN, scheme="https", port=8443), prefix("/to/port")),
    rule(Redirect(origin=ORIGIN, host="o.example", status=301, path=_path("prefix", "/n")), prefix("/to/host")),
    rule(Redirect(origin=ORIGIN, path=_path("full", "/n"), status=308), prefix("/to/path")),
)


@dataclass
class Gateway:
    port: int
    other_port: int

    def get(self, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
        return get(self.port, path, **headers)

    def preflight(self, path: str, method: str) -> tuple[int, str, dict[str, str]]:
        asked = {"Origin": "https://a.test", "Access-Control-Request-Method": method}
        return get(self.port, path, "OPTIONS", **asked)

    def seen(self, path: str, **headers: str) -> str:
        """Which backend saw which path and host, or the status."""
        status, body, _ = self.get(path, **headers)
        return body.replace(f" 127.0.0.1:{self.port}", "") if status == 200 else str(status)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder: Path = tmp_path_factory.mktemp("envoy")
    with echo("one") as one, echo("two") as two:
        backends = [backend("one", one), backend("two", two), backend("empty"), backend("dynamic", dynamic=True)]
        backends.append(backend("named", one, host="localhost"))
        port = free_port()
        built = build(model([listener(port, server(routes=(route("web", *RULES),)))], backends))
        assert built.refused == ()
        with running(built.snapshot, folder):
            yield Gateway(port, two)


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ("/foo/bar?x=1", "one /bar?x=1"),
        ("/foo", "one /"),
        ("/foo/", "one /"),
        ("/foo?x", "one /?x"),
        ("/foobar", "404"),
        ("/bar/b?q", "one /xyz/b?q"),
        ("/bar", "one /xyz"),
        ("/bar/", "one /xyz/"),
        ("/full/z?q", "one /a\\b?q"),
        ("/re/abc/d?q", "one /xabc/d?q"),
        ("/host", "one /host literal.example"),
        ("/named", "one /named localhost"),
        ("/number/12?x", "one /number/12?x"),
        ("/number/1x", "404"),
        ("/CASE", "one /CASE"),
        ("/query?a=1", "404"),
        ("/query?b=1&a=1&c", "404"),
        ("/query?a=2", "one /query?a=2"),
        ("/query", "one /query"),
        ("/cookie", "404"),
        ("/not", "one /not"),
        ("/zero", "500"),
        ("/missing", "500"),
        ("/empty", "503"),
    ],
)
def test_paths_lead_where_they_should(gateway: Gateway, asked: str, seen: str) -> None:
    assert gateway.seen(asked) == seen


def test_conditions_on_headers_and_cookies(gateway: Gateway) -> None:
    assert gateway.seen("/taken", **{"x-h": "from.header"}) == "one /taken from.header"
    assert gateway.seen("/cookie", Cookie="a=b; s=1") == "one /cookie"
    assert gateway.seen("/not", **{"x-i": "no"}) == "404"
    assert gateway.seen("/not", **{"x-i": "yes"}) == "one /not"


def test_a_dynamic_backend_resolves_the_host_of_the_request(gateway: Gateway) -> None:
    host = f"localhost:{gateway.other_port}"
    assert gateway.seen("/dynamic", Host=host) == f"two /dynamic {host}"


def test_a_share_without_backend_is_answered_with_500(gateway: Gateway) -> None:
    found = Counter(gateway.seen("/half") for _ in range(200))
    assert set(found) == {"one /half", "500"}
    assert 60 < found["500"] < 140


def test_split_routes_share_out_by_weight(gateway: Gateway) -> None:
    found = Counter(gateway.seen("/split") for _ in range(400))
    assert set(found) == {"one /1", "two /2", "two /split"}
    assert 60 < found["one /1"] < 140
    assert 60 < found["two /2"] < 140


def test_edits_of_a_target_hold_over_those_of_its_rule(gateway: Gateway) -> None:
    answers = [gateway.get("/edit", **{"x-gone": "1"})[2] for _ in range(40)]
    assert {answer["got-x-who"] for answer in answers} == {"rule", "target"}
    assert {answer["got-x-percent"] for answer in answers} == {"100%x%"}
    assert not any("got-x-gone" in answer for answer in answers)
    assert all(("got-x-both" in answer) == (answer["got-x-who"] == "target") for answer in answers)


@pytest.mark.parametrize("path", ["/cors/write", "/cors/fixed"])
def test_preflights_are_answered_where_the_request_itself_would_match(gateway: Gateway, path: str) -> None:
    status, _, headers = gateway.preflight(path, "PUT")
    assert (status, headers["access-control-allow-origin"]) == (200, "https://a.test")
    assert gateway.preflight("/unknown", "PUT")[0] == 404


def test_preflights_for_another_method_are_not_answered(gateway: Gateway) -> None:
    assert gateway.preflight("/cors/write", "DELETE")[0] == 404


def test_a_fixed_answer_may_be_long_and_has_its_type(gateway: Gateway) -> None:
    status, body, headers = gateway.get("/respond")
    assert (status, len(body), headers["content-type"]) == (418, 8000, "application/json")


@pytest.mark.parametrize(
    ("asked", "host", "status", "location"),
    [
        ("/to/here?q", "x.example", 302, "http://x.example:{port}/to/here?q"),
        ("/to/here", "x.example:1234", 302, "http://x.example:{port}/to/here"),
        ("/to/https?q", "x.example", 302, "https://x.example/to/https?q"),
        ("/to/https", "x.example:1234", 302, "https://x.example:443/to/https"),
        ("/to/port", "x.example:1234", 302, "https://x.example:8443/to/port"),
        ("/to/host/a?b", "x.example", 301, "http://o.example:{port}/n/a?b"),
        ("/to/path/a?b", "x.example", 308, "http://x.example:{port}/n?b"),
    ],
)
def test_redirects(gateway: Gateway, asked: str, host: str, status: int, location: str) -> None:
    found, _, headers = gateway.get(asked, Host=host)
    assert (found, headers["location"]) == (status, location.format(port=gateway.port))


@pytest.fixture
def plain(tmp_path: Path) -> Callable[[Any], Any]:
    return lambda snapshot: running(snapshot, tmp_path)


def test_a_refused_rule_answers_500_and_leaves_the_others_alone(plain: Callable[[Any], Any]) -> None:
    port = free_port()
    bad = rule("one", prefix("/bad"), request_headers=HeaderEdit(set=((":path", "/x"),)))
    worse = rule("one", _match("regex", "/(unclosed"))
    with echo("one") as one:
        rules = (bad, worse, rule("one", prefix("/good")))
        built = build(model([listener(port, server(routes=(route("web", *rules),)))], [backend("one", one)]))
        assert [refusal.resource for refusal in built.refused] == [
            "HTTPRoute/default/web/rule/0",
            "HTTPRoute/default/web/rule/1/match/0",
        ]
        with plain(built.snapshot):
            assert get(port, "/bad")[0] == 500
            assert get(port, "/good")[0] == 200
            assert get(port, "/(unclosed")[0] == 404


@pytest.mark.parametrize(
    ("request_", "silence", "built"),
    [(None, None, None), (0, None, None), (60, None, None), (600, None, 600), (600, 30, 30), (5, 3600, 3600)],
)
def test_silence_may_last_as_long_as_the_exchange(request_: int | None, silence: int | None, built: int | None) -> None:
    """Otherwise Envoy's 5 minutes would end an exchange that may take 10."""
    given = [None if one is None else timedelta(seconds=one) for one in (request_, silence, built)]
    found = build_times(Timeouts(request=given[0], stream_idle=given[1]))
    assert (found["timeout"], found["idle_timeout"]) == (given[0] or timedelta(0), given[2])
