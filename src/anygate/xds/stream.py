"""The delta ADS protocol for one stream, without I/O and without a clock: requests in, responses out.

The order across types is make-before-break, as in "Eventual consistency considerations" of Envoy's xDS
protocol page: secrets, clusters and endpoints first; listeners and routes once Envoy has taken those over
(Envoy withholds the ACK of a cluster until the cluster is warm); what nothing refers to any more last.
"""

from collections.abc import Mapping

from anygate.envoy.snapshot import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET, TYPES, Resource, Snapshot
from anygate.xds.messages import Nacked, Outcome, Request, Response
from anygate.xds.references import endpoints_of, is_internal
from anygate.xds.subscription import Subscription

_REFERRED = (SECRET, CLUSTER, ENDPOINTS)
_REFERRING = (LISTENER, ROUTES)
_CHUNK = 4 * 1024 * 1024


class Stream:
    """One client's stream: feed it requests and snapshots, send what `responses` returns."""

    def __init__(self, snapshot: Snapshot, *, chunk: int = _CHUNK) -> None:
        self._snapshot = snapshot
        self._chunk = chunk
        self._subscriptions: dict[str, Subscription] = {}
        self._retired_internal: set[str] = set()
        self._count = 0
        self._is_patient = True

    @property
    def settled(self) -> bool:
        """The client accepted or refused everything of the current snapshot that it subscribes to."""
        # Envoy asks for clusters, then for listeners; before both it cannot be done.
        if CLUSTER not in self._subscriptions or LISTENER not in self._subscriptions:
            return False
        return not any(
            found.in_flight or found.greets or self._sendable(found) for found in self._subscriptions.values()
        )

    @property
    def synced(self) -> bool:
        """The client has the current snapshot, all of it."""
        return self.settled and not self.refusals

    @property
    def refusals(self) -> tuple[Nacked, ...]:
        """What the client refuses of the current snapshot, one entry for each resource."""
        return tuple(refusal for found in self._subscriptions.values() for refusal in found.refusals())

    @property
    def is_held_up(self) -> bool:
        """Listeners or routes wait for the client to take over what they refer to."""
        return (
            self._is_patient
            and not self._is_quiet(*_REFERRED)
            and any(found.additions() for found in self._present(*_REFERRING))
        )

    def publish(self, snapshot: Snapshot) -> None:
        """Make a snapshot the one that the client should have."""
        former, self._snapshot = self._snapshot, snapshot
        for name, listener in former[LISTENER].items():
            if name not in snapshot[LISTENER] and is_internal(listener):
                self._retired_internal.add(name)
        self._retired_internal -= snapshot[LISTENER].keys()
        for type_url, found in self._subscriptions.items():
            found.retarget(self._wanted(type_url))

    def receive(self, request: Request) -> Outcome | None:
        """Take a request over and return what it accepts or refuses, if anything."""
        found = self._subscriptions.get(request.type_url)
        if found is None:
            wanted = self._wanted(request.type_url)
            self._subscriptions[request.type_url] = Subscription(request.type_url, wanted, request)
            return None
        outcome = found.settle(request) if request.nonce else None
        found.update(request)
        return outcome

    def responses(self) -> list[Response]:
        """Return what is to be sent now; each response counts as sent from here on."""
        if self._is_quiet(*_REFERRED):
            self._is_patient = True
        return [response for type_url in self._order() if (response := self._respond(type_url))]

    def hurry(self) -> None:
        """Send listeners and routes now, not once the client has taken over what they refer to.

        A cluster whose hosts never answer stays unwarmed for long, and must not hold up all other changes.
        """
        self._is_patient = False

    def _respond(self, type_url: str) -> Response | None:
        found = self._subscriptions.get(type_url)
        if found is None or found.in_flight:
            return None
        names = self._sendable(found)
        if not names and not found.greets:
            return None
        self._count += 1
        response = found.send(names, str(self._count), self._chunk)
        if type_url == CLUSTER:
            self._owe_endpoints(response.resources)
        return response

    def _owe_endpoints(self, clusters: tuple[Resource, ...]) -> None:
        # Envoy builds a changed cluster anew and waits for endpoints without asking for those it already
        # asked for; unless they come again it falls back to its cache only after initial_fetch_timeout.
        endpoints = self._subscriptions.get(ENDPOINTS)
        if endpoints is None:
            return
        for cluster in clusters:
            name = endpoints_of(cluster)
            if endpoints.asks_for(name):
                endpoints.owe(name)

    def _sendable(self, found: Subscription) -> list[str]:
        names = found.absences()
        additions = found.next_additions()
        if additions and self._may_add(found.type_url):
            names += additions
        elif additions and found.type_url == LISTENER:
            # A listener goes together with additions, which may take over its port.
            return names
        return names + [name for name in found.removals() if self._may_remove(found.type_url, name)]

    def _may_add(self, type_url: str) -> bool:
        return type_url not in _REFERRING or not self._is_patient or self._is_quiet(*_REFERRED)

    def _may_remove(self, type_url: str, name: str) -> bool:
        """Tell whether nothing that the client runs refers to a resource any more.

        What the client refused to replace keeps running, and so does what that refers to.
        """
        if type_url == LISTENER:
            return name not in self._retired_internal or self._is_done(ROUTES, CLUSTER)
        if type_url == ROUTES:
            return self._is_done(LISTENER)
        if type_url == CLUSTER:
            return self._is_done(LISTENER, ROUTES) and self._is_quiet(*_REFERRED)
        clusters = self._present(CLUSTER)
        return self._is_done(CLUSTER, LISTENER, ROUTES) and not any(found.removals() for found in clusters)

    def _is_quiet(self, *type_urls: str) -> bool:
        """Tell whether the client answered all additions of these types."""
        return not any(found.in_flight or found.additions() for found in self._present(*type_urls))

    def _is_done(self, *type_urls: str) -> bool:
        """Tell whether the client accepted all additions of these types and stopped its former listeners.

        A client that comes back tells type by type what it has; a type that is still to come is not done.
        """
        return (
            all(name in self._subscriptions or not self._expects(name) for name in type_urls)
            and self._is_quiet(*type_urls)
            and not any(found.has_refusals for found in self._present(*type_urls))
            and not (LISTENER in type_urls and self._retires_listeners())
        )

    def _expects(self, type_url: str) -> bool:
        return type_url in (CLUSTER, LISTENER) or bool(self._wanted(LISTENER) and self._wanted(type_url))

    def _retires_listeners(self) -> bool:
        return any(name not in self._retired_internal for name in self._subscriptions[LISTENER].removals())

    def _present(self, *type_urls: str) -> list[Subscription]:
        return [self._subscriptions[name] for name in type_urls if name in self._subscriptions]

    def _order(self) -> list[str]:
        return [*TYPES, *(name for name in self._subscriptions if name not in TYPES)]

    def _wanted(self, type_url: str) -> Mapping[str, Resource]:
        # A client may ask for types that we never serve; it is told that nothing of the kind exists.
        return self._snapshot[type_url] if type_url in TYPES else {}
