"""A rule with all of its plugins: each makes of it what it does, in the order in which APISIX runs them.

What cannot be had closes the rule if it guards it, and is left out otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from pydantic import ValidationError

from anygate.dialects.apisix.certificates import find_secret
from anygate.dialects.apisix.context import Context, Fault
from anygate.dialects.apisix.expressions import Conditions
from anygate.dialects.apisix.findings import NOT_HONOURED, PLUGIN_CONFIG, PLUGIN_SKIPPED, UNKNOWN_PLUGIN
from anygate.dialects.apisix.nodes import Nodes
from anygate.dialects.apisix.plugins.around import Around
from anygate.dialects.apisix.plugins.consumer_limits import limit_consumer
from anygate.dialects.apisix.plugins.consumers import CHECKED_BY
from anygate.dialects.apisix.plugins.entries import Entry
from anygate.dialects.apisix.plugins.error_response import reword
from anygate.dialects.apisix.plugins.meta import KEY, priority_of, read_filter, read_meta
from anygate.dialects.apisix.plugins.overlay import overlay
from anygate.dialects.apisix.plugins.plugin import Answered, Consumer, Plugin, Refusal
from anygate.dialects.apisix.plugins.table import PLUGINS
from anygate.manifests.faults import report_faults
from anygate.manifests.kind import Node
from anygate.manifests.names import suggest_word
from anygate.model.edit import Respond
from anygate.model.match import HttpMatch
from anygate.model.route import HttpRule

CLOSED = 503
"""The status of a rule that must not run as far as it can be had."""


@dataclass(frozen=True)
class _Prepared:
    """A plugin that is known, with its configuration read, the conditions under which it runs, and what clients read
    when it refuses them, if not its own words."""

    plugin: Plugin
    entry: Entry
    config: Node
    filters: tuple[Conditions, ...]
    refusal: Any = None


class Assembly:
    """Applies plugins to rules; `everywhere` are the entries of global rules, which come first."""

    def __init__(
        self, context: Context, nodes: Nodes, consumers: Sequence[Consumer], everywhere: Sequence[Entry]
    ) -> None:
        self._context = context
        self._nodes = nodes
        self._consumers = consumers
        self._prepared: dict[tuple[int, object], _Prepared | Fault | None] = {}
        self._everywhere = sorted(everywhere, key=priority_of, reverse=True)

    def apply(self, rule: HttpRule, entries: Sequence[Entry]) -> tuple[HttpRule, ...]:
        """The rules that a rule becomes; the first that matches decides."""
        rules: list[HttpRule | Answered] = [rule]
        own = sorted(entries, key=priority_of, reverse=True)
        for entry in (*self._everywhere, *own):
            prepared = self._prepare(entry)
            if isinstance(prepared, Fault):
                return (close(rule, prepared.message),)
            if prepared is None:
                continue
            made: list[HttpRule | Answered] = []
            for one in rules:
                found = [one] if isinstance(one, Answered) else self._apply_one(prepared, one)
                if isinstance(found, Fault):
                    return (close(rule, found.message),)
                made += found
            rules = made
        rules = [one if isinstance(one, Answered) else self._limit_consumers(one, own) for one in rules]
        return _named(rule, [one.rule if isinstance(one, Answered) else one for one in rules])

    def _limit_consumers(self, rule: HttpRule, own: Sequence[Entry]) -> HttpRule:
        """The rule with the limits of those consumers that it can tell."""
        known = {entry.name for entry in (*self._everywhere, *own)}
        for consumer in self._consumers:
            for entry in consumer.limits if CHECKED_BY.get(consumer.kind) in known else ():
                prepared = self._prepare(entry)
                if not isinstance(prepared, _Prepared):
                    continue
                around = Around(self._context, self._nodes, entry, self._consumers)
                limited = prepared.plugin.apply(prepared.config, rule, around)
                if isinstance(limited, Refusal):
                    self._note_refused(limited, entry)
                    continue
                (one,) = limited
                assert isinstance(one, HttpRule)
                replaced = next((other for other in own if other.name == entry.name), None)
                rule = limit_consumer(rule, one, consumer, replaced)
        return rule

    def _prepare(self, entry: Entry) -> _Prepared | Fault | None:
        """Read a plugin's configuration once; None means that it does not run, a fault that its rules are closed."""
        key = (id(entry.owner), entry.path)
        if key not in self._prepared:
            self._prepared[key] = self._read(entry)
        found = self._prepared[key]
        if isinstance(found, Fault):
            self._context.conditions.refuse_part(entry.owner.ref, found.message)
        return found

    def _read(self, entry: Entry) -> _Prepared | Fault | None:
        meta = read_meta(self._context, entry)
        if meta is not None and meta.disable:
            return None
        plugin = PLUGINS.get(entry.name)
        if plugin is None:
            text = f"the plugin {entry.name} is not known here: requests of the rule are answered with {CLOSED}"
            hint = suggest_word(entry.name, sorted(PLUGINS))
            return self._report(Fault(UNKNOWN_PLUGIN, text, (*entry.path, "name"), hint), entry)
        if meta is None:
            return self._fail(plugin, entry, f"the _meta of {entry.name} is not valid")
        filters = read_filter(meta)
        if isinstance(filters, str):
            fault = Fault(PLUGIN_CONFIG, f"when the plugin runs cannot be told: {filters}", (*entry.config_path, KEY))
            self._report(fault, entry)
            return self._fail(plugin, entry, fault.message)
        config = self._read_config(plugin, entry)
        if isinstance(config, Fault):
            return config
        if config is None:
            return self._fail(plugin, entry, f"the configuration of {entry.name} is not valid")
        return _Prepared(plugin, entry, config, filters, meta.error_response)

    def _read_config(self, plugin: Plugin, entry: Entry) -> Node | Fault | None:
        config = {key: value for key, value in entry.config.items() if key != KEY}
        secret_paths: frozenset[tuple[str, ...]] = frozenset()
        if entry.secret:
            secret = find_secret(self._context, entry.owner.namespace, entry.secret, (*entry.path, "secretRef"))
            if isinstance(secret, Fault):
                # APISIX once let requests through without the values, among them credentials.
                closed = f"{secret.message}: requests of the rule are answered with {CLOSED}"
                return self._report(replace(secret, message=closed), entry)
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
                self._report(Fault(PLUGIN_CONFIG, text, (*entry.path, "secretRef")), entry)
        return None

    def _fail(self, plugin: Plugin, entry: Entry, message: str) -> Fault | None:
        """Close the rule for want of a guard; a rule that only lacks something else runs without it."""
        if plugin.is_guard:
            return Fault(PLUGIN_CONFIG, message, entry.path)
        self._skip(entry, message)
        return None

    def _skip(self, entry: Entry, message: str) -> None:
        text = f"{entry.name} is left out: {message}"
        self._context.note(PLUGIN_SKIPPED, text, entry.owner, (*entry.path, "name"))

    def _apply_one(self, prepared: _Prepared, rule: HttpRule) -> list[HttpRule | Answered] | Fault:
        plugin, entry = prepared.plugin, prepared.entry
        around = Around(self._context, self._nodes, entry, self._consumers)
        asked = narrow(rule, prepared.filters) if prepared.filters else rule
        found = plugin.apply(prepared.config, asked, around)
        if isinstance(found, Refusal):
            return self._refuse(plugin, entry, found, rule)
        if prepared.refusal is not None:
            found = [self._reword(prepared, asked, one) for one in found]
        return [*found, rule] if prepared.filters else list(found)

    def _reword(self, prepared: _Prepared, before: HttpRule, made: HttpRule | Answered) -> HttpRule | Answered:
        rule = made.rule if isinstance(made, Answered) else made
        worded = reword(before, rule, prepared.refusal)
        if worded == rule and rule != before:
            path = (*prepared.entry.config_path, KEY, "error_response")
            text = f"{prepared.entry.name} refuses requests in words of its own, or none at all"
            self._context.note(NOT_HONOURED, text, prepared.entry.owner, path)
        return Answered(worded) if isinstance(made, Answered) else worded

    def _refuse(
        self, plugin: Plugin, entry: Entry, refusal: Refusal, rule: HttpRule
    ) -> list[HttpRule | Answered] | Fault:
        path = (*entry.config_path, *refusal.path)
        if plugin.is_guard:
            text = f"{refusal.message}: requests of the rule are answered with {CLOSED}"
            return self._report(Fault(refusal.rule, text, path, refusal.hint), entry)
        self._note_refused(refusal, entry)
        return [rule]

    def _note_refused(self, refusal: Refusal, entry: Entry) -> None:
        self._report(Fault(refusal.rule, refusal.message, (*entry.config_path, *refusal.path), refusal.hint), entry)
        self._skip(entry, refusal.message)

    def _report(self, fault: Fault, entry: Entry) -> Fault:
        self._context.refuse_part(entry.owner, fault)
        return fault


def narrow(rule: HttpRule, alternatives: Sequence[Conditions]) -> HttpRule:
    """A rule for those of its requests for which one of the alternatives holds."""
    matches = rule.matches or (HttpMatch(origin=rule.origin),)
    narrowed = tuple(conditions.narrow(match) for match in matches for conditions in alternatives)
    return msgspec.structs.replace(rule, matches=narrowed)


def close(rule: HttpRule, reason: str) -> HttpRule:
    """A rule that takes its requests and answers them itself."""
    return HttpRule(
        origin=rule.origin,
        name=rule.name,
        matches=rule.matches,
        action=Respond(origin=rule.origin, status=CLOSED, reason=reason),
    )


def _named(rule: HttpRule, rules: Sequence[HttpRule]) -> tuple[HttpRule, ...]:
    """Rules with names of their own; the last one is what is left of the first."""
    last = len(rules) - 1
    return tuple(
        msgspec.structs.replace(one, name=rule.name if at == last else f"{rule.name}/{at}")
        for at, one in enumerate(rules)
    )


def _is_from_secret(place: Sequence[object], paths: frozenset[tuple[str, ...]]) -> bool:
    return any(tuple(map(str, place[: len(path)])) == path for path in paths)
