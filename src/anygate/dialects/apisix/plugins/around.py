"""What surrounds a plugin while its rule is read."""

from collections.abc import Sequence
from typing import Any

from anygate.diagnostics import FieldPath, Rule
from anygate.dialects.apisix.context import Context, Fault, origin
from anygate.dialects.apisix.inline import read_inline
from anygate.dialects.apisix.nodes import Nodes
from anygate.dialects.apisix.plugins.entries import Entry
from anygate.dialects.apisix.plugins.plugin import Consumer, Refusal, RouteIds
from anygate.manifests.kind import Kind
from anygate.model.backend import Backend
from anygate.model.listener import Stage
from anygate.model.tls import Secret

NO_IDS = RouteIds()


class Around:
    """The `Surroundings` of one plugin of one rule."""

    def __init__(
        self,
        context: Context,
        nodes: Nodes,
        entry: Entry,
        consumers: Sequence[Consumer],
        ids: RouteIds = NO_IDS,
    ) -> None:
        self._context = context
        self._nodes = nodes
        self._entry = entry
        self.index = context.index
        self.owner: Kind = entry.owner
        self.origin = origin(entry.owner, entry.path)
        self.consumers = consumers
        self.secret = entry.secret
        self.ids = ids
        self.trusted_addresses: Sequence[str] = context.settings.trusted

    def add_secret(self, secret: Secret) -> str:
        """Keep a secret for the model and return its name."""
        return self._context.secrets.setdefault(secret.name, secret).name

    def add_backend(self, backend: Backend) -> str:
        """Keep a backend for the model and return its name."""
        return self._context.backends.setdefault(backend.name, backend).name

    def add_copies(self, stage: Stage) -> str:
        """Keep a stage that copies of requests pass, and return its name."""
        return self._context.copies.setdefault(stage.name, stage).name

    def resolve_upstream(self, spec: Any, path: FieldPath) -> str | Refusal:
        """The backend's name of an inline upstream at a field of the `config`."""
        place = (*self._entry.config_path, *path)
        found = read_inline(self._context, self._nodes, self.owner, spec, place)
        if isinstance(found, Fault):
            depth = len(self._entry.config_path)
            return Refusal(found.rule, found.message, found.hint, found.path[depth:])
        return found

    def is_secret(self, path: FieldPath) -> bool:
        """Whether a value of the `config` comes from the Secret of the entry."""
        secret = self._context.index.secret(self._entry.owner.namespace, self._entry.secret)
        return secret is not None and ".".join(map(str, path)) in secret.values

    def refuse_part(self, refusal: Refusal) -> None:
        """Report that some requests of the rule are refused for want of something in the plugin's `config`."""
        path = (*self._entry.config_path, *refusal.path)
        self._context.refuse_part(self.owner, Fault(refusal.rule, refusal.message, path, refusal.hint))

    def note(self, rule: Rule, message: str, path: FieldPath = (), hint: str = "") -> None:
        """Report a finding at a field of the plugin's `config` that refuses nothing."""
        self._context.note(rule, message, self.owner, (*self._entry.config_path, *path), hint)
