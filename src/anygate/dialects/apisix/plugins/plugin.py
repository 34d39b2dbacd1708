"""What a plugin is to the reader: a name, the shape of its configuration, and what it makes of a rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from anygate.diagnostics import FieldPath, Rule
from anygate.dialects.apisix.plugins.entries import Entry
from anygate.manifests.index import Index
from anygate.manifests.kind import Kind, Node
from anygate.model.backend import Backend
from anygate.model.listener import Stage
from anygate.model.origin import Origin
from anygate.model.route import HttpRule
from anygate.model.tls import Secret


@dataclass(frozen=True)
class Refusal:
    """Why a plugin cannot be honoured: a rule, a sentence, a hint, and the field of its `config` to blame."""

    rule: Rule
    message: str
    hint: str = ""
    path: FieldPath = ()


@dataclass(frozen=True)
class Consumer:
    """An ApisixConsumer by one of its credentials (of a kind such as `keyAuth`): its id, such as `ns_name`, and either
    the limits of its own or, where it has others too, all plugins of its own."""

    id: str
    names: tuple[str, ...]
    kind: str
    credential: Any
    origin: Origin
    limits: tuple[Entry, ...] = ()
    plugins: tuple[Entry, ...] = ()


class RouteIds(NamedTuple):
    """What the ingress controller calls a rule's route and service in APISIX: each as an id, and as a name."""

    route: tuple[str, ...] = ()
    service: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answered:
    """A rule that gives its answer before any plugin of a lower priority is asked, so that none may change it."""

    rule: HttpRule


class Surroundings(Protocol):
    """What a plugin may ask for and leave behind while a rule is read."""

    index: Index
    owner: Kind
    """The object that the rule stands in."""
    origin: Origin
    """Where the plugin's entry was written."""
    consumers: Sequence[Consumer]
    secret: str
    """The Secret of the plugin's entry; empty where it names none."""
    ids: RouteIds
    """None of either where the rule belongs to no ApisixRoute."""

    trusted_addresses: Sequence[str]
    """The proxies in front of the gateway that are believed, as ranges of addresses."""

    def add_secret(self, secret: Secret) -> str:
        """Keep a secret for the model and return its name."""
        ...

    def add_backend(self, backend: Backend) -> str:
        """Keep a backend for the model and return its name."""
        ...

    def add_copies(self, stage: Stage) -> str:
        """Keep a stage that copies of requests pass, and return its name."""
        ...

    def resolve_upstream(self, spec: Any, path: FieldPath) -> str | Refusal:
        """The backend's name of an inline upstream (APISIX's own `{type, nodes, scheme, ...}`)."""
        ...

    def is_secret(self, path: FieldPath) -> bool:
        """Whether a value of the plugin's `config` comes from the Secret of its entry."""
        ...

    def refuse_part(self, refusal: Refusal) -> None:
        """Report that some requests of the rule are refused for want of something in the plugin's `config`."""
        ...

    def note(self, rule: Rule, message: str, path: FieldPath = (), hint: str = "") -> None:
        """Report a finding at a field of the plugin's `config` that refuses nothing."""
        ...


class Plugin(Protocol):
    """One plugin by APISIX's name. `is_guard` says that a route must answer 503 rather than run without it."""

    @property
    def name(self) -> str:
        """What APISIX calls it."""
        ...

    @property
    def config(self) -> type[Node]:
        """The shape of its configuration."""
        ...

    @property
    def is_guard(self) -> bool:
        """Whether a route must not run without it."""
        ...

    def apply(self, config: Any, rule: HttpRule, surroundings: Surroundings) -> Sequence[HttpRule | Answered] | Refusal:
        """The rule as the plugin makes it; several where it splits requests, the first that matches decides."""
        ...
