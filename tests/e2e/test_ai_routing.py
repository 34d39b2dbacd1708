"""AI requests through the real Envoy: read, routed, refused in the client's own words, and tried again elsewhere."""

import gzip
import json
import socket
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import httpx2
import pytest
from ai_gateway import (
    CHAT,
    Provider,
    Served,
    ai_rule,
    backend,
    one_server,
    origin,
    plain_rule,
    route,
    served_by,
    serving,
    target,
)

from anygate.model.edit import HeaderEdit, Respond
from anygate.model.match import ValueMatch
from anygate.model.retry import Retry
from anygate.model.root import Model
from anygate.model.route import Timeouts

FORM_PATH = "/v1/audio/transcriptions"


class Both:
    """The gateway with the providers behind it."""

    def __init__(self, served: Served, providers: dict[str, Provider]) -> None:
        self.ask = served.ask
        self.client = served.client
        self.port = served.port
        self.providers = providers

    def last_body(self, name: str) -> bytes:
        return self.providers[name].seen[-1].body


@pytest.fixture(scope="module")
def routing() -> Iterator[Both]:
    headers = (ValueMatch(name="x-team", value="red"),)
    ai = route(
        "ai",
        ai_rule("gpt-a", "a"),
        ai_rule("gpt-b", "b"),
        ai_rule(ValueMatch(name="x-ai-eg-model", kind="regex", value="claude-.*"), "b", endpoint="messages"),
        ai_rule("claude-x", "a", endpoint="count_tokens"),
        ai_rule("whisper", "a", endpoint="transcription"),
        ai_rule("rank", "a", endpoint="rerank"),
        ai_rule("short", "a", request_buffer=100),
        ai_rule("unplaced", "nowhere"),
        ai_rule("hostless", "hostless"),
        ai_rule("hostless-messages", "hostless", endpoint="messages"),
    )
    team = route("team", plain_rule(CHAT, "b", headers=headers))
    everything = route("any", ai_rule(None, "b", endpoint="embeddings"), ai_rule("emb-a", "a", endpoint="embeddings"))
    other = route(
        "site",
        plain_rule("/site", "a"),
        plain_rule("/gone", action=Respond(origin=origin("r"), status=404, body="gone")),
    )
    site = route("front", plain_rule("/", "b"), hostnames=("front.test",))
    with ExitStack() as stack:
        providers = {name: stack.enter_context(Provider(name)) for name in ("a", "b")}
        backends = (*(backend(name, one.port) for name, one in providers.items()), backend("hostless"))
        model = Model(gateways=(one_server(ai, team, everything, other, site),), backends=backends)
        yield Both(stack.enter_context(serving(model)), providers)


def test_the_model_in_the_body_decides(routing: Both) -> None:
    assert [served_by(routing.ask(name)) for name in ("gpt-a", "gpt-b")] == ["a", "b"]
    assert served_by(routing.ask("claude-opus", "/anthropic/v1/messages")) == "b"
    assert served_by(routing.ask("claude-opus", "/v1/messages?beta=true")) == "b"
    assert served_by(routing.ask("claude-x", "/v1/messages/count_tokens")) == "a"


@pytest.mark.parametrize("header", ["x-ai-eg-model", "X-AI-EG-Model", "x-ai-eg-other"])
def test_what_a_client_says_in_a_header_is_not_believed(routing: Both, header: str) -> None:
    assert served_by(routing.ask("gpt-b", headers={header: "gpt-a"})) == "b"
    assert routing.providers["b"].seen[-1].headers.get("x-ai-eg-model") == "gpt-b"
    assert "x-ai-eg-other" not in routing.providers["b"].seen[-1].headers
    assert routing.client.post(CHAT, headers={header: "gpt-a"}).status_code == 400
    assert routing.client.get(CHAT, headers={header: "gpt-a"}).status_code == 405


def test_reserved_headers_of_a_client_never_reach_a_backend(routing: Both) -> None:
    sent = {"x-aigw-key": "k", "x-anygate-egress": "a", "x-ai-eg-x": "y", "x-own": "stays"}
    assert served_by(routing.ask("gpt-a", headers=sent)) == "a"
    assert {name for name in routing.providers["a"].seen[-1].headers if name in sent} == {"x-own"}


@pytest.mark.parametrize(
    "body",
    [
        b'{ "model" :\n"gpt-a","a":1.0, "big":12345678901234567890123, "b":"\\u00e9\xc3\xa9" ,"z":[ ]}  \n',
        b'{"model":"x","n":{"model":"y"},"model":"gpt-a"}',
        b'{"d":' + b"[" * 900 + b"]" * 900 + b',"model":"gpt-a"}',
        b'{"model":"gpt-a","p":"' + b"x" * 20_000_000 + b'"}',
    ],
    ids=["odd", "duplicate", "deep", "20MB"],
)
def test_bodies_go_on_byte_for_byte(routing: Both, body: bytes) -> None:
    assert served_by(routing.ask(content=body, headers={"content-type": "application/json"})) == "a"
    assert routing.last_body("a") == body


def test_the_content_type_does_not_matter(routing: Both) -> None:
    for kind in ("", "text/plain", "application/json; charset=utf-8", "application/x-www-form-urlencoded"):
        headers = {"content-type": kind} if kind else {}
        assert served_by(routing.ask(content=b'{"model":"gpt-a"}', headers=headers)) == "a"


def test_chunked_bodies_are_read(routing: Both) -> None:
    assert served_by(routing.ask(content=iter([b'{"mod', b'el":"gpt-b"}']))) == "b"


def test_compressed_bodies_are_unpacked(routing: Both) -> None:
    body = b'{"model":"gpt-a","x":"' + b"abc" * 20 + b'"}'
    answer = routing.ask(content=gzip.compress(body), headers={"content-encoding": "gzip"})

    assert served_by(answer) == "a"
    assert routing.last_body("a") == body
    assert "content-encoding" not in routing.providers["a"].seen[-1].headers


def test_a_coding_that_envoy_does_not_know_is_refused_with_415(routing: Both) -> None:
    answer = routing.ask(content=zlib.compress(b'{"model":"gpt-a"}'), headers={"content-encoding": "deflate"})
    assert answer.status_code == 415
    assert "compressed" in answer.json()["error"]["message"]


def test_bombs_do_not_pass(routing: Both) -> None:
    packed = gzip.compress(b'{"model":"gpt-a","x":"' + b"x" * 30_000_000 + b'"}')
    assert routing.ask(content=packed, headers={"content-encoding": "gzip"}).status_code == 400


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'{"model":null}', b'{"model":""}', b'{"model":{"a":1}}'])
def test_a_body_without_a_model_is_refused(routing: Both, body: bytes) -> None:
    answer = routing.ask(content=body)
    assert answer.status_code == 400
    assert answer.json() == {
        "error": {
            "message": "You must provide a model parameter.",
            "type": "invalid_request_error",
            "param": "model",
            "code": None,
        }
    }


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"model":"gpt-a"} x',
        b'{"a":NaN,"model":"gpt-a"}',
        b'{"model":"gpt-a\\r\\nx-evil: 1"}',
        b'{"model":"\xff"}',
    ],
)
def test_a_body_that_is_no_json_is_refused(routing: Both, body: bytes) -> None:
    answer = routing.ask(content=body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert "not valid JSON" in answer.json()["error"]["message"]


def test_a_missing_model_goes_to_a_rule_for_every_model(routing: Both) -> None:
    assert served_by(routing.ask(path="/v1/embeddings")) == "b"
    assert served_by(routing.ask("whatever", path="/v1/embeddings")) == "b"
    assert served_by(routing.ask("emb-a", path="/v1/embeddings")) == "a"
    assert routing.ask(path="/v1/embeddings", content=b"{").status_code == 400


@pytest.mark.parametrize("name", ["gpt-z", 'q"uo\\te', "per%cent %REQ(:path)%", "grüße"])
def test_an_unknown_model_is_refused_in_openai_words(routing: Both, name: str) -> None:
    answer = routing.ask(name)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "error": {
            "message": f"The model `{name}` does not exist or you do not have access to it.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
    }


def test_an_unknown_model_is_refused_in_the_words_of_other_apis(routing: Both) -> None:
    text = "The model `m` does not exist or you do not have access to it."
    for path in ("/v1/messages", "/anthropic/v1/messages", "/v1/messages/count_tokens"):
        error = {"type": "not_found_error", "message": text}
        assert routing.ask("m", path).json() == {"type": "error", "error": error}
    assert routing.ask("m", "/cohere/v2/rerank").json() == {"message": text}


def test_other_methods_are_refused(routing: Both) -> None:
    answer = routing.client.get(CHAT)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["error"]["message"] == f"{CHAT} takes only POST requests."


def test_other_paths_are_refused_as_text_where_no_route_takes_them(routing: Both) -> None:
    answer = routing.client.get("/v1/unheard?x=1")
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (
        404,
        "unsupported path: /v1/unheard",
        "text/plain",
    )
    assert served_by(routing.client.get("/site/x")) == "a"
    assert (routing.client.get("/gone").status_code, routing.client.get("/gone").text) == (404, "gone")


def test_a_narrower_hostname_falls_back_to_its_own_routes_before_the_refusal(routing: Both) -> None:
    at = {"host": "front.test"}
    assert served_by(routing.client.get("/x", headers=at)) == "b"
    assert served_by(routing.ask("gpt-z", headers=at)) == "b"


def test_a_plain_route_for_the_same_path_keeps_its_place(routing: Both) -> None:
    assert served_by(routing.ask("gpt-z", headers={"x-team": "red"})) == "b"
    assert served_by(routing.ask("gpt-z", headers={"x-team": "blue"})) == "404"


def test_the_answers_of_envoy_itself_are_in_the_format_of_the_client(routing: Both) -> None:
    hostless = routing.ask("hostless")
    assert (hostless.status_code, hostless.json()["error"]["type"]) == (503, "server_error")
    assert hostless.json()["error"]["message"] == "no healthy upstream"
    other = routing.ask("hostless-messages", "/v1/messages")
    assert other.json() == {"type": "error", "error": {"type": "api_error", "message": "no healthy upstream"}}
    unplaced = routing.ask("unplaced")
    assert (unplaced.status_code, unplaced.json()["error"]["type"]) == (500, "server_error")
    assert unplaced.json()["error"]["message"]


def test_a_rule_with_a_limit_refuses_longer_bodies_and_those_of_unknown_length(routing: Both) -> None:
    assert served_by(routing.ask("short")) == "a"
    long = routing.ask("short", json={"x": "y" * 100})
    assert (long.status_code, long.json()["error"]["type"]) == (413, "invalid_request_error")
    assert routing.ask(content=iter([b'{"model":"short"}'])).status_code == 413


def test_the_model_of_a_form_decides(routing: Both) -> None:
    sound = bytes(range(256)) * 4000
    for data, files in (
        ({"model": "whisper"}, {"file": ("a.wav", sound)}),
        ({"model": "whisper"}, {"file": ("x", b"")}),
    ):
        assert served_by(routing.client.post(FORM_PATH, data=data, files=files)) == "a"
    unknown = routing.client.post(FORM_PATH, data={"model": "w"}, files={"file": ("a.wav", sound)})
    assert unknown.json()["error"]["code"] == "model_not_found"
    nameless = routing.client.post(FORM_PATH, data={"prompt": "model"}, files={"model": ("whisper", b"whisper")})
    assert nameless.json()["error"]["param"] == "model"


FORMS = {
    "unquoted": (b"b", b"--b\r\nContent-Disposition: form-data; name=model\r\n\r\nwhisper\r\n--b--\r\n", "a"),
    "quoted boundary": (
        b'"b c"',
        b'--b c\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper\r\n--b c--',
        "a",
    ),
    "preamble": (b"b", b'hi\r\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper\r\n--b--', "a"),
    "two": (
        b"b",
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper\r\n'
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nother\r\n--b--\r\n',
        "400",
    ),
    "cut": (b"b", b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper', "400"),
    "empty": (b"b", b"", "400"),
    "no parts": (b"b", b"--b--\r\n", "400"),
    "in a file": (
        b"b",
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        b'Content-Disposition: form-data; name="model"\r\n\r\nwhisper\r\n--b--\r\n',
        "400",
    ),
}


@pytest.mark.parametrize("case", FORMS)
def test_odd_forms(routing: Both, case: str) -> None:
    boundary, body, wanted = FORMS[case]
    kind = {"content-type": f"multipart/form-data; boundary={boundary.decode()}"}
    assert served_by(routing.client.post(FORM_PATH, content=body, headers=kind)) == wanted
    if wanted == "a":
        assert routing.last_body("a") == body


def test_a_body_beyond_the_limit_is_refused_in_the_words_of_the_client(routing: Both) -> None:
    """The length is announced, so that the answer comes before the body and the connection is not cut."""
    body = b'{"model":"gpt-a","p":"' + b"x" * 60_000_000 + b'"}'
    try:
        answer = routing.ask(content=body)
    except httpx2.TransportError:
        pytest.skip("the connection was cut while the body was sent")
    assert answer.status_code == 413
    assert answer.json()["error"]["message"]


# Failover

SOON = timedelta(milliseconds=200)
TWICE = Retry(origin=origin("r"), attempts=3, statuses=(429,), attempts_per_priority=2)
RETRY_ALL = Retry(origin=origin("r"), attempts=3, triggers=("5xx", "reset", "connect-failure"), statuses=(429,))


@contextmanager
def listening() -> Iterator[int]:
    """A port on which connections are taken and nothing is ever said."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        yield silent.getsockname()[1]


@pytest.fixture(scope="module")
def failing() -> Iterator[Both]:
    def by_priority(*names: str) -> tuple:
        return tuple(target(name, priority=number) for number, name in enumerate(names))

    edit = HeaderEdit(set=(("x-edited", "yes"),))
    ai = route(
        "ai",
        ai_rule("busy", *by_priority("busy", "good"), request_headers=edit),
        ai_rule("down", *by_priority("refusing", "good")),
        ai_rule("three", *by_priority("busy", "broken", "good")),
        ai_rule("all", *by_priority("busy", "broken")),
        ai_rule("bad", *by_priority("picky", "good")),
        ai_rule("lost", *by_priority("", "good")),
        ai_rule("weights", target("busy", weight=1), target("good", weight=1), retry=RETRY_ALL),
        ai_rule("shares", target("other", weight=3), target("good", weight=1)),
        ai_rule("wait", "hasty", retry=RETRY_ALL),
        ai_rule("slow", *by_priority("hanging", "good"), timeouts=Timeouts(attempt=SOON)),
        ai_rule("twice", *by_priority("busy", "good"), retry=TWICE),
    )
    with ExitStack() as stack:
        providers = {
            "busy": Provider("busy", 429, [("retry-after", "30")]),
            "broken": Provider("broken", 503),
            "picky": Provider("picky", 400),
            "good": Provider("good"),
            "other": Provider("other"),
            "hasty": Provider("hasty"),
        }
        answers = iter([(429, [("retry-after", "1")], "")])
        providers["hasty"].answer = lambda _: next(answers, (200, [], ""))
        for one in providers.values():
            stack.enter_context(one)
        hanging = stack.enter_context(listening())
        backends = [backend(name, one.port) for name, one in providers.items()]
        backends += [backend("refusing", 1), backend("hanging", hanging)]
        model = Model(gateways=(one_server(ai),), backends=tuple(backends))
        yield Both(stack.enter_context(serving(model)), providers)


def test_the_next_priority_takes_over(failing: Both) -> None:
    body = b'{"model":"busy","p":"' + b"x" * 5_000_000 + b'"}'
    before = len(failing.providers["busy"].seen)

    assert served_by(failing.ask(content=body)) == "good"
    assert failing.last_body("good") == body == failing.last_body("busy")
    assert failing.providers["good"].seen[-1].headers["x-edited"] == "yes"
    assert len(failing.providers["busy"].seen) == before + 1
    assert [served_by(failing.ask(name)) for name in ("down", "three", "lost", "slow")] == ["good"] * 4


def test_the_answer_of_the_last_priority_stands(failing: Both) -> None:
    assert failing.ask("all").status_code == 503
    assert failing.ask("all").json() == {"served_by": "broken"}


def test_what_is_the_clients_fault_is_not_tried_elsewhere(failing: Both) -> None:
    assert failing.ask("bad").status_code == 400


def test_a_priority_is_tried_as_often_as_told(failing: Both) -> None:
    before = len(failing.providers["busy"].seen)
    assert served_by(failing.ask("twice")) == "good"
    assert len(failing.providers["busy"].seen) == before + 2


def test_weights_share_and_stand_in_for_each_other(failing: Both) -> None:
    assert {served_by(failing.ask("weights")) for _ in range(12)} == {"good"}
    found = [served_by(failing.ask("shares")) for _ in range(80)]
    assert set(found) == {"other", "good"}
    assert found.count("other") > found.count("good")


def test_one_provider_is_given_the_time_it_asks_for(failing: Both) -> None:
    answer = failing.ask("wait")
    assert served_by(answer) == "hasty"
    assert answer.elapsed.total_seconds() >= 0.9


def test_json_is_valid_everywhere(failing: Both) -> None:
    assert json.loads(failing.ask("none such").content)["error"]["code"] == "model_not_found"
