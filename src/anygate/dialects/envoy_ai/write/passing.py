"""Rules that pass on to a provider what is no request of an AI API: a plain route can do that, with the key put on."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from anygate.dialects.envoy_ai.write.findings import MODEL_CREDENTIAL, MODEL_ROUTING
from anygate.dialects.guest_routes import Host, Line
from anygate.model.backend import Backend
from anygate.model.edit import HeaderEdit, Respond
from anygate.model.inference import KeyCredential, Provider
from anygate.model.match import HttpMatch
from anygate.model.origin import Origin
from anygate.model.route import Credential, Forward, HttpRule

_SHOWN = ("authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-goog-api-key")
"""Where clients show their own credentials, which are not for the provider."""

_Place = tuple[str, Origin, HttpMatch | None]
_WHOLE = 100.0
_NOT_IMPLEMENTED = 501


def find_provider(rule: HttpRule, backends: Mapping[str, Backend]) -> Provider | None:
    """The provider that a rule sends its requests to, if any."""
    for target in rule.action.targets if isinstance(rule.action, Forward) else ():
        found = backends.get(target.backend)
        if found is not None and found.provider is not None:
            return found.provider
    return None


def pass_on(host: Host, lines: Sequence[Line]) -> Iterator[Line | None]:
    """For each row the plain one in its place; of several shares of the requests only the largest has one."""
    shares: dict[_Place, list[Line]] = {}
    for line in lines:
        shares.setdefault(_place(line), []).append(line)
    for line in lines:
        near = shares[_place(line)]
        if line is not _find_largest(near):
            text = "what is no request of an AI API is no longer shared out between providers: one gets it all"
            host.lose(MODEL_ROUTING, line.rule.origin, text)
            yield None
            continue
        yield Line(line.route, _pass(host, line.rule), _as_whole(line.match))


def _place(line: Line) -> _Place:
    return line.route.name, line.rule.origin, _as_whole(line.match)


def _as_whole(match: HttpMatch | None) -> HttpMatch | None:
    return match and msgspec.structs.replace(match, percent=_WHOLE)


def _find_largest(shares: Sequence[Line]) -> Line:
    best, most, before = shares[0], 0.0, 0.0
    for line in sorted(shares, key=lambda one: one.match.percent if one.match else _WHOLE):
        end = line.match.percent if line.match else _WHOLE
        if end - before > most:
            best, most = line, end - before
        before = end
    return best


def _pass(host: Host, rule: HttpRule) -> HttpRule:
    """A rule with the provider's key put on its requests, and the client's own credentials taken off."""
    provider = find_provider(rule, host.backends)
    if provider is None or provider.passes_credentials:
        return rule
    credential, own = provider.credential, rule.request_headers or HeaderEdit()
    header = credential.header if isinstance(credential, KeyCredential) else ""
    taken_off = tuple(one for one in _SHOWN if one != header.lower())
    edited = msgspec.structs.replace(own, remove=tuple(dict.fromkeys((*own.remove, *taken_off))))
    rule = msgspec.structs.replace(rule, request_headers=edited)
    if credential is None:
        return rule
    if not isinstance(credential, KeyCredential):
        text = "what is no request of an AI API is not passed on: only keys in headers can be put on it"
        host.lose(MODEL_CREDENTIAL, rule.origin, text)
        answer = Respond(origin=rule.origin, status=_NOT_IMPLEMENTED, reason=text)
        return msgspec.structs.replace(rule, action=answer, mirrors=(), retry=None, rewrite=None)
    inject = Credential(origin=credential.origin, secret=credential.secret, header=header, overwrite=True)
    return msgspec.structs.replace(rule, inject=inject)
