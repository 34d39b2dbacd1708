"""The order and the content of what one stream is sent."""

from anygate.envoy import api
from anygate.envoy.snapshot import (
    CLUSTER,
    ENDPOINTS,
    LISTENER,
    ROUTES,
    SECRET,
    Resource,
    Snapshot,
    resource,
)
from anygate.xds.messages import Acked, Nacked, Outcome, Request, Response
from anygate.xds.stream import Stream


def cluster(name: str, note: str = "") -> Resource:
    built = api.build("envoy.config.cluster.v3.Cluster", name=name, alt_stat_name=note)
    return resource(CLUSTER, name, api.serialise(built))


def listener(name: str, note: str = "", *, internal: bool = False) -> Resource:
    made: dict[str, object] = {
        "name": name,
        "stat_prefix": note,
        "internal_listener": {} if internal else None,
    }
    return resource(LISTENER, name, api.serialise(api.build("envoy.config.listener.v3.Listener", **made)))


def plain(type_url: str, name: str, body: bytes = b"") -> Resource:
    return resource(type_url, name, body)


def ack(stream: Stream, response: Response) -> Outcome | None:
    return stream.receive(Request(response.type_url, nonce=response.nonce))


def nack(stream: Stream, response: Response, message: str) -> Outcome | None:
    return stream.receive(Request(response.type_url, nonce=response.nonce, error=message))


def ack_all(stream: Stream) -> list[Response]:
    """Accept everything until nothing comes any more; return what came."""
    seen = []
    while responses := stream.responses():
        for response in responses:
            ack(stream, response)
        seen += responses
    return seen


def subscribed(snapshot: Snapshot, *, routes: tuple[str, ...] = (), endpoints: tuple[str, ...] = ()) -> Stream:
    stream = Stream(snapshot)
    stream.receive(Request(CLUSTER))
    stream.receive(Request(LISTENER))
    if routes:
        stream.receive(Request(ROUTES, subscribe=routes))
    if endpoints:
        stream.receive(Request(ENDPOINTS, subscribe=endpoints))
    ack_all(stream)
    return stream


def shape(responses: list[Response]) -> list[tuple[str, list[str], list[str]]]:
    return [
        (
            response.type_url.rpartition(".")[2],
            [found.name for found in response.resources],
            list(response.removed),
        )
        for response in responses
    ]


def test_an_empty_first_request_subscribes_to_all_clusters_and_listeners() -> None:
    stream = Stream(Snapshot([cluster("a"), cluster("b"), listener("l")]))
    stream.receive(Request(CLUSTER))
    assert shape(stream.responses()) == [("Cluster", ["a", "b"], [])]


def test_an_empty_first_request_for_routes_subscribes_to_nothing() -> None:
    stream = Stream(Snapshot([plain(ROUTES, "r")]))
    stream.receive(Request(ROUTES))
    assert stream.responses() == []


def test_a_wildcard_is_answered_even_when_there_is_nothing() -> None:
    stream = Stream(Snapshot())
    stream.receive(Request(CLUSTER))
    (response,) = stream.responses()
    assert (response.resources, response.removed) == ((), ())
    assert stream.responses() == []


def test_a_name_that_does_not_exist_is_answered_at_once() -> None:
    stream = Stream(Snapshot([plain(SECRET, "s")]))
    stream.receive(Request(SECRET, subscribe=("s", "gone")))
    (response,) = stream.responses()
    assert response.removed == ("gone",)
    ack(stream, response)
    stream.publish(Snapshot([plain(SECRET, "s"), plain(SECRET, "gone")]))
    assert shape(stream.responses()) == [("Secret", ["gone"], [])]


def test_routes_that_do_not_exist_are_answered_with_empty_ones() -> None:
    stream = Stream(Snapshot())
    stream.receive(Request(ROUTES, subscribe=("gone",)))
    (response,) = stream.responses()
    assert response.removed == ()
    assert [found.name for found in response.resources] == ["gone"]
    ack(stream, response)
    assert stream.responses() == []


def test_a_type_that_is_never_served_has_no_resources() -> None:
    stream = Stream(Snapshot())
    stream.receive(Request("type.googleapis.com/other.Type", subscribe=("x",)))
    (response,) = stream.responses()
    assert response.removed == ("x",)


def test_listeners_wait_for_clusters() -> None:
    stream = Stream(Snapshot([cluster("a"), listener("l")]))
    stream.receive(Request(LISTENER))
    stream.receive(Request(CLUSTER))
    (first,) = stream.responses()
    assert first.type_url == CLUSTER
    assert stream.is_held_up
    ack(stream, first)
    assert shape(stream.responses()) == [("Listener", ["l"], [])]


def test_hurry_sends_listeners_without_waiting() -> None:
    stream = Stream(Snapshot([cluster("a"), listener("l")]))
    stream.receive(Request(LISTENER))
    stream.receive(Request(CLUSTER))
    stream.responses()
    stream.hurry()
    assert shape(stream.responses()) == [("Listener", ["l"], [])]
    assert not stream.settled


def test_a_cluster_goes_after_the_route_that_left_it() -> None:
    stream = subscribed(Snapshot([cluster("a"), listener("l"), plain(ROUTES, "r", b"a")]), routes=("r",))
    stream.publish(Snapshot([cluster("b"), listener("l"), plain(ROUTES, "r", b"b")]))
    assert shape(ack_all(stream)) == [
        ("Cluster", ["b"], []),
        ("RouteConfiguration", ["r"], []),
        ("Cluster", [], ["a"]),
    ]
    assert stream.synced


def test_a_cluster_stays_while_the_route_that_should_leave_it_is_refused() -> None:
    stream = subscribed(Snapshot([cluster("a"), listener("l"), plain(ROUTES, "r", b"a")]), routes=("r",))
    stream.publish(Snapshot([cluster("b"), listener("l"), plain(ROUTES, "r", b"bad")]))
    (added,) = stream.responses()
    ack(stream, added)
    (moved,) = stream.responses()
    assert nack(stream, moved, "no good") == Nacked(ROUTES, ("r",), "no good")
    assert stream.responses() == []
    assert stream.settled
    assert not stream.synced
    assert stream.refusals == (Nacked(ROUTES, ("r",), "no good"),)
    stream.publish(Snapshot([cluster("b"), listener("l"), plain(ROUTES, "r", b"b")]))
    assert shape(ack_all(stream)) == [("RouteConfiguration", ["r"], []), ("Cluster", [], ["a"])]
    assert stream.synced


def test_a_listener_and_the_one_that_takes_its_port_go_together() -> None:
    stream = subscribed(Snapshot([listener("old")]))
    stream.publish(Snapshot([listener("new"), cluster("c")]))
    assert shape(ack_all(stream)) == [("Cluster", ["c"], []), ("Listener", ["new"], ["old"])]


def test_an_internal_listener_goes_after_the_routes_to_it() -> None:
    stream = subscribed(
        Snapshot([listener("in", internal=True), listener("l"), plain(ROUTES, "r", b"1")]), routes=("r",)
    )
    stream.publish(Snapshot([listener("l", "changed"), plain(ROUTES, "r", b"2")]))
    assert shape(ack_all(stream)) == [
        ("Listener", ["l"], []),
        ("RouteConfiguration", ["r"], []),
        ("Listener", [], ["in"]),
    ]


def test_only_what_changed_is_sent() -> None:
    stream = subscribed(Snapshot([cluster("a"), cluster("b")]))
    stream.publish(Snapshot([cluster("a", "2"), cluster("b")]))
    (response,) = stream.responses()
    (sent,) = response.resources
    assert ack(stream, response) == Acked(CLUSTER, {"a": sent.version})


def test_endpoints_come_again_when_their_cluster_changed() -> None:
    snapshot = [cluster("a"), cluster("b"), plain(ENDPOINTS, "a"), plain(ENDPOINTS, "b")]
    stream = subscribed(Snapshot(snapshot), endpoints=("a", "b"))
    stream.publish(Snapshot([cluster("a", "2"), *snapshot[1:]]))
    assert shape(stream.responses()) == [
        ("Cluster", ["a"], []),
        ("ClusterLoadAssignment", ["a"], []),
    ]


def test_the_newest_snapshot_wins_while_an_answer_is_awaited() -> None:
    stream = Stream(Snapshot([cluster("a", "1")]))
    stream.receive(Request(CLUSTER))
    (first,) = stream.responses()
    stream.publish(Snapshot([cluster("a", "2")]))
    stream.publish(Snapshot([cluster("a", "3")]))
    assert stream.responses() == []
    ack(stream, first)
    (second,) = stream.responses()
    assert second.resources == (cluster("a", "3"),)


def test_going_back_while_an_answer_is_awaited_sends_the_former_version_again() -> None:
    stream = subscribed(Snapshot([cluster("a", "1")]))
    stream.publish(Snapshot([cluster("a", "2")]))
    (second,) = stream.responses()
    stream.publish(Snapshot([cluster("a", "1")]))
    ack(stream, second)
    (third,) = stream.responses()
    assert third.resources == (cluster("a", "1"),)


def test_an_answer_with_an_old_nonce_changes_nothing() -> None:
    stream = Stream(Snapshot([cluster("a")]))
    stream.receive(Request(CLUSTER))
    (response,) = stream.responses()
    assert stream.receive(Request(CLUSTER, nonce="other", error="no")) is None
    assert ack(stream, response) is not None


def test_the_named_listener_is_refused_and_its_siblings_are_taken() -> None:
    stream = Stream(Snapshot([listener("a"), listener("b")]))
    stream.receive(Request(LISTENER))
    (response,) = stream.responses()
    message = "Error adding/updating listener(s) b: cannot bind '127.0.0.1:80': Address already in use\n"
    assert nack(stream, response, message) == Nacked(LISTENER, ("b",), message)
    assert stream.responses() == []
    stream.publish(Snapshot([listener("a"), listener("b", "2")]))
    (again,) = stream.responses()
    assert again.resources == (listener("b", "2"),)


def test_the_refused_resource_of_many_is_found_by_halving() -> None:
    names = [f"r{number}" for number in range(7)]
    stream = Stream(Snapshot([plain(ROUTES, name) for name in names]))
    stream.receive(Request(ROUTES, subscribe=tuple(names)))
    nacked: list[Outcome] = []
    rounds = 0
    while responses := stream.responses():
        for response in responses:
            rounds += 1
            bad = any(found.name == "r5" for found in response.resources)
            outcome = nack(stream, response, "bad") if bad else ack(stream, response)
            nacked += [outcome] if isinstance(outcome, Nacked) else []
    assert nacked == [Nacked(ROUTES, ("r5",), "bad")]
    assert rounds <= 7


def test_a_reconnecting_client_gets_only_what_it_lacks() -> None:
    kept, changed = cluster("kept"), cluster("changed", "2")
    stream = Stream(Snapshot([kept, changed, cluster("new")]))
    stream.receive(Request(CLUSTER, initial_versions={"kept": kept.version, "changed": "old", "gone": "old"}))
    stream.receive(Request(LISTENER, initial_versions={"l": "v"}))
    assert shape(ack_all(stream)) == [
        ("Cluster", ["changed", "new"], []),
        ("Listener", [], ["l"]),
        ("Cluster", [], ["gone"]),
    ]


def test_a_reconnecting_client_that_has_everything_gets_nothing() -> None:
    made = [cluster("c"), listener("l"), plain(ROUTES, "r"), plain(SECRET, "s")]
    stream = Stream(Snapshot(made))
    for found in made:
        names = () if found.type_url in (CLUSTER, LISTENER) else (found.name,)
        stream.receive(Request(found.type_url, subscribe=names, initial_versions={found.name: found.version}))
    assert stream.responses() == []
    assert stream.synced


def test_subscribing_again_is_answered_again() -> None:
    stream = Stream(Snapshot([plain(ROUTES, "r")]))
    stream.receive(Request(ROUTES, subscribe=("r",)))
    ack_all(stream)
    stream.receive(Request(ROUTES, subscribe=("r",)))
    assert shape(stream.responses()) == [("RouteConfiguration", ["r"], [])]


def test_an_unsubscribed_name_is_forgotten() -> None:
    stream = subscribed(Snapshot([plain(ROUTES, "r", b"1")]), routes=("r",))
    stream.receive(Request(ROUTES, unsubscribe=("r",)))
    stream.publish(Snapshot([plain(ROUTES, "r", b"2")]))
    assert stream.responses() == []


def test_dropping_a_name_under_a_wildcard_is_answered() -> None:
    stream = Stream(Snapshot([cluster("a")]))
    stream.receive(Request(CLUSTER, subscribe=("*", "a", "b")))
    ack_all(stream)
    stream.receive(Request(CLUSTER, unsubscribe=("a", "b")))
    assert shape(stream.responses()) == [("Cluster", ["a"], ["b"])]


def test_large_types_come_in_several_responses() -> None:
    stream = Stream(Snapshot([plain(SECRET, str(number), b"x" * 40) for number in range(5)]), chunk=100)
    stream.receive(Request(SECRET, subscribe=("0", "1", "2", "3", "4")))
    assert [len(found.resources) for found in ack_all(stream)] == [2, 2, 1]


def test_one_resource_may_be_larger_than_a_response_should_be() -> None:
    stream = Stream(Snapshot([plain(SECRET, "a", b"x" * 400), plain(SECRET, "b")]), chunk=100)
    stream.receive(Request(SECRET, subscribe=("a", "b")))
    assert shape(ack_all(stream)) == [("Secret", ["a"], []), ("Secret", ["b"], [])]


def test_nothing_is_settled_before_clusters_and_listeners_are_asked_for() -> None:
    stream = Stream(Snapshot())
    assert not stream.settled
    stream.receive(Request(CLUSTER))
    ack_all(stream)
    assert not stream.settled
    stream.receive(Request(LISTENER))
    ack_all(stream)
    assert stream.synced
