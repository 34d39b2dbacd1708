"""What is kept, for how long, and what has to go."""

from datetime import timedelta
from typing import Any

import pytest

from anygate.model.cache import Cache
from anygate.model.origin import Origin
from anygate.model.text import Variable
from anygate.services.cache.freshness import is_too_old, lifetime_of, read_directives
from anygate.services.cache.request import Head, Request
from anygate.services.cache.zone import Answer, Zone, Zones

NOW = 1_000_000_000.0
SUN = "Sun, 09 Sep 2001 01:46:50 GMT"  # ten seconds later


def head(**headers: str) -> Head:
    return Head((name.replace("_", "-"), value.encode()) for name, value in headers.items())


def request(method: str = "GET", path: str = "/", **headers: str) -> Request:
    pairs = {":method": method, ":path": path, ":authority": "a.test", **headers}
    attributes = {"source.address": "[::1]:5000", "request.protocol": "HTTP/2"}
    return Request(((name.replace("_", "-"), value.encode()) for name, value in pairs.items()), attributes)


def kept(body: bytes = b"", **headers: str) -> Answer:
    return Answer(200, head(**headers), body, NOW, 10.0)


def cache(**fields: Any) -> Cache:
    fields = {"strategy": "disk", "zone": "z", "lifetime": timedelta(seconds=60), "key": ("k",), **fields}
    return Cache(origin=Origin("", "", ""), **fields)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({}, 60.0),
        ({"cache_control": "max-age=5"}, 5.0),
        ({"cache_control": 'Public, MAX-AGE="5"'}, 5.0),
        ({"cache_control": "max-age=5, s-maxage=7"}, 7.0),
        ({"cache_control": "max-age=five"}, 0.0),
        ({"expires": SUN}, 10.0),
        ({"expires": SUN, "cache_control": "max-age=5"}, 5.0),
        ({"expires": "0"}, 0.0),
        ({"content_type": "text/event-stream; charset=utf-8"}, 0.0),
        ({"content_range": "bytes 0-1/2"}, 0.0),
        ({"vary": "accept, *"}, 0.0),
        ({"set_cookie": "a=b"}, 0.0),
    ],
)
def test_an_answer_on_disk_is_kept_as_long_as_it_says(said: dict[str, str], seconds: float) -> None:
    assert lifetime_of(cache(), 200, head(**said), NOW) == seconds


def test_an_answer_in_memory_is_kept_as_long_as_the_cache_says() -> None:
    memory = cache(strategy="memory")
    assert lifetime_of(memory, 200, head(cache_control="max-age=5"), NOW) == 60
    assert lifetime_of(memory, 200, head(cache_control="no-cache"), NOW) == 0
    assert lifetime_of(memory, 500, head(), NOW) == 0
    asked = cache(strategy="memory", client_directives=True, keeps_cookies=True)
    assert lifetime_of(asked, 200, head(cache_control="max-age=5", set_cookie="a"), NOW) == 5
    assert lifetime_of(asked, 200, head(), NOW) == 0
    cookies = Head([("set-cookie", b"a"), ("set-cookie", b"b"), ("cache-control", b"max-age=5")])
    assert lifetime_of(asked, 200, cookies, NOW) == 0


def test_statuses_of_parts_are_never_kept_even_if_they_are_listed() -> None:
    for status in (206, 304, 416):
        assert lifetime_of(cache(statuses=(status,)), status, head(), NOW) == 0


def test_what_clients_ask_for() -> None:
    for asked, found in (("max-age=3", True), ("max-age=4", False), ("min-fresh=7", True), ("min-fresh=6", False)):
        assert is_too_old(read_directives(asked), 4.0, 10.0) is found
    assert not is_too_old({}, 4.0, 10.0)


def test_what_requests_say() -> None:
    asked = request(path="/a?b=c%20d&b=e", x_v="f")
    kinds = {"path": "/a", "target": "/a?b=c%20d&b=e", "query_string": "b=c%20d&b=e", "host": "a.test"}
    kinds |= {"method": "GET", "client_address": "[::1]", "client_port": "5000", "protocol": "HTTP/2", "status": ""}
    for kind, value in kinds.items():
        assert asked.value(Variable(kind=kind)) == value  # type: ignore[arg-type]
    assert asked.value(Variable(kind="query", name="b")) == "c d"
    assert asked.value(Variable(kind="header", name="x-v")) == "f"
    assert asked.value(Variable(kind="status"), 404) == "404"


def test_only_plain_requests_are_looked_at() -> None:
    assert request().is_plain
    other = (request("CONNECT"), request(upgrade="websocket"), request("POST", content_type="application/grpc+proto"))
    assert not any(one.is_plain for one in other)


def test_an_answer_is_found_by_what_it_varies_with() -> None:
    zone = Zone(1_000_000)
    zone.put(("k",), request(x_v="a"), kept(b"a", vary="X-V"))
    zone.put(("k",), request(x_v="b"), kept(b"b", vary="X-V"))
    found = [zone.find(("k",), request(x_v=value)) for value in "abc"]
    assert [one and one.body for one in found] == [b"a", b"b", None]
    assert zone.find(("k",), request("POST", x_v="a")) is None
    # One that varies with something else puts an end to them.
    zone.put(("k",), request(x_v="a"), kept(b"c"))
    found = [zone.find(("k",), request(x_v=value)) for value in "ab"]
    assert [one and one.body for one in found] == [b"c", b"c"]


def test_a_zone_is_never_fuller_than_it_may_be() -> None:
    zone = Zone(10_000)
    for number in range(50):
        zone.put((str(number),), request(), kept(bytes(2000)))
    assert sum(zone.find((str(number),), request()) is not None for number in range(50)) == 3
    zone.put(("large",), request(), kept(bytes(10_000)))
    assert zone.find(("large",), request()) is None
    assert zone.find(("49",), request()) is not None
    assert (zone.purge(("49",)), zone.purge(("49",))) == (True, False)


def test_what_clients_write_takes_room_in_a_zone() -> None:
    zone, long = Zone(10_000), "x" * 3000
    for number in range(50):
        zone.put((str(number),), request(x_v=long), kept(vary="x-v"))
    assert [zone.find((str(number),), request(x_v=long)) is not None for number in range(46, 50)] == [
        False,
        False,
        True,
        True,
    ]
    zone.put(("large",), request(x_v=long * 4), kept(vary="x-v"))
    assert zone.find(("large",), request(x_v=long * 4)) is None


def test_what_was_asked_for_lately_stays() -> None:
    zone = Zone(10_000)
    for number in range(4):
        zone.put((str(number),), request(), kept(bytes(2000)))
        zone.find(("0",), request())
    assert [zone.find((str(number),), request()) is not None for number in range(4)] == [True, False, True, True]


def test_variants_of_one_key_are_bounded() -> None:
    zone = Zone(10_000_000)
    for number in range(100):
        zone.put(("k",), request(x_v=str(number)), kept(vary="x-v"))
    assert sum(zone.find(("k",), request(x_v=str(number))) is not None for number in range(100)) == 64


def test_what_arrives_at_the_same_time_is_bounded() -> None:
    zone = Zone(10)
    assert (zone.reserve(6), zone.reserve(6), zone.reserve(4)) == (True, False, True)
    zone.release(6)
    assert zone.reserve(6)


def test_a_zone_whose_size_changes_begins_anew() -> None:
    zones = Zones()
    zones.get("z", 10_000).put(("k",), request(), kept())
    assert zones.get("z", 10_000).find(("k",), request()) is not None
    assert zones.get("z", 20_000).find(("k",), request()) is None
