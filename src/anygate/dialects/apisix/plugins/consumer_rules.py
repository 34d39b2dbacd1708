"""Consumers with plugins of their own: a rule for each of them beside every rule that can tell who it is.

APISIX runs the `rewrite` phase of a route's plugins, authentication among them, and lays those of the consumer over
them then: each takes the place of the route's of its name as a whole. What a plugin has done in that phase is done, so
one that the route has too keeps to what the route says there.
https://apisix.apache.org/docs/apisix/terminology/consumer/

So a request is handed over once its caller is known: to a stage, where the caller's rule has all that is left to do.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from anygate.dialects.apisix.context import origin
from anygate.dialects.apisix.kinds.apisixconsumer import AUTH_PLUGINS
from anygate.dialects.apisix.plugins.changes import say, with_security, with_wordings
from anygate.dialects.apisix.plugins.consumers import CALLER
from anygate.dialects.apisix.plugins.entries import Entry
from anygate.dialects.apisix.plugins.plugin import Consumer
from anygate.model.edit import HeaderEdit
from anygate.model.limits import RateLimit
from anygate.model.match import HttpMatch, ValueMatch
from anygate.model.origin import Origin
from anygate.model.route import HttpRule
from anygate.model.security import Authorization, AuthorizationRule, Handover, Principal
from anygate.model.text import Variable

MARK = "x-anygate-rule"
"""The header that says whose rule a request has been handed over to."""

CLIENT_ADDRESS, SERVER_PORT = "x-real-ip", "x-forwarded-port"
"""The headers in which the listeners say where a request comes from and where it came in, whatever clients say there.
Tried on Envoy 1.40: the stage itself has no port, and the `x-forwarded-for` that it gets of a client on the same
machine is the address of that machine, and not the one that the client has come from."""

RECOGNISING = AUTH_PLUGINS | {"openid-connect"}
"""The plugins that say who asks; they have run before a consumer's own do."""

_RUN_BEFORE = frozenset(("client-control", "fault-injection"))
"""The plugins that have dealt with a request before anybody asks who sent it."""

_REWRITING = _RUN_BEFORE | {"opentelemetry", "proxy-mirror", "proxy-rewrite", "redirect", "request-id"}
"""The plugins that do all that they do to requests in APISIX's `rewrite` phase."""

_UNTOLD: Mapping[str, str] = MappingProxyType({"client_port": "remote_port", "server_address": "server_addr"})
_PORT = Variable(kind="server_port")
_KEPT_OUT = "apisix/consumers"


class Own(NamedTuple):
    """A consumer that a rule can tell, those of its plugins that run there, and those for which it is too late."""

    consumer: Consumer
    laid: tuple[Entry, ...]
    late: tuple[Entry, ...]


def of_use(consumer: Consumer, names: Iterable[str]) -> Consumer:
    """A consumer without what does nothing beside plugins of these names: where no model is asked none has tokens."""
    if any(name.startswith("ai-") for name in names):
        return consumer
    limits, plugins = (
        tuple(one for one in entries if one.name != "ai-rate-limiting")
        for entries in (consumer.limits, consumer.plugins)
    )
    return replace(consumer, limits=limits, plugins=plugins)


def list_own(consumers: Iterable[Consumer], own: Sequence[Entry]) -> list[Own]:
    """The consumers whose plugins change what a rule with the plugins `own` does, each once."""
    there = {entry.name for entry in own}
    found: dict[str, Own] = {}
    for consumer in consumers:
        late = tuple(one for one in consumer.plugins if one.name in _REWRITING and one.name in there)
        laid = tuple(one for one in consumer.plugins if one not in late)
        if consumer.plugins:
            found[consumer.id] = Own(consumer, laid, late)
    return [found[name] for name in sorted(found)]


def lay_over(own: Iterable[Entry], laid: Sequence[Entry]) -> list[Entry]:
    """The plugins that are left to run for a consumer: its own, and those of the route that none of them replaces."""
    names = {one.name for one in laid} | RECOGNISING | _RUN_BEFORE
    return [*(entry for entry in own if entry.name not in names), *laid]


def place_of(consumer: Consumer) -> Origin:
    """Where the plugins of a consumer are written."""
    return origin(consumer.plugins[0].owner, ("spec", "plugins"))


def mark_of(rule: HttpRule, consumer: Consumer) -> str:
    """What tells the rule of a consumer from all others, fit for a header."""
    here = rule.origin
    return quote(f"{here.namespace}/{here.name}/{rule.name}/{consumer.id}")


def begin(rule: HttpRule, consumer: Consumer, hidden: Iterable[str]) -> HttpRule:
    """The rule of a consumer before its plugins. It takes what is handed over to it, wherever it leads by then."""
    match = HttpMatch(origin=place_of(consumer), headers=(ValueMatch(name=MARK, value=mark_of(rule, consumer)),))
    edit = HeaderEdit(remove=tuple(dict.fromkeys((MARK, *hidden))))
    return msgspec.structs.replace(rule, matches=(match,), request_headers=edit)


def finish(rule: HttpRule, laid: Sequence[Entry]) -> HttpRule:
    """The rule of a consumer after its plugins, `laid` among them.

    A limit that the consumer has counts the requests of all routes together, as it belongs to the object that it is
    written in. All guards come at the place that every chain of filters has one for.
    """
    rule = _name_port(fold_admission(rule))
    if rule.rate_limit is None:
        return rule
    limits = tuple(
        msgspec.structs.replace(one, shared=one.shared or _is_of(one.origin, laid)) for one in rule.rate_limit.rules
    )
    return msgspec.structs.replace(rule, rate_limit=RateLimit(origin=rule.rate_limit.origin, rules=limits))


def _name_port(part: Any) -> Any:
    """The same with the port that clients know in place of the stage's."""
    if part == _PORT:
        return Variable(kind="header", name=SERVER_PORT)
    if isinstance(part, tuple):
        return tuple(_name_port(one) for one in part)
    if not isinstance(part, msgspec.Struct):
        return part
    fields = {name: getattr(part, name) for name in part.__struct_fields__}
    changed = {name: made for name, value in fields.items() if (made := _name_port(value)) != value}
    return msgspec.structs.replace(part, **changed) if changed else part


def list_untold(part: Any) -> Iterator[str]:
    """What a rule of a consumer asks for that nothing tells on a stage."""
    if isinstance(part, Variable):
        if part.kind in _UNTOLD:
            yield _UNTOLD[part.kind]
    elif isinstance(part, tuple):
        for one in part:
            yield from list_untold(one)
    elif isinstance(part, msgspec.Struct):
        for name in part.__struct_fields__:
            yield from list_untold(getattr(part, name))


def _is_of(place: Origin, laid: Iterable[Entry]) -> bool:
    found = (origin(one.owner, one.path) for one in laid)
    return any(place.object == one.object and place.path.startswith(one.path) for one in found)


def hand_over(rule: HttpRule, passages: Sequence[tuple[Consumer, str]], out: Sequence[Consumer]) -> HttpRule:
    """A rule that lets go of requests of the first, and refuses those of the second.

    It refuses what it should have let go of as well, so that nobody gets past their own rule in any case.
    """
    if rule.security is None:
        return rule
    names = tuple(sorted(one.id for one in (*(consumer for consumer, _ in passages), *out)))
    here = rule.security.origin
    row = AuthorizationRule(origin=here, name=_KEPT_OUT, allow=False, principal=Principal(headers=((CALLER, names),)))
    known = rule.security.authorization
    rows = (row, *(known.rules if known else ()))
    handover = None
    if passages:
        marks = tuple((consumer.id, mark) for consumer, mark in passages)
        handover = Handover(origin=place_of(passages[0][0]), header=CALLER, mark=MARK, rules=marks)
    made = with_security(
        rule, here, handover=handover, authorization=Authorization(origin=here, rules=rows, allow_by_default=True)
    )
    return with_wordings(made, say("denied", "The plugins of the consumer cannot run", rule=_KEPT_OUT, status=503))


def fold_admission(rule: HttpRule) -> HttpRule:
    """A rule that looks at requests only once it is known who asks."""
    security = rule.security
    if security is None or security.admission is None:
        return rule
    rows = (*security.admission.rules, *(security.authorization.rules if security.authorization else ()))
    authorization = Authorization(origin=security.admission.origin, rules=rows, allow_by_default=True)
    return with_security(rule, security.origin, admission=None, authorization=authorization)
