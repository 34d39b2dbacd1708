"""Whatever happens in whatever order, a client ends up with the last snapshot, unbroken on the way."""

from collections import deque
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from anygate.envoy import api
from anygate.envoy.snapshot import (
    CLUSTER,
    ENDPOINTS,
    LISTENER,
    ROUTES,
    Resource,
    Snapshot,
    resource,
)
from anygate.xds.messages import Request, Response
from anygate.xds.stream import Stream

BAD = "bad"
CLUSTERS = ("a", "b", "c", "d")
NOTES = st.sampled_from(("1", "2", "3", BAD))
FORMS = {CLUSTER: "envoy.config.cluster.v3.Cluster", LISTENER: "envoy.config.listener.v3.Listener"}


def cluster(name: str, note: str) -> Resource:
    built = api.build(FORMS[CLUSTER], name=name, alt_stat_name=note)
    return resource(CLUSTER, name, api.serialise(built))


def listener(name: str, route: str, note: str) -> Resource:
    built = api.build(FORMS[LISTENER], name=name, stat_prefix=f"{route}:{note}")
    return resource(LISTENER, name, api.serialise(built))


def route(name: str, target: str, note: str) -> Resource:
    return resource(ROUTES, name, f"{target}:{note}".encode())


def is_bad(found: Resource) -> bool:
    return BAD.encode() in found.body


def target_of(found: Resource) -> str:
    return found.body.decode().partition(":")[0]


def route_of(found: Resource) -> str:
    made = api.message(FORMS[LISTENER]).FromString(found.body)
    return str(made.stat_prefix).partition(":")[0]


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """A snapshot in which every route leads to a cluster and every listener to a route."""
    names = draw(st.lists(st.sampled_from(CLUSTERS), min_size=1, unique=True))
    found = [cluster(name, draw(NOTES)) for name in names]
    found += [resource(ENDPOINTS, name, draw(NOTES).encode()) for name in names]
    routes = draw(st.lists(st.sampled_from(("r1", "r2", "r3")), min_size=1, unique=True))
    found += [route(name, draw(st.sampled_from(names)), draw(NOTES)) for name in routes]
    for name in draw(st.lists(st.sampled_from(("l1", "l2")), unique=True)):
        found.append(listener(name, draw(st.sampled_from(routes)), draw(NOTES)))
    return Snapshot(found)


@dataclass
class Envoy:
    """A client that refuses bad resources as Envoy does and checks everything that it is told."""

    has: dict[str, dict[str, Resource]] = field(
        default_factory=lambda: {name: {} for name in (CLUSTER, ENDPOINTS, LISTENER, ROUTES)}
    )
    asked: dict[str, set[str]] = field(default_factory=lambda: {ENDPOINTS: set(), ROUTES: set()})
    unsure: set[tuple[str, str]] = field(default_factory=set)

    def first_requests(self) -> list[Request]:
        return [
            Request(
                type_url,
                subscribe=tuple(sorted(self.asked.get(type_url, ()))),
                initial_versions={name: found.version for name, found in has.items()},
            )
            for type_url, has in self.has.items()
            if self.asked.get(type_url, True)
        ]

    def take(self, response: Response, sent_from: Snapshot, *, is_terse: bool) -> list[Request]:
        """Apply a response and return what the client says then."""
        bad = [found.name for found in response.resources if is_bad(found)]
        applied = [found for found in response.resources if not is_bad(found)]
        error = None
        if bad:
            error = "cannot parse"
            self.unsure |= {(response.type_url, found.name) for found in response.resources}
            if is_terse or response.type_url in (ENDPOINTS, ROUTES):
                return [Request(response.type_url, nonce=response.nonce, error=error)]
            form = "listener" if response.type_url == LISTENER else "cluster"
            error = f"Error adding/updating {form}(s) " + ", ".join(f"{name}: is bad" for name in bad)
        for name in response.removed:
            self.drop(response.type_url, name)
        for found in applied:
            self.adopt(found, sent_from)
        changes = self.resubscribe()
        return [*changes, Request(response.type_url, nonce=response.nonce, error=error)]

    def adopt(self, found: Resource, sent_from: Snapshot) -> None:
        asked = self.asked.get(found.type_url)
        if asked is not None and found.name not in asked:
            return
        former = self.has[found.type_url].get(found.name)
        if found.type_url != ENDPOINTS and (found.type_url, found.name) not in self.unsure:
            assert former != found, "an unchanged resource was sent"
        if found.type_url == ROUTES and found.name in sent_from[ROUTES]:  # else it stands for none
            target = target_of(found)
            assert target in self.has[CLUSTER] or is_bad(sent_from[CLUSTER][target])
        self.has[found.type_url][found.name] = found
        self.unsure.discard((found.type_url, found.name))

    def drop(self, type_url: str, name: str) -> None:
        self.has[type_url].pop(name, None)
        if type_url == CLUSTER:
            active = {route_of(found) for found in self.has[LISTENER].values()}
            targets = {target_of(found) for key, found in self.has[ROUTES].items() if key in active}
            assert name not in targets, "a cluster went before the route to it"

    def resubscribe(self) -> list[Request]:
        wanted = {
            ENDPOINTS: set(self.has[CLUSTER]),
            ROUTES: {route_of(found) for found in self.has[LISTENER].values()},
        }
        requests = []
        for type_url, names in wanted.items():
            added, dropped = names - self.asked[type_url], self.asked[type_url] - names
            if added or dropped:
                requests.append(Request(type_url, tuple(sorted(added)), tuple(sorted(dropped))))
            for name in dropped:
                self.has[type_url].pop(name, None)
        self.asked = wanted
        return requests


class Conversation(RuleBasedStateMachine):
    """Snapshots, deliveries, answers and broken connections in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.snapshot = Snapshot()
        self.envoy = Envoy()
        self.connect()

    def connect(self) -> None:
        self.stream = Stream(self.snapshot, chunk=20)
        self.down: deque[tuple[Response, Snapshot]] = deque()
        self.up = deque(self.envoy.first_requests())

    @rule(snapshot=snapshots())
    def publish(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.stream.publish(snapshot)

    @rule()
    def poll(self) -> None:
        for response in self.stream.responses():
            present = self.snapshot[response.type_url].keys()
            assert not present & set(response.removed), "a resource that exists was removed"
            self.down.append((response, self.snapshot))

    @rule(is_terse=st.booleans())
    def deliver(self, is_terse: bool) -> None:
        if self.down:
            response, sent_from = self.down.popleft()
            self.up += self.envoy.take(response, sent_from, is_terse=is_terse)

    @rule()
    def answer(self) -> None:
        if self.up:
            self.stream.receive(self.up.popleft())

    @rule()
    def reconnect(self) -> None:
        self.connect()

    @rule(is_terse=st.booleans())
    def converge(self, is_terse: bool) -> None:
        for _ in range(1000):
            self.poll()
            if not self.down and not self.up:
                break
            self.deliver(is_terse)
            self.answer()
        else:
            raise AssertionError("the conversation does not end")
        assert self.stream.settled
        self.check_everything_good_arrived()

    def check_everything_good_arrived(self) -> None:
        refused = {(found.type_url, found.names) for found in self.stream.refusals}
        for type_url, has in self.envoy.has.items():
            wanted = self.snapshot[type_url]
            asked = self.envoy.asked.get(type_url, set(wanted))
            for name in asked & wanted.keys():
                if is_bad(wanted[name]):
                    assert (type_url, (name,)) in refused
                    assert has.get(name) != wanted[name]
                else:
                    assert has[name] == wanted[name]
            if not refused:
                assert has.keys() <= wanted.keys()
        assert self.stream.synced is not bool(refused)

    @invariant()
    def nothing_settled_is_left_to_send(self) -> None:
        if self.stream.settled:
            assert self.stream.responses() == []


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
