"""What an AI rule does, split by what a request asks for, so that each takes the cheapest way that is right for it.

A provider's path is set by the route where that saves the script of the provider's cluster that would set it: it costs
12 us, a tenth of all that is done for a request, and most rules ask only for another path. A stream takes the script in
any case, since it may have to be asked for its usage, and costs a multiple.

A limit for the whole exchange holds only for answers that are no streams, which may take as long as there is to say.

Usage is read from streams of chats by our own script, and from all other answers by ai_protocol_manager, each of which
is dear for the other's: 250 us for a stream of a hundred chunks, and 18 us for a whole answer (`filters/usage.py`).
Either can read both, so an answer that is not what was asked for is accounted for, too. Of two members called `stream`
the last one counts here.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import cached_property

import msgspec

from anygate.envoy.actions import Variant
from anygate.envoy.filters.usage import CHAT_NAME
from anygate.envoy.filters.usage import NAME as USAGE_NAME
from anygate.envoy.names import MODEL_NAMESPACE, STREAM_KEY
from anygate.envoy.texts import literal
from anygate.envoy.upstream.rewrite import fixed_path, without_rewrite
from anygate.envoy.upstream.setting import Setting, survey
from anygate.envoy.usage_places import CHAT
from anygate.model.backend import Backend
from anygate.model.inference import Provider
from anygate.model.route import Forward, HttpRule

_QUERY = {"name": ":path", "string_match": {"contains": "?"}}
_STREAM = {"filter": MODEL_NAMESPACE, "path": [{"key": STREAM_KEY}], "value": {"bool_match": True}}
_REWRITES = {"prefix_rewrite", "regex_rewrite", "path_rewrite"}


class Providers(msgspec.Struct, frozen=True, dict=True):
    """The providers of a model by the names of their backends, in the order of the names, and what they share."""

    named: tuple[tuple[str, Provider], ...] = ()
    setting: Setting = Setting()

    @cached_property
    def by_name(self) -> Mapping[str, Provider]:
        """The providers by the names of their backends."""
        return dict(self.named)


def gather_providers(backends: Iterable[Backend], credentials: str) -> Providers:
    """Gather the providers that the routes of AI rules depend on."""
    served = sorted((one for one in backends if one.provider is not None), key=lambda one: one.name)
    named = tuple((one.name, one.provider) for one in served if one.provider is not None)
    return Providers(named, survey(served, credentials))


def shared_path(rule: HttpRule, providers: Providers) -> str:
    """The path that a rule's route can set, or nothing where a script has to.

    Every provider that a request of the rule may reach has to want this path, and nothing else of its script.
    """
    if rule.inference is None or not isinstance(rule.action, Forward):
        return ""
    if rule.mirrors or any(target.mirrors for target in rule.action.targets):
        return ""  # a copy is made of what the route has made of a request, and goes elsewhere
    found: set[str] = set()
    for target in rule.action.targets:
        if not target.backend or target.weight <= 0:
            continue
        provider = providers.by_name.get(target.backend)
        if provider is None or target.translated:
            return ""
        found.add(fixed_path(provider, rule.inference.endpoint, providers.setting))
    return found.pop() if len(found) == 1 else ""


def split_variants(variants: Iterable[Variant], rule: HttpRule, providers: Providers) -> list[Variant]:
    """Split each variant of what a rule does; the last one of each takes every request that is left."""
    if rule.inference is None:
        return list(variants)
    path = shared_path(rule, providers)
    chat = rule.inference.endpoint in CHAT
    whole = rule.timeouts.whole
    return [one for variant in variants for one in _split(variant, path, whole, chat=chat)]


def _split(variant: Variant, path: str, whole: timedelta | None, *, chat: bool) -> list[Variant]:
    """Split a variant into streams, if it makes a difference for them, and all else; `whole` bounds only the latter."""
    if "route" not in variant.fields:
        return [variant]
    found = []
    if chat or whole is not None:
        asked = [*variant.narrower.get("dynamic_metadata", ()), _STREAM]
        narrower = {**variant.narrower, "dynamic_metadata": asked}
        others = {USAGE_NAME: None} if chat else {}
        found.append(variant._replace(narrower=narrower, settings={**variant.settings, **others}))
    if chat:
        variant = variant._replace(settings={**variant.settings, CHAT_NAME: None})
    if whole is not None:
        route = {**variant.fields["route"], "timeout": whole}
        variant = variant._replace(fields={**variant.fields, "route": route})
    return [*found, *(_with_path(variant, path) if path else [variant])]


def _with_path(variant: Variant, path: str) -> list[Variant]:
    """Split a variant in two: with the script for requests that have a query, and with the path set for others.

    Tried on Envoy 1.40: whatever rewrites a path on a route leaves the client's query behind it, which no provider is
    to get.
    """
    route = variant.fields["route"]
    if _REWRITES & route.keys():
        return [variant]
    queried = {**variant.narrower, "headers": [*variant.narrower.get("headers", ()), _QUERY]}
    fields = {**variant.fields, "route": {**route, "path_rewrite": literal(path)}}
    settings = {**variant.settings, **without_rewrite()}
    return [variant._replace(narrower=queried), variant._replace(fields=fields, settings=settings)]
