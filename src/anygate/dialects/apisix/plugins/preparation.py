"""Plugins before they are applied: which are known, and what their configurations say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from anygate.dialects.apisix.certificates import find_secret
from anygate.dialects.apisix.closing import CLOSED
from anygate.dialects.apisix.context import Context, Fault
from anygate.dialects.apisix.expressions import Conditions, Unread
from anygate.dialects.apisix.findings import PLUGIN_CONFIG, PLUGIN_SKIPPED, UNKNOWN_PLUGIN
from anygate.dialects.apisix.kinds.apisixconsumer import ApisixConsumer
from anygate.dialects.apisix.plugins.entries import Entry
from anygate.dialects.apisix.plugins.meta import DECIDING, KEY, read_filter, read_meta
from anygate.dialects.apisix.plugins.overlay import overlay
from anygate.dialects.apisix.plugins.plugin import Plugin
from anygate.dialects.apisix.plugins.table import PLUGINS
from anygate.manifests.faults import report_faults
from anygate.manifests.kind import Node
from anygate.manifests.names import suggest_word


@dataclass(frozen=True)
class Prepared:
    """A plugin that is known, with its configuration read, the conditions under which it runs, and what clients read
    when it refuses them, if not its own words."""

    plugin: Plugin
    entry: Entry
    config: Node
    filters: tuple[Conditions, ...]
    refusal: Any = None


class Preparation:
    """Reads each entry once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._known: dict[tuple[int, object], Prepared | Fault | None] = {}

    def prepare(self, entry: Entry) -> Prepared | Fault | None:
        """Read a plugin's configuration once; None means that it does not run, a fault that its rules are closed."""
        key = (id(entry.owner), entry.path)
        if key not in self._known:
            self._known[key] = self._read(entry)
        found = self._known[key]
        if isinstance(found, Fault):
            self._context.conditions.refuse_part(entry.owner.ref, found.message)
        return found

    def _read(self, entry: Entry) -> Prepared | Fault | None:
        meta = read_meta(self._context, entry)
        if meta is not None and meta.disable:
            return None
        plugin = PLUGINS.get(entry.name)
        if plugin is None:
            text = f"the plugin {entry.name} is not known here: {asked_by(entry)} are answered with {CLOSED}"
            hint = suggest_word(entry.name, sorted(PLUGINS))
            return self.report(Fault(UNKNOWN_PLUGIN, text, (*entry.path, "name"), hint), entry)
        if meta is None:
            return self._fail(plugin, entry, f"the _meta of {entry.name} is not valid")
        filters = read_filter(meta)
        if isinstance(filters, Unread):
            text = f"when the plugin runs cannot be told: {filters.reason}"
            fault = self.report(Fault(PLUGIN_CONFIG, text, (*entry.config_path, KEY, "filter")), entry)
            # Where requests go, and which of them are answered here, is no less than who may send them.
            return fault if plugin.name in DECIDING else self._fail(plugin, entry, text)
        config = self._read_config(plugin, entry)
        if isinstance(config, Fault):
            return config
        if config is None:
            return self._fail(plugin, entry, f"the configuration of {entry.name} is not valid")
        return Prepared(plugin, entry, config, filters, meta.error_response)

    def _read_config(self, plugin: Plugin, entry: Entry) -> Node | Fault | None:
        config = {key: value for key, value in entry.config.items() if key != KEY}
        secret_paths: frozenset[tuple[str, ...]] = frozenset()
        if entry.secret:
            secret = find_secret(self._context, entry.owner.namespace, entry.secret, (*entry.path, "secretRef"))
            if isinstance(secret, Fault):
                # APISIX once let requests through without the values, among them credentials.
                closed = f"{secret.message}: {asked_by(entry)} are answered with {CLOSED}"
                return self.report(replace(secret, message=closed), entry)
            config, secret_paths = overlay(config, secret)
        try:
            return plugin.config.model_validate(config)
        except ValidationError as error:
            faults = error.errors(include_url=False)
        written = [one for one in faults if not _is_from_secret(one["loc"], secret_paths)]
        report_faults(entry.owner.manifest, plugin.config, written, self._context.report, entry.config_path)
        # What a Secret holds is not shown.
        for one in faults:
            if one not in written:
                name = ".".join(map(str, one["loc"]))
                text = f"the value that the Secret {entry.secret} has for {name} is not valid"
                self.report(Fault(PLUGIN_CONFIG, text, (*entry.path, "secretRef")), entry)
        return None

    def _fail(self, plugin: Plugin, entry: Entry, message: str) -> Fault | None:
        """Close the rule for want of a guard; a rule that only lacks something else runs without it."""
        if plugin.is_guard:
            return Fault(PLUGIN_CONFIG, message, entry.path)
        self.skip(entry, message)
        return None

    def skip(self, entry: Entry, message: str) -> None:
        """Say that a plugin is left out."""
        text = f"{entry.name} is left out: {message}"
        self._context.note(PLUGIN_SKIPPED, text, entry.owner, (*entry.path, "name"))

    def report(self, fault: Fault, entry: Entry) -> Fault:
        """Report why requests are refused or a plugin is left out, and return it."""
        self._context.refuse_part(entry.owner, fault)
        return fault


def asked_by(entry: Entry) -> str:
    """Whose requests a plugin is for, in words."""
    return "requests of the consumer" if isinstance(entry.owner, ApisixConsumer) else "requests of the rule"


def _is_from_secret(place: Sequence[object], paths: frozenset[tuple[str, ...]]) -> bool:
    return any(tuple(map(str, place[: len(path)])) == path for path in paths)
