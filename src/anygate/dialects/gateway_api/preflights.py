"""CORS preflights of rules that match less than every OPTIONS request.

A browser asks with OPTIONS, without credentials or headers of its own, before it sends what a rule matches. Envoy
answers only where its route says how, so that such a rule gets a match for these questions too.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/cors_filter
"""

import msgspec

from anygate.model.match import HttpMatch, ValueMatch
from anygate.model.route import Forward, HttpRule

_ASKED = "access-control-request-method"


def with_preflights(rule: HttpRule) -> HttpRule:
    """A rule that also matches the preflights of the requests it matches, if it has CORS settings and forwards."""
    if rule.cors is None or not isinstance(rule.action, Forward):
        return rule
    asked = dict.fromkeys(_preflight(match) for match in rule.matches if _is_narrow(match))
    known = {(one.path, one.headers, one.query) for one in rule.matches if one.method == "OPTIONS"}
    added = tuple(one for one in asked if (one.path, one.headers, one.query) not in known)
    return msgspec.structs.replace(rule, matches=(*rule.matches, *added)) if added else rule


def _is_narrow(match: HttpMatch) -> bool:
    return match.method not in ("", "OPTIONS") or bool(match.headers or match.cookies)


def _preflight(match: HttpMatch) -> HttpMatch:
    """Ranked below a match that names OPTIONS itself and above the same path without conditions."""
    method = ValueMatch(name=_ASKED, kind="exact" if match.method else "present", value=match.method)
    path, length, _, headers, query = match.rank
    return HttpMatch(
        origin=match.origin,
        path=match.path,
        method="OPTIONS",
        headers=(ValueMatch(name="origin", kind="present"), method),
        query=match.query,
        rank=(path, length, 0, headers + 2, query),
    )
