"""Rules that a conversion writes in kinds of another API than the Gateways that they belong to.

Two dialects write them together and know nothing of each other: the host writes the Gateways, backends and policies,
the guest the routes. This is all that passes between them.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from anygate.diagnostics import Rule
from anygate.model.backend import Backend
from anygate.model.match import HttpMatch
from anygate.model.origin import Origin
from anygate.model.root import Model
from anygate.model.route import HttpRoute, HttpRule
from anygate.model.tls import Secret


class Line(NamedTuple):
    """One row of a route table: conditions (None: none), the rule they lead to, and the route that it stands in."""

    route: HttpRoute
    rule: HttpRule
    match: HttpMatch | None


class Host(Protocol):
    """What the writer of Gateways does for a guest."""

    @property
    def backends(self) -> Mapping[str, Backend]:
        """The model's backends by name."""

    @property
    def secrets(self) -> Mapping[str, Secret]:
        """The model's secrets by name."""

    def add(self, kind: str, namespace: str, name: str, body: dict[str, Any], sources: Sequence[Origin]) -> str:
        """Write an object; the name that it got, with a number where it was taken."""

    def write_parents(self, namespace: str) -> list[dict[str, Any]]:
        """References of a route of this namespace to the listeners of the table that is being written."""

    def write_headers(self, match: HttpMatch) -> list[dict[str, str]] | None:
        """The headers that a match asks for; None where it cannot be said, or asks for more, which is then named."""

    def refer_backend(self, name: str, kind: str, namespace: str) -> dict[str, Any]:
        """A reference to Envoy Gateway's Backend, which is written, made by an object of `kind`."""

    def allow(self, kind: str, namespace: str, target: str, target_namespace: str, name: str) -> None:
        """Let objects of a kind in one namespace refer to an object in another."""

    def refer_secret(self, name: str, kind: str, namespace: str, key: str) -> dict[str, Any]:
        """A reference to the Secret that holds a secret of the model, or that people have to make with this key."""

    def add_policies(self, namespace: str, route: str, section: str, rule: HttpRule) -> None:
        """Have policies for an HTTPRoute of this name carry what a rule asks for that is no part of routes."""

    def lose(self, rule: Rule, origin: Origin, message: str, hint: str = "") -> None:
        """Name what is lost."""

    def leave(self, thing: str, text: str, origin: Origin) -> None:
        """Leave something to people."""


class Guest(Protocol):
    """Writes routes in kinds of its own."""

    @property
    def carried(self) -> Collection[str]:
        """The fields of the model (`Timeouts.attempt_idle`) that it writes, or names where it cannot."""

    def prepare(self, model: Model) -> Model:
        """The model without what goes without saying in the guest's kinds."""

    def is_for(self, line: Line, backends: Mapping[str, Backend]) -> bool:
        """Whether a row is the guest's to write."""

    def write(self, host: Host, hostnames: Sequence[str], lines: Sequence[Line]) -> Sequence[Line | None]:
        """Write the guest's rows of one table, in their order; for each the row, if any, that the host has to write."""

    def finish(self, host: Host) -> None:
        """Write what all tables have in common."""
