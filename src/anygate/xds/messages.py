"""The delta ADS protocol as plain values: what a client says, what we answer, what we learn from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from anygate.envoy.snapshot import Resource


@dataclass(frozen=True, slots=True)
class Request:
    """One DeltaDiscoveryRequest. `error` is the text of a NACK, None when the request refuses nothing."""

    type_url: str
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial_versions: Mapping[str, str] = field(default_factory=dict)
    nonce: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """One DeltaDiscoveryResponse: resources to take over and names that do not exist any more."""

    type_url: str
    nonce: str
    resources: tuple[Resource, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Acked:
    """The client took these versions over and dropped these names."""

    type_url: str
    versions: Mapping[str, str]
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Nacked:
    """The client refused these resources and keeps what it had. `message` is Envoy's own text."""

    type_url: str
    names: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Connected:
    """A client opened a stream and said who it is."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The stream of a client is over."""


Outcome = Acked | Nacked
Event = Acked | Nacked | Connected | Disconnected
