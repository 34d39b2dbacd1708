"""The parts of the MCP gateway that need no connection: names, filters, rules, sessions, events, messages, orders."""

import json
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from anygate.adapter.mcp.authorization import Call, Subject, decide, read_subject
from anygate.adapter.mcp.events import Event, EventDecoder
from anygate.adapter.mcp.messages import Message, MessageFault, read_message
from anygate.adapter.mcp.names import find_prompt, find_resource, find_tool, show_name, show_uri
from anygate.adapter.mcp.relaying import join_id, show_event, show_message, split_event_id, split_id
from anygate.adapter.mcp.selection import is_shown
from anygate.adapter.mcp.sessions import ServerSession, Session, Sessions, load_key, make_key
from anygate.model.mcp import Mcp, McpRule, McpRules, McpServer, NameFilter
from anygate.model.origin import Origin
from anygate.providers.mcp.expressions import ExpressionError, check_expression
from anygate.providers.mcp.order import (
    ClaimOrder,
    NamesOrder,
    OrderFault,
    RuleOrder,
    RulesOrder,
    ServerOrder,
    join_order,
    read_order,
    write_order,
)
from anygate.providers.mcp.patterns import PatternError, check_pattern

ORIGIN = Origin("MCPRoute", "default", "tools")
GIT = ServerOrder("git", "cluster/git")
WIKI = ServerOrder("wiki", "cluster/wiki", prefixed=False, tools=NamesOrder(include=("find",)))
SERVERS = (GIT, WIKI)


def test_names_lead_back_to_their_server() -> None:
    assert show_name(GIT, "a__b") == "git__a__b"
    assert find_tool(SERVERS, "git__a__b") == (GIT, "a__b")
    assert find_tool(SERVERS, "find") == (WIKI, "find")
    assert find_tool((GIT,), "find") is None
    assert find_tool((GIT,), "svn__find") is None
    assert find_tool(SERVERS, "wiki__find") == (WIKI, "wiki__find")
    assert find_prompt(SERVERS, "greet") == (WIKI, "greet")


@pytest.mark.parametrize("uri", ["file:///a+b", "note://x", "ui://app/main", "git+ssh://host/x"])
def test_addresses_lead_back_to_their_server(uri: str) -> None:
    assert find_resource(SERVERS, show_uri(GIT, uri)) == (GIT, uri)


@pytest.mark.parametrize("shown", ["", "note://x", "svn+note://x", "ui://svn/x", "ui://"])
def test_addresses_of_nobody(shown: str) -> None:
    assert find_resource(SERVERS, shown) is None


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (None, {"list", "get", "list_all"}),
        (NamesOrder(include=("list",)), {"list"}),
        (NamesOrder(include=()), set()),
        (NamesOrder(include_regex=("list",)), {"list", "list_all"}),
        (NamesOrder(include_regex=("^list$", "^g")), {"list", "get"}),
        (NamesOrder(exclude=("get",)), {"list", "list_all"}),
        (NamesOrder(exclude_regex=("^l",)), {"get"}),
        (NamesOrder(include=("list", "get"), exclude=("list",)), {"get"}),
        (NamesOrder(include_regex=("l",), exclude_regex=("_",)), {"list"}),
    ],
)
def test_what_is_excluded_is_never_shown(names: NamesOrder | None, shown: set[str]) -> None:
    assert {name for name in ("list", "get", "list_all") if is_shown(names, name)} == shown


def ask(rules: RulesOrder | None, tool: str = "find", **claims: Any) -> Any:
    call = Call({"headers": {"x-team": "a"}, "method": "POST"}, "tools/call", "git", tool, {"name": tool})
    return decide(rules, call, read_subject(claims))


def test_the_first_rule_that_holds_decides() -> None:
    deny_all = RuleOrder(False)
    assert ask(None).allowed
    assert not ask(RulesOrder()).allowed
    assert ask(RulesOrder(allow_by_default=True)).allowed
    assert ask(RulesOrder((RuleOrder(True, tools=(("git", "find"),)), deny_all))).allowed
    assert not ask(RulesOrder((RuleOrder(True, tools=(("wiki", "find"),)), deny_all), True)).allowed
    assert not ask(RulesOrder((deny_all, RuleOrder(True)), True)).allowed


def test_scopes_and_claims_must_all_hold() -> None:
    rules = RulesOrder((RuleOrder(True, scopes=("a", "b"), claims=(ClaimOrder("x.y", ("1", "2")),)),))
    good = {"scope": "b a", "x": {"y": "2"}}
    assert ask(rules, **good).allowed
    assert ask(rules, **{**good, "scope": ["a", "b"]}).allowed
    assert ask(rules, **{**good, "scope": "a"}) == (False, ("a", "b"))
    for wrong in ({"x": {"y": "3"}}, {"x": {"y": ["2"]}}, {"x": "2"}, {"x": {"y": 2}}):
        assert ask(rules, **{**good, **wrong}) == (False, ())
    listed = RulesOrder((RuleOrder(True, claims=(ClaimOrder("groups", ("core",), is_list=True),)),))
    assert ask(listed, groups=["x", "core"]).allowed
    assert ask(listed, groups="core").allowed
    assert not ask(listed, groups=["x"]).allowed


def test_expressions_that_fail_deny() -> None:
    def by(expression: str) -> RulesOrder:
        return RulesOrder((RuleOrder(True, expression=expression),), allow_by_default=True)

    assert ask(by('request.mcp.tool == "find" && request.headers["x-team"] == "a"')).allowed
    assert ask(by('request.mcp.tool == "else"')).allowed  # by default
    for failing in ("request.none", "1", 'request.auth.jwt.claims.sub == "a"', "x", "request.mcp.params.n > 1"):
        assert not ask(by(failing)).allowed
    assert ask(by('request.auth.jwt.claims.sub == "a" && "s" in request.auth.jwt.scopes'), sub="a", scope="s").allowed


def test_mistakes_are_found_before() -> None:
    with pytest.raises(ExpressionError):
        check_expression("request.mcp.tool ==")
    with pytest.raises(ExpressionError):
        check_expression("true" + " || true" * 1000)
    with pytest.raises(PatternError):
        check_pattern("(?=x)")
    check_pattern("^a(b|c)*$")


SESSION = Session("2025-06-18", {"git": ServerSession("abc", "2025-03-26", ("tools",))})


def test_sessions_open_for_those_they_are_for_only() -> None:
    sessions = Sessions(make_key())
    identity = sessions.seal(SESSION, "default/tools", "ann")
    assert sessions.open(identity, "default/tools", "ann") == SESSION
    assert sessions.open(identity, "default/tools", "bob") is None
    assert sessions.open(identity, "default/others", "ann") is None
    assert Sessions(make_key()).open(identity, "default/tools", "ann") is None
    assert "abc" not in identity
    assert sessions.seal(SESSION, "default/tools", "ann") != identity


@given(some.text() | some.binary().map(lambda raw: raw.hex()))
def test_anything_else_is_no_session(text: str) -> None:
    assert Sessions(bytes(32)).open(text, "r", "s") is None


def test_workers_share_a_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert load_key(path) == load_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["key"]
    path.write_bytes(b"short")
    with pytest.raises(ValueError, match="holds no key"):
        load_key(path)


EVENTS = [Event(b'{"a":1}', "message", "7", "100"), Event(b"two\nlines"), Event(b"", "", "8")]


@given(some.integers(1, 9), some.sampled_from(["\n", "\r\n", "\r"]))
def test_events_in_any_pieces(size: int, line: str) -> None:
    text = b": hello\n\n" + b"".join(event.encode() for event in EVENTS)
    text = text.replace(b"\n", line.encode())
    decoder = EventDecoder()
    found = [event for at in range(0, len(text), size) for event in decoder.feed(text[at : at + size])]
    found += decoder.feed(b"\n") if line == "\r" else []
    assert found == EVENTS


@given(some.lists(some.binary(max_size=40)))
def test_any_bytes_are_events_or_none(pieces: list[bytes]) -> None:
    decoder = EventDecoder()
    for piece in pieces:
        for event in decoder.feed(piece):
            show_event(GIT, event).encode()


JSON_VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=8,
)


@given(
    some.dictionaries(some.sampled_from(["jsonrpc", "id", "method", "params", "result", "error"]), JSON_VALUES)
    | JSON_VALUES
)
def test_any_json_is_a_message_or_a_fault(value: Any) -> None:
    if isinstance(value, dict) and "jsonrpc" in value:
        value["jsonrpc"] = "2.0"
    try:
        message = read_message(msgspec.json.encode(value))
        shown = msgspec.json.decode(show_message(GIT, message))
    except (MessageFault, msgspec.MsgspecError, OverflowError):
        return
    assert shown.keys() == value.keys()


@given(some.binary())
def test_any_bytes_are_a_message_or_a_fault(body: bytes) -> None:
    with suppress(MessageFault):
        read_message(body).encoded()


def test_deep_nesting() -> None:
    deep = b'{"jsonrpc":"2.0","id":1,"method":"x","params":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    with suppress(MessageFault):
        assert read_message(deep).method == "x"


def test_what_a_server_says_is_kept_but_for_addresses_and_ids() -> None:
    result = '{"content":[{"type":"text","text":"a","n":1.0e2},{"type":"resource_link","uri":"x://y"},'
    result += '{"type":"resource","resource":{"uri":"x://z","text":""}}],"extra":12345678901234567890123}'
    message = read_message(f'{{"jsonrpc":"2.0","id":1,"result":{result}}}'.encode())
    shown = show_message(GIT, message).decode()
    assert shown.count("git+x://") == 2
    assert '"n":1.0e2' in shown
    assert '"extra":12345678901234567890123' in shown
    asked = read_message(b'{"jsonrpc":"2.0","id":"7","method":"elicitation/create","params":{}}')
    identity = msgspec.json.decode(show_message(GIT, asked))["id"]
    assert split_id(identity) == ("git", "7")
    assert split_id(join_id(GIT, read_message(b'{"jsonrpc":"2.0","id":7,"method":"x"}'))) == ("git", 7)
    for wrong in (7, None, "git", "git/", "git/true", "git/[", "git/" + "[" * 100_000):
        assert split_id(wrong) is None
    assert split_event_id(show_event(GIT, Event(b"", id="a/b")).id or "") == ("git", "a/b")


def test_the_last_of_two_keys_holds_everywhere() -> None:
    message = read_message(b'{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}')
    assert message.method == "tools/call"
    assert json.loads(message.encoded()) == {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    assert isinstance(message, Message)


def test_orders_of_any_size_arrive() -> None:
    servers = tuple(
        McpServer(origin=ORIGIN, name=f"s{number}", tools=NameFilter(include=("é %s" % ("x" * 300),)))
        for number in range(200)
    )
    rules = McpRules(origin=ORIGIN, rules=(McpRule(origin=ORIGIN, allow=True, expression='a == " % "'),))
    mcp = Mcp(origin=ORIGIN, route="default/tools", servers=servers, authorization=rules, jwt_provider="p")
    headers = dict(write_order(mcp, [f"c{number}" if number else "" for number in range(200)]))
    assert all(len(value) < 16_384 and value.isascii() for value in headers.values())
    order = read_order(join_order(headers))
    assert [one.egress for one in order.servers] == [f"c{number}" for number in range(1, 200)]
    assert order.authorization == RulesOrder((RuleOrder(True, expression='a == " % "'),))
    assert order.with_claims
    del headers["x-anygate-mcp-1"]
    with pytest.raises(OrderFault):
        join_order(headers)
    for wrong in ({}, {"x-anygate-mcp": "0"}, {"x-anygate-mcp": "x"}, {"x-anygate-mcp": "9999"}):
        with pytest.raises(OrderFault):
            join_order(wrong)
    with pytest.raises(OrderFault):
        read_order("é")


def test_scopes_are_read_from_either_claim() -> None:
    assert read_subject({"scp": ["a", 1]}) == Subject({"scp": ["a", 1]}, ("a",))
    assert read_subject({"scope": 7}).scopes == ()
