"""What one client wants, has and refuses of one resource type."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping

from anygate.envoy.snapshot import CLUSTER, LISTENER, ROUTES, Resource
from anygate.xds.messages import Acked, Nacked, Outcome, Request, Response
from anygate.xds.references import empty_routes
from anygate.xds.refusals import named_in

ABSENT = ""
"""The version of a resource that does not exist."""

_WILDCARD = "*"


class Subscription:
    """One resource type on one stream. One response at most is in flight, so the newest content wins."""

    def __init__(self, type_url: str, wanted: Mapping[str, Resource], first: Request) -> None:
        self.type_url = type_url
        self._wanted = wanted
        self._wildcard = not first.subscribe and type_url in (CLUSTER, LISTENER)
        self._names: set[str] = set()
        # None stands for "no longer sure": the client refused a response that held this resource.
        self._known: dict[str, str | None] = dict(first.initial_versions)
        self._owed: set[str] = set()
        self._refused: dict[str, tuple[str, str]] = {}
        self._suspects: deque[frozenset[str]] = deque()
        self._sent: dict[str, str] | None = None
        self._nonce = ""
        # A client that knows nothing waits for an answer even when there is nothing to tell.
        self._greets = not first.initial_versions and (self._wildcard or _WILDCARD in first.subscribe)
        self._subscribe(first.subscribe, is_first=True)
        self._known = {name: version for name, version in self._known.items() if self._concerns(name)}
        self._pending = self._differing()

    @property
    def in_flight(self) -> bool:
        """A response is on its way and neither accepted nor refused."""
        return self._sent is not None

    @property
    def has_refusals(self) -> bool:
        """The client refuses a part of what it should have now."""
        return bool(self._refused)

    @property
    def greets(self) -> bool:
        """The client waits for a first answer although there is nothing to tell."""
        return self._greets and not self.additions()

    def asks_for(self, name: str) -> bool:
        """Tell whether the client named this resource."""
        return name in self._names

    def refusals(self) -> tuple[Nacked, ...]:
        """Return what the client refuses of what it should have now."""
        return tuple(Nacked(self.type_url, (name,), message) for name, (_, message) in sorted(self._refused.items()))

    def additions(self) -> list[str]:
        """Return the resources that the client lacks or has in another version."""
        return [name for name in self._pending if name in self._wanted and self._differs(name)]

    def next_additions(self) -> list[str]:
        """Return the additions that may share a response: all, unless one of them is known to be refused."""
        additions = self.additions()
        while self._suspects:
            group = self._suspects[0].intersection(additions)
            if group:
                return list(group)
            self._suspects.popleft()
        return additions

    def absences(self) -> list[str]:
        """Return the names that the client asked for, got no answer to, and that do not exist."""
        return [name for name in self._missing() if self._awaits(name)]

    def removals(self) -> list[str]:
        """Return the resources that the client has and should not have any more."""
        return [name for name in self._missing() if not self._awaits(name)]

    def retarget(self, wanted: Mapping[str, Resource]) -> None:
        """Take over the content of a new snapshot."""
        self._wanted = wanted
        self._suspects.clear()
        self._refused = {name: refusal for name, refusal in self._refused.items() if refusal[0] == self._target(name)}
        self._pending = self._differing()

    def update(self, request: Request) -> None:
        """Take over what a later request subscribes to and drops."""
        for name in request.unsubscribe:
            self._drop(name)
        self._subscribe(request.subscribe, is_first=False)

    def owe(self, name: str) -> None:
        """Send a resource again although the client has it."""
        if name in self._wanted:
            self._owed.add(name)
            self._pending.add(name)

    def send(self, names: Iterable[str], nonce: str, limit: int) -> Response:
        """Make the next response of as many of these names as fit in `limit` bytes, but at least of one."""
        resources: list[Resource] = []
        ordered = sorted(names, key=lambda name: (name in self._wanted, name))
        sent: dict[str, str] = {}
        size = 0
        for name in ordered:
            found = self._wanted.get(name)
            size += len(found.body) if found else 0
            if sent and size > limit:
                break
            sent[name] = self._target(name)
            if found is None and self.type_url == ROUTES and self._awaits(name):
                found = empty_routes(name)
            if found:
                resources.append(found)
        self._sent, self._nonce, self._greets = sent, nonce, False
        self._owed.difference_update(sent)
        given = {found.name for found in resources}
        removed = tuple(name for name in sent if name not in given)
        return Response(self.type_url, nonce, tuple(resources), removed)

    def settle(self, request: Request) -> Outcome | None:
        """Take over the ACK or NACK that a request carries; None when there is nothing final to report."""
        if self._sent is None or request.nonce != self._nonce:
            return None
        sent, self._sent = self._sent, None
        if request.error is None:
            return self._accept(sent)
        return self._refuse(sent, request.error)

    def _accept(self, sent: Mapping[str, str]) -> Acked:
        for name, version in sent.items():
            if version == ABSENT and name not in self._names:
                self._known.pop(name, None)
            elif self._concerns(name):
                self._known[name] = version
            self._refused.pop(name, None)
        self._revise(sent)
        versions = {name: version for name, version in sent.items() if version != ABSENT}
        return Acked(self.type_url, versions, tuple(name for name in sent if name not in versions))

    def _refuse(self, sent: Mapping[str, str], message: str) -> Nacked | None:
        named = named_in(message, self.type_url, sent)
        if named:
            self._accept({name: version for name, version in sent.items() if name not in named})
            return self._condemn({name: sent[name] for name in named}, message)
        resources = sorted(name for name, version in sent.items() if version != ABSENT)
        if not resources:
            return self._condemn(sent, message)
        # The removals of the same response go with the next one.
        self._distrust(sent)
        if len(resources) == 1:
            return self._condemn({resources[0]: sent[resources[0]]}, message)
        # Envoy does not say which resource it means: send each half alone until it is found.
        middle = len(resources) // 2
        self._suspects.extendleft((frozenset(resources[middle:]), frozenset(resources[:middle])))
        return None

    def _condemn(self, sent: Mapping[str, str], message: str) -> Nacked:
        for name, version in sent.items():
            if self._concerns(name) and version == self._target(name):
                self._refused[name] = (version, message)
        self._distrust(sent)
        return Nacked(self.type_url, tuple(sorted(sent)), message)

    def _distrust(self, names: Iterable[str]) -> None:
        for name in names:
            if self._concerns(name):
                self._known[name] = None
        self._revise(names)

    def _revise(self, names: Iterable[str]) -> None:
        for name in names:
            if self._differs(name):
                self._pending.add(name)
            else:
                self._pending.discard(name)

    def _subscribe(self, names: Iterable[str], *, is_first: bool) -> None:
        for name in names:
            if name == _WILDCARD:
                self._wildcard = True
                if not is_first:
                    self._greets = True
                    self._pending = self._differing()
                continue
            self._names.add(name)
            if not is_first:
                # The client may have forgotten what it once had, so it gets an answer in any case.
                self._owed.add(name)
                self._pending.add(name)

    def _drop(self, name: str) -> None:
        if name == _WILDCARD:
            self._wildcard = False
            gone: Collection[str] = [known for known in self._known if known not in self._names]
        elif name not in self._names:
            return
        else:
            self._names.discard(name)
            gone = [name]
            if self._wildcard:
                # The client cannot know whether the wildcard still covers this name.
                self._owed.add(name)
                self._pending.add(name)
                return
        for former in gone:
            self._known.pop(former, None)
            self._refused.pop(former, None)
            self._owed.discard(former)
            self._pending.discard(former)

    def _missing(self) -> list[str]:
        return [name for name in self._pending if name not in self._wanted and self._differs(name)]

    def _differing(self) -> set[str]:
        concerned = self._names | self._owed
        if self._wildcard:
            concerned = concerned | self._wanted.keys() | self._known.keys()
        return {name for name in concerned if self._differs(name)}

    def _differs(self, name: str) -> bool:
        if name in self._owed:
            return True
        if not self._concerns(name):
            return False
        target = self._target(name)
        if name in self._refused and self._refused[name][0] == target:
            return False
        return self._known.get(name, None if name in self._names else ABSENT) != target

    def _awaits(self, name: str) -> bool:
        return name in self._owed or name not in self._known

    def _concerns(self, name: str) -> bool:
        return self._wildcard or name in self._names

    def _target(self, name: str) -> str:
        found = self._wanted.get(name)
        return found.version if found else ABSENT
