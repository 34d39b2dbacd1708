"""Which rows decide a request on one port, in the order in which they are asked.

Both the Envoy builder and `explain` use this table, so there is one answer to "which rule wins". The order
follows the Gateway API specification (HTTPRoute `hostnames` and `matches`): the most specific hostname, then
the match's rank, then the older route, the route's name, and what was written first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import NamedTuple

import msgspec

from anygate.model.body_rows import list_readings
from anygate.model.inference_rows import (
    Role,
    asked_match,
    asked_paths,
    common_security,
    may_hold,
    special_match,
    special_rule,
)
from anygate.model.listener import Server
from anygate.model.match import HttpMatch, ValueMatch
from anygate.model.route import Continue, Forward, HttpRoute, HttpRule

ANY_HOST = "*"


class Row(NamedTuple):
    """One line of the table: if `match` holds (None: always), `rule` of `route` decides.

    A `preflight` row stands beside a row whose conditions a browser's CORS preflight cannot meet, or that answers
    by itself: it takes the preflights of exactly those requests, for the gateway to answer by the CORS policy.
    A row with a `role` is one that AI rules bring with them, or conditions on bodies; `followers` are the rules that
    may decide for a request after its body has been read.
    """

    route: HttpRoute
    rule: HttpRule
    match: HttpMatch | None
    hostname: str
    preflight: bool = False
    role: Role = ""
    followers: tuple[HttpRule, ...] = ()

    @property
    def wanted(self) -> HttpMatch | None:
        """The conditions of this row itself."""
        if self.preflight:
            return preflight_match(self.rule, self.match)
        return self.match if self.role else asked_match(self.rule, self.match)


class Attachment(NamedTuple):
    """A route that may decide for a domain: under which of its hostnames, and how specific (0: most) that one is."""

    level: int
    hostname: str
    route: HttpRoute


@dataclass(frozen=True)
class VirtualHost:
    """The routes for one domain, a hostname, `*.suffix` or `*`, and their rows, laid out when they are asked for.

    The server is the one that owns the domain. `misdirected` marks a domain of another HTTPS server on the
    port, which has to be refused with 421 so that the client opens a connection of its own.
    """

    domain: str
    server: Server
    attached: tuple[Attachment, ...] = ()
    misdirected: bool = False

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The rows in the order in which they are asked."""
        return _rows(self.attached, self.server.rank_first)


def preflight_match(rule: HttpRule, match: HttpMatch | None) -> HttpMatch:
    """What the preflight of a request for `match` looks like: OPTIONS, with the method it asks about in a header.

    https://fetch.spec.whatwg.org/#cors-preflight-fetch: it carries none of the request's own headers.
    """
    asked = ValueMatch(name="access-control-request-method", kind="present")
    if match is not None and match.method:
        asked = msgspec.structs.replace(asked, kind="exact", value=match.method)
    headers = (ValueMatch(name="origin", kind="present"), asked)
    if match is None:
        return HttpMatch(origin=rule.origin, method="OPTIONS", headers=headers)
    return msgspec.structs.replace(match, method="OPTIONS", headers=headers, body=())


def needs_preflight(rule: HttpRule, match: HttpMatch | None) -> bool:
    """Whether a rule's CORS policy would miss preflights: they fail its conditions, or it does not forward."""
    if rule.cors is None:
        return False
    unmet = match is not None and bool(match.headers or match.method not in ("", "OPTIONS"))
    return unmet or not is_forwarding(rule)


def is_forwarding(rule: HttpRule) -> bool:
    """Whether a rule sends requests to a backend; what it answers by itself Envoy's CORS filter leaves alone."""
    if isinstance(rule.action, Continue):
        return True
    return isinstance(rule.action, Forward) and any(
        target.weight > 0 and target.backend and not target.redirect for target in rule.action.targets
    )


def covers(pattern: str, domain: str) -> bool:
    """Whether `pattern` matches all that `domain` matches.

    It is a hostname, `*.suffix` for all names below one, `*suffix` for all names that end so, that name itself among
    them, and `*` or empty for any.
    """
    if pattern in ("", ANY_HOST) or pattern == domain:
        return True
    return pattern.startswith("*") and domain.endswith(pattern[1:])


def is_loose(pattern: str) -> bool:
    """Whether a pattern is a `*suffix` that may begin in the middle of a label."""
    return len(pattern) > 1 and pattern[0] == "*" and pattern[1] != "."


def intersect(one: str, other: str) -> str | None:
    """The more specific of two hostname patterns when one covers the other, else None; empty means any."""
    if covers(one, other or ANY_HOST):
        return other or ANY_HOST
    if covers(other, one or ANY_HOST):
        return one or ANY_HOST
    return None


def specificity(hostname: str) -> tuple[int, int]:
    """Order hostnames: exact before wildcard before any (empty), then by length; greater is more specific."""
    return (0 if not hostname or hostname.startswith("*") else 1, len(hostname))


def route_hostnames(route: HttpRoute, server: Server) -> tuple[str, ...]:
    """The hostnames under which `server` serves `route`: each of the route's within the server's own."""
    wanted = route.hostnames or ("",)
    found = (intersect(hostname, server.hostname) for hostname in wanted)
    return tuple(dict.fromkeys(hostname for hostname in found if hostname is not None))


def find_domain(domains: Sequence[str] | dict[str, VirtualHost], host: str) -> str | None:
    """The domain that Envoy picks for a host without port: exact, then the longest wildcard, then `*`."""
    if host in domains:
        return host
    found = (wildcard for at in range(1, len(host)) if (wildcard := "*" + host[at:]) in domains)
    return next(found, ANY_HOST if ANY_HOST in domains else None)


def virtual_hosts(servers: Sequence[Server], neighbours: Sequence[Server] = ()) -> tuple[VirtualHost, ...]:
    """Lay out the table of the servers that share one port and one way in.

    Plain HTTP servers of a port share one table; each HTTPS server has its own, with the other HTTPS servers of
    the port as `neighbours`. A domain belongs to the server with the most specific hostname covering it, so
    that routes of a wider server never answer for a narrower one (listener isolation).
    """
    attached = {server.name: _routes_by_hostname(server) for server in servers}
    owners: dict[str, Server] = {}
    for server in servers:
        # Envoy's wildcard stands for at least one character, so that the suffix itself is a domain of its own.
        suffixes = [hostname[1:] for hostname in attached[server.name] if is_loose(hostname)]
        for domain in (server.hostname or ANY_HOST, *attached[server.name], *suffixes):
            best = owners.get(domain)
            if best is None or specificity(server.hostname) > specificity(best.hostname):
                owners[domain] = server
    for domain in owners:
        for server in servers:
            if covers(server.hostname, domain) and specificity(server.hostname) > specificity(owners[domain].hostname):
                owners[domain] = server
    hosts = {
        domain: VirtualHost(domain, server, _attach(domain, attached[server.name], server.host_fallback))
        for domain, server in owners.items()
    }
    for other in neighbours:
        domain = other.hostname or ANY_HOST
        if domain not in hosts or (not hosts[domain].rows and hosts[domain].server.hostname != other.hostname):
            hosts[domain] = VirtualHost(domain, other, misdirected=True)
    return tuple(hosts[domain] for domain in sorted(hosts))


_Attached = dict[str, list[HttpRoute]]


def _routes_by_hostname(server: Server) -> _Attached:
    found: _Attached = {}
    for route in server.routes:
        for hostname in route_hostnames(route, server):
            found.setdefault(hostname, []).append(route)
    return found


def _covering(domain: str, attached: _Attached) -> list[str]:
    """The hostnames of `attached` that cover `domain`, most specific first, without scanning them all."""
    found = [domain] if domain in attached else []
    suffix = domain.removeprefix("*")
    # A pattern covers itself, and `*suffix` covers the suffix itself, but `*.suffix` does not.
    start = 1 if domain.startswith("*") else 0
    for at in range(start, len(suffix)):
        wildcard = "*" + suffix[at:]
        if wildcard in attached:
            found.append(wildcard)
    if domain != ANY_HOST and ANY_HOST in attached:
        found.append(ANY_HOST)
    return found


def _attach(domain: str, attached: _Attached, fallback: bool) -> tuple[Attachment, ...]:
    """The routes that may decide for a domain, each under its most specific hostname."""
    found: dict[int, Attachment] = {}
    covering = _covering(domain, attached)
    for level, hostname in enumerate(covering if fallback else covering[:1]):
        for route in attached[hostname]:
            if id(route) not in found:
                found[id(route)] = Attachment(level, hostname, route)
    return tuple(found.values())


def _rows(attached: Sequence[Attachment], rank_first: bool) -> tuple[Row, ...]:
    ordered = [(_key(one.level, row, rank_first), row) for one in attached for row in _expand(one.route, one.hostname)]
    ordered.sort(key=itemgetter(0))
    rows = tuple(row for _, row in ordered)
    if any(row.match is not None and row.match.body for row in rows):
        rows = _with_readings(rows)
    return _with_inference(rows) if any(row.rule.inference is not None for row in rows) else rows


def _with_readings(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Put first the rows that have the bodies looked at that others ask for; then the table is asked again."""
    made = (
        Row(rows[one.asked].route, one.rule, one.match, ANY_HOST, role="reading", followers=one.followers)
        for one in list_readings([(row.rule, row.match) for row in rows])
    )
    return (*made, *rows)


def _with_inference(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Add the rows that AI rules bring with them.

    Entrances come first, so that the order of the rules holds for AI requests too. A body that cannot be read is
    refused where an AI rule would be asked, and everything that no rule took is refused last, behind the rules of
    less specific hostnames.
    """
    asked = asked_paths((row.route, row.rule) for row in rows)
    followers = {path: _followers(rows, path) for path in asked}
    security = {path: common_security(followers[path]) for path in asked}

    def special(path: str, role: Role) -> Row:
        one = asked[path]
        rule = special_rule(one, role, security[path])
        behind = followers[path] if role == "entrance" else ()
        return Row(one.route, rule, special_match(rule.origin, path, role), ANY_HOST, role=role, followers=behind)

    made = [special(path, "entrance") for path in asked]
    made += [special(path, "unprintable") for path in asked]
    unmet = dict.fromkeys(asked)
    for row in rows:
        path = row.match.path.value if row.rule.inference and row.match and row.match.path else ""
        if path in unmet and not row.preflight:
            del unmet[path]
            made += [special(path, "encoded"), special(path, "malformed")]
        made.append(row)
    for path in asked:
        made += [special(path, "nameless"), special(path, "unknown"), special(path, "method")]
    if asked:
        made.append(special(next(iter(asked)), "unsupported"))
    return tuple(made)


def _followers(rows: tuple[Row, ...], path: str) -> tuple[HttpRule, ...]:
    found = {id(row.rule): row.rule for row in rows if may_hold(row.match.path if row.match else None, path)}
    return tuple(found.values())


def _expand(route: HttpRoute, hostname: str) -> Iterator[Row]:
    for rule in route.rules:
        for match in rule.matches or (None,):
            if rule.cors is not None and needs_preflight(rule, match):
                yield Row(route, rule, match, hostname, preflight=True)
            yield Row(route, rule, match, hostname)


def _key(level: int, row: Row, rank_first: bool) -> tuple[object, ...]:
    """Sort key; Python's sort is stable, so rules and matches keep the order in which they were written.

    A route without a creation time counts as newest: it has not been created yet.
    """
    rank = tuple(-number for number in row.match.rank) if row.match else ()
    first = (rank, level) if rank_first else (level, rank)
    return (*first, _preflight_place(row), row.route.created or "9999", row.route.name)


def _preflight_place(row: Row) -> int:
    """Where a preflight row stands among rows of its rank: before a row that would answer preflights its own way,
    else behind all of them, for a rule that asks for OPTIONS itself is meant to have the preflights."""
    if not row.preflight:
        return 0
    match = row.match
    return -1 if match is None or (match.method in ("", "OPTIONS") and not match.headers) else 1
