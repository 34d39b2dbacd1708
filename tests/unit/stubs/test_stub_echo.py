import json

import pytest

from anygate.stubs.echo import Backend, EchoRequest, ReceivedBody, build_answer
from anygate.stubs.orders import OrderError, parse_delay

WEB = Backend("web", "shop")


def ask(*headers: tuple[str, str], method: str = "GET") -> EchoRequest:
    return EchoRequest(method, "/a?b=%20c", "shop.test", "HTTP/1.1", headers)


def test_the_answer_has_exactly_the_promised_keys_and_what_arrived() -> None:
    answer = build_answer(WEB, ask(("X-One", "1"), ("x-one", "2"), ("Host", "shop.test")))
    assert json.loads(answer.body) == {
        "service": "web",
        "namespace": "shop",
        "pod": "web-stub-0",
        "path": "/a?b=%20c",
        "host": "shop.test",
        "method": "GET",
        "proto": "HTTP/1.1",
        "headers": {"X-One": ["1", "2"]},
    }
    assert ("x-stub-backend", "web.shop") in answer.headers


def test_the_received_body_is_named_by_size_and_digest() -> None:
    answer = build_answer(WEB, ask(method="POST"), ReceivedBody(3, "abc"))
    assert ("x-stub-body-bytes", "3") in answer.headers
    assert ("x-stub-body-sha256", "abc") in answer.headers


@pytest.mark.parametrize(
    ("text", "seconds"), [("200ms", 0.2), ("1.5s", 1.5), ("2", 2.0), ("0.25", 0.25), ("1m", 60.0), ("0", 0.0)]
)
def test_delays_are_durations_or_seconds(text: str, seconds: float) -> None:
    assert parse_delay(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "-1", "soon", "1h", "3601", "nan", "1e3", "٣", "61m"])
def test_a_delay_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(OrderError, match="x-stub-delay"):
        parse_delay(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-stub-status", "199"),
        ("x-stub-status", "600"),
        ("x-stub-status", "ok"),
        ("x-stub-chunks", "0"),
        ("x-stub-chunks", "-3"),
        ("x-stub-body-size", "9999999999999"),
    ],
)
def test_an_order_that_cannot_be_obeyed_is_a_400_that_names_it(name: str, value: str) -> None:
    answer = build_answer(WEB, ask((name, value)))
    assert answer.status == 400
    assert name in json.loads(answer.body)["error"]


def test_chunks_join_to_the_same_body() -> None:
    plain = build_answer(WEB, ask(("x-stub-chunks", "7")))
    pieces = list(plain.pieces())
    assert len(pieces) == 7
    assert json.loads(b"".join(pieces))["service"] == "web"


def test_more_chunks_than_bytes_are_never_empty() -> None:
    pieces = list(build_answer(WEB, ask(("x-stub-chunks", "10000"))).pieces())
    assert all(len(piece) == 1 for piece in pieces)


def test_a_padded_answer_has_the_size_ordered_and_still_parses() -> None:
    pieces = list(build_answer(WEB, ask(("x-stub-body-size", "200000"))).pieces())
    whole = b"".join(pieces)
    assert len(whole) == 200_000
    assert max(map(len, pieces)) <= 65_536
    assert json.loads(whole)["service"] == "web"


@pytest.mark.parametrize(("meant", "status"), [("web", 503), ("shop, web", 503), ("shop", 200)])
def test_orders_may_be_for_some_services_only(meant: str, status: int) -> None:
    answer = build_answer(WEB, ask(("x-stub-status", "503"), ("x-stub-for", meant)))
    assert answer.status == status
