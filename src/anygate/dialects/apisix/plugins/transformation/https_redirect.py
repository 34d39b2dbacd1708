"""Redirects of plain requests to HTTPS.

A request is plain if its connection is, or if a proxy in front says so. Whoever else says something in
X-Forwarded-Proto is not believed, as by APISIX: `apisix.trusted_addresses` names the proxies.
"""

from collections.abc import Iterator, Sequence
from ipaddress import ip_network

import msgspec

from anygate.dialects.apisix.expressions import Conditions
from anygate.dialects.apisix.plugins.changes import matches_of
from anygate.dialects.apisix.plugins.consumer_rules import MARK
from anygate.dialects.apisix.plugins.splitting import add_edit, narrow
from anygate.model.edit import HeaderEdit, Redirect
from anygate.model.match import HttpMatch, ValueMatch
from anygate.model.origin import Origin
from anygate.model.route import HttpRule

TOLD_SCHEME = "x-anygate-forwarded-proto"
"""What a client has sent in X-Forwarded-Proto, which Envoy overwrites before a route is chosen. No backend sees it."""

_SCHEME = "X-Forwarded-Proto"
_PORT = 9443
"""Where APISIX listens for TLS when nobody says otherwise."""


def split_https(rule: HttpRule, here: Origin, trusted: Sequence[str]) -> list[HttpRule]:
    """The rule behind redirects of its plain requests; `trusted` are the addresses of the proxies in front."""
    near = tuple(_from(matches_of(rule), trusted))
    found: list[HttpRule] = []
    if near:
        forwarded = msgspec.structs.replace(rule, matches=near)
        told = ValueMatch(name=TOLD_SCHEME, value="https")
        found.append(narrow(forwarded, "from-https", [Conditions(headers=(told,))], request_headers=_pass_on(rule)))
        found += _redirects(forwarded, "forwarded", ValueMatch(name=TOLD_SCHEME, kind="present"), here)
    return [*found, *_redirects(rule, "to-https", ValueMatch(name="x-forwarded-proto", value="http"), here), rule]


def _redirects(rule: HttpRule, name: str, plain: ValueMatch, here: Origin) -> Iterator[HttpRule]:
    """301 for GET and HEAD, 308 for methods that may have a body."""
    for method, status in (("GET", 301), ("HEAD", 301), ("", 308)):
        asked = (ValueMatch(name=":method", value=method),) if method else ()
        to = Redirect(origin=here, scheme="https", port=_PORT, status=status)
        full = f"{name}-{method.lower() or 'other'}"
        yield narrow(rule, full, [Conditions(headers=(plain, *asked))], action=to, rewrite=None)


def _pass_on(rule: HttpRule) -> HeaderEdit | None:
    """The rule's header changes, with what the proxy says unless a plugin says something else."""
    known = rule.request_headers
    if known is not None and any(name.lower() == _SCHEME.lower() for name, _ in known.set):
        return known
    return add_edit(known, HeaderEdit(set=((_SCHEME, "https"),)))


def _from(matches: Sequence[HttpMatch], trusted: Sequence[str]) -> Iterator[HttpMatch]:
    """The matches for requests from some addresses; those of what was handed over, which has been looked at, as is."""
    for match in matches:
        if trusted and any(header.name == MARK for header in match.headers):
            yield match
            continue
        cidrs = _overlap(match.source_cidrs, trusted) if match.source_cidrs else tuple(trusted)
        if cidrs:
            yield msgspec.structs.replace(match, source_cidrs=cidrs)


def _overlap(some: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """Of two ranges of which one is in the other, that one."""
    pairs = [(ip_network(one, strict=False), ip_network(other, strict=False)) for one in some for other in others]
    shared = (max(pair, key=lambda one: one.prefixlen) for pair in pairs if pair[0].overlaps(pair[1]))
    return tuple(dict.fromkeys(map(str, shared)))
