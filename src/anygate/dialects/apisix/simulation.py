"""Which plain backends are models, so that what stands in for them answers as those do."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from anygate.model.backend import Backend
from anygate.model.limits import Expression
from anygate.model.route import Forward, HttpRoute, HttpRule

_ANTHROPIC = "anthropic.com"


def mark_models(routes: Iterable[HttpRoute], backends: Mapping[str, Backend]) -> dict[str, Backend]:
    """The backends, with those marked that get requests of rules about prompts or tokens."""
    marked = dict(backends)
    for name in sorted(set(_list_models(routes))):
        for one in (name, *(marked[name].members if name in marked else ())):
            if one in marked and marked[one].provider is None:
                marked[one] = msgspec.structs.replace(marked[one], simulated=_format_of(marked[one]))
    return marked


def _list_models(routes: Iterable[HttpRoute]) -> Iterator[str]:
    for route in routes:
        for rule in route.rules:
            if isinstance(rule.action, Forward) and rule.inference is None and _is_about_models(rule):
                yield from (target.backend for target in rule.action.targets)


def _is_about_models(rule: HttpRule) -> bool:
    limits = rule.rate_limit.rules if rule.rate_limit else ()
    return rule.prompts is not None or any(isinstance(one.response_cost, Expression) for one in limits)


def _format_of(backend: Backend) -> str:
    hosts = (endpoint.hostname or endpoint.host for group in backend.groups for endpoint in group.endpoints)
    return "Anthropic" if any(host.endswith(_ANTHROPIC) for host in hosts) else "OpenAI"
