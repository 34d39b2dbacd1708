"""A rule with all of its plugins: each makes of it what it does, in the order in which APISIX runs them.

What cannot be had closes the rule if it guards it, and is left out otherwise.
"""

from collections.abc import Iterable, Sequence

import msgspec

from anygate.dialects.apisix.closing import CLOSED, close
from anygate.dialects.apisix.context import Context, Fault
from anygate.dialects.apisix.findings import (
    CONSUMER_PLUGIN,
    CONSUMER_PLUGIN_LATE,
    NOT_HONOURED,
)
from anygate.dialects.apisix.nodes import Nodes
from anygate.dialects.apisix.plugins.around import Around
from anygate.dialects.apisix.plugins.consumer_limits import limit_consumer
from anygate.dialects.apisix.plugins.consumer_rules import (
    RECOGNISING,
    Own,
    begin,
    finish,
    fold_admission,
    hand_over,
    lay_over,
    list_own,
    list_untold,
    mark_of,
    of_use,
    place_of,
)
from anygate.dialects.apisix.plugins.consumers import CHECKED_BY
from anygate.dialects.apisix.plugins.entries import Entry
from anygate.dialects.apisix.plugins.error_response import reword
from anygate.dialects.apisix.plugins.meta import KEY, priority_of
from anygate.dialects.apisix.plugins.plugin import Answered, Consumer, Plugin, Refusal, RouteIds
from anygate.dialects.apisix.plugins.preparation import Preparation, Prepared, asked_by
from anygate.dialects.apisix.plugins.route_ids import ids_of
from anygate.dialects.apisix.plugins.security_findings import SECRET_SHOWN
from anygate.dialects.apisix.plugins.shown_secrets import list_shown
from anygate.dialects.apisix.plugins.splitting import narrow_matches
from anygate.dialects.apisix.plugins.variable_findings import VARIABLE
from anygate.model.route import Forward, HttpRoute, HttpRule

_TOLD_TO_BROWSERS = frozenset(("openid-connect",))
"""Plugins that send browsers to log in with all that is in their configurations, except for what they hide."""


class Assembly:
    """Applies plugins to rules; `everywhere` are the entries of global rules, which come first."""

    def __init__(
        self, context: Context, nodes: Nodes, consumers: Sequence[Consumer], everywhere: Sequence[Entry]
    ) -> None:
        self._context = context
        self._nodes = nodes
        self._consumers = consumers
        self._preparation = Preparation(context)
        self._everywhere = sorted(everywhere, key=priority_of, reverse=True)
        self.handed_over: list[HttpRoute] = []
        """The rules of consumers with plugins of their own, each as a route: they take what other rules let go of."""
        for consumer in consumers:
            for entry in consumer.plugins:
                self._preparation.prepare(entry)

    def apply(self, rule: HttpRule, entries: Sequence[Entry]) -> tuple[HttpRule, ...]:
        """The rules that a rule becomes; the first that matches decides."""
        own = sorted(entries, key=priority_of, reverse=True)
        made = self._run(rule, (*self._everywhere, *own))
        if isinstance(made, Fault):
            return (close(rule, made.message),)
        known = {entry.name for entry in (*self._everywhere, *own)}
        told = {one.id: of_use(one, known) for one in self._consumers if CHECKED_BY.get(one.kind) in known}
        made = [one if isinstance(one, Answered) else self._limit_consumers(one, own, told.values()) for one in made]
        rules = _bare(made)
        if isinstance(rule.action, Forward):
            rules = self._hand_over(rule, rules, own, list_own(told.values(), own))
        return _named(rule, rules)

    def _run(self, rule: HttpRule, entries: Sequence[Entry]) -> list[HttpRule | Answered] | Fault:
        """What the plugins of some entries make of a rule, one after the other."""
        rules: list[HttpRule | Answered] = [rule]
        ids = ids_of(rule)
        for entry in entries:
            prepared = self._preparation.prepare(entry)
            if isinstance(prepared, Fault):
                return prepared
            if prepared is None:
                continue
            made: list[HttpRule | Answered] = []
            for one in rules:
                found = [one] if isinstance(one, Answered) else self._apply_one(prepared, one, ids)
                if isinstance(found, Fault):
                    return found
                made += found
            rules = made
        return rules

    def _hand_over(
        self, rule: HttpRule, rules: Sequence[HttpRule], own: Sequence[Entry], callers: Sequence[Own]
    ) -> list[HttpRule]:
        """The rules that let go of callers with plugins of their own, whose rules are kept for the stage."""
        passages: list[tuple[Consumer, str]] = []
        kept_out: list[Consumer] = []
        for consumer, laid, late in callers:
            for entry in late:
                text = f"a route that has {entry.name} too has run it by the time that it is known who asks"
                self._context.note(CONSUMER_PLUGIN_LATE, text, entry.owner, entry.path)
            if not laid:
                continue
            made = self._lay_over(rule, own, consumer, laid)
            if any(one.inference for one in (*made, *rules)):
                text = f"{consumer.id} is not let in by rules for AI models, on which plugins of consumers cannot run"
                self._preparation.report(Fault(CONSUMER_PLUGIN, text, laid[0].path, "put them on the routes"), laid[0])
                kept_out.append(consumer)
                continue
            mark = mark_of(rule, consumer)
            name = f"{rule.origin.namespace}/{rule.origin.name}/{rule.name}/{consumer.id}"
            route = HttpRoute(origin=place_of(consumer), name=name, kind="ApisixConsumer", rules=_named(rule, made))
            self.handed_over.append(route)
            passages.append((consumer, mark))
        if not passages and not kept_out:
            return list(rules)
        replaced = {entry.name for one in callers for entry in one.laid}
        if any(entry.name in replaced for entry in own):
            rules = [fold_admission(one) for one in rules]
        return [hand_over(one, passages, kept_out) for one in rules]

    def _lay_over(
        self, rule: HttpRule, own: Sequence[Entry], consumer: Consumer, laid: Sequence[Entry]
    ) -> list[HttpRule]:
        """The rules of a consumer with plugins of its own."""
        recognised = self._run(rule, [one for one in (*self._everywhere, *own) if one.name in RECOGNISING])
        hidden = () if isinstance(recognised, Fault) else [name for one in _bare(recognised) for name in _removed(one)]
        begun = begin(rule, consumer, hidden)
        merged = sorted(lay_over(own, laid), key=priority_of, reverse=True)
        made = self._run(begun, (*lay_over(self._everywhere, ()), *merged))
        if isinstance(made, Fault):
            return [close(begun, made.message)]
        rules = [finish(one, laid) for one in _bare(made)]
        for name in dict.fromkeys(list_untold(tuple(rules))):
            text = f"nothing tells ${name} once it is known who asks, so it is empty for {consumer.id}"
            self._context.note(VARIABLE, text, laid[0].owner, laid[0].path)
        return rules

    def _limit_consumers(self, rule: HttpRule, own: Sequence[Entry], told: Iterable[Consumer]) -> HttpRule:
        """The rule with the limits of those consumers that it can tell."""
        for consumer in told:
            for entry in consumer.limits:
                prepared = self._preparation.prepare(entry)
                if not isinstance(prepared, Prepared):
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

    def _apply_one(self, prepared: Prepared, rule: HttpRule, ids: RouteIds) -> list[HttpRule | Answered] | Fault:
        plugin, entry = prepared.plugin, prepared.entry
        around = Around(self._context, self._nodes, entry, self._consumers, ids)
        asked = narrow_matches(rule, prepared.filters) if prepared.filters else rule
        found = plugin.apply(prepared.config, asked, around)
        if isinstance(found, Refusal):
            return self._refuse(plugin, entry, found, rule)
        if entry.secret and entry.name not in _TOLD_TO_BROWSERS:
            self._note_shown(entry, asked, [one.rule if isinstance(one, Answered) else one for one in found])
        if prepared.refusal is not None:
            found = [self._reword(prepared, asked, one) for one in found]
        return [*found, rule] if prepared.filters else list(found)

    def _note_shown(self, entry: Entry, before: HttpRule, rules: Sequence[HttpRule]) -> None:
        secret = self._context.index.secret(entry.owner.namespace, entry.secret)
        if secret is None:
            return
        for key in list_shown(secret, before, rules):
            text = f"whoever can ask Envoy for its configuration sees what the Secret {entry.secret} has for {key}"
            self._context.note(SECRET_SHOWN, text, entry.owner, (*entry.path, "secretRef"))

    def _reword(self, prepared: Prepared, before: HttpRule, made: HttpRule | Answered) -> HttpRule | Answered:
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
            text = f"{refusal.message}: {asked_by(entry)} are answered with {CLOSED}"
            return self._preparation.report(Fault(refusal.rule, text, path, refusal.hint), entry)
        self._note_refused(refusal, entry)
        return [rule]

    def _note_refused(self, refusal: Refusal, entry: Entry) -> None:
        self._preparation.report(
            Fault(refusal.rule, refusal.message, (*entry.config_path, *refusal.path), refusal.hint), entry
        )
        self._preparation.skip(entry, refusal.message)


def _bare(rules: Iterable[HttpRule | Answered]) -> list[HttpRule]:
    return [one.rule if isinstance(one, Answered) else one for one in rules]


def _removed(rule: HttpRule) -> tuple[str, ...]:
    return rule.request_headers.remove if rule.request_headers else ()


def _named(rule: HttpRule, rules: Sequence[HttpRule]) -> tuple[HttpRule, ...]:
    """Rules with names of their own; the last one is what is left of the first."""
    last = len(rules) - 1
    return tuple(
        msgspec.structs.replace(one, name=rule.name if at == last else f"{rule.name}/{at}")
        for at, one in enumerate(rules)
    )
