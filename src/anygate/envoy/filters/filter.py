"""What every HTTP filter says: its entries in a server's filter chain, and its settings on one route."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from google.protobuf.message import Message

from anygate.envoy.api import any_of, build
from anygate.envoy.refusal import CannotBuild
from anygate.model.listener import Server
from anygate.model.origin import Origin
from anygate.model.route import HttpRule
from anygate.model.tls import Opaque, Secret

FILTER_CONFIG = "envoy.config.route.v3.FilterConfig"


class ChainEntry(NamedTuple):
    """One `HttpFilter` of a connection manager. A disabled one costs nothing until a route names it.

    `inert` says that it does nothing where it was turned on for a route that a request met first, and the final route
    says nothing of it. One that is not gets a switch where AI requests pass (`envoy/switch.py`).
    """

    name: str
    config: Message
    disabled: bool = False
    inert: bool = False


class Scope(NamedTuple):
    """What a route's settings depend on besides its rule: its server, and the model's secrets by name.

    `switched` says that AI requests pass the chain, so that some of its filters have switches (`envoy/switch.py`).
    """

    server: Server | None = None
    secrets: Mapping[str, Secret] = MappingProxyType({})
    switched: bool = False

    def reveal(self, name: str, origin: Origin) -> bytes:
        """Return the bytes of a generic secret, for filters that Envoy gives no way to read it over SDS."""
        found = self.secrets.get(name)
        if not isinstance(found, Opaque):
            raise CannotBuild(origin, f"the secret {name} is not there")
        return found.value.reveal()


NO_SCOPE = Scope()
"""No server and no secrets: enough for rules that need neither, and refused by those that do."""


class HttpFilter(Protocol):
    """One row of the table of filters."""

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entries for a server's filter chain, given all rules that can be reached through it.

        Names depend only on the objects that ask for an entry, never on other routes, so that an unrelated
        change leaves them alone. Without a rule that needs the filter there is no entry, except for filters
        that guard requests and get their settings from the route: those stand in every chain.

        The reason was tried on Envoy 1.40: a connection keeps the chain it was opened with until it is
        drained. New routes reach it at once, and a route's settings for an entry that the chain lacks are
        ignored, so a client could go on unauthenticated on a connection from before the policy. An entry that
        is off costs a request nothing, and as the listener does not change, no connection has to be drained.
        """
        ...

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the route's `typed_per_filter_config`, not yet packed, by entry name.

        Raises `CannotBuild` when the rule asks for something that must not be left out.
        """
        ...


def enable(config: Message | None = None) -> Any:
    """Return what turns on, for one route, an entry that is off by default and has no settings per route.

    An empty Any stands for the filter's own settings; without any `config` Envoy refuses the route
    (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/http/http_filters#route-based-filter-chain).
    """
    return build(FILTER_CONFIG, config={} if config is None else any_of(config))


def label(origin: Origin) -> str:
    """Name the place in an object that an entry stands for: `SecurityPolicy/default/login#spec.oidc`."""
    return f"{origin.object}#{origin.path}" if origin.path else origin.object


def only(entries: Sequence[tuple[Origin, ChainEntry]]) -> list[ChainEntry]:
    """Return each entry once, in the order of names. Two different entries of one name are refused.

    Sorting keeps the chain the same whatever order routes are read in, which spares Envoy a new listener.
    """
    found: dict[str, ChainEntry] = {}
    for origin, entry in entries:
        if found.setdefault(entry.name, entry) != entry:
            raise CannotBuild(origin, f"two different settings share the name {entry.name}")
    return [found[name] for name in sorted(found)]
