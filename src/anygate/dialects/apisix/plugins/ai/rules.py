"""Rules of the AI plugins: one for each endpoint that a rule's paths take, and one for what is none."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

import msgspec

from anygate.dialects.apisix.expressions import Conditions
from anygate.dialects.apisix.plugins.ai.instances import Exchange
from anygate.dialects.apisix.plugins.ai.vendors import ENDPOINTS
from anygate.dialects.apisix.plugins.changes import matches_of
from anygate.dialects.apisix.plugins.splitting import narrow
from anygate.dialects.inference_refusals import refuse
from anygate.dialects.ways import Way, find_way
from anygate.model.backend import Backend
from anygate.model.edit import Respond, Rewrite
from anygate.model.inference import Inference, ModelEndpoint
from anygate.model.match import HttpMatch, PathMatch, ValueMatch
from anygate.model.retry import Retry
from anygate.model.route import BackendTarget, Forward, HashPolicy, HttpRule, Timeouts
from anygate.model.text import Text, Variable
from anygate.model.wording import PLAIN_TEXT
from anygate.providers.paths import ENDPOINT_PATHS

_REFUSED = 400
_UNKNOWN = "no matching AI protocol for the request"
_NO_REQUEST = "it is no request of an AI API"
_CONTENT_TYPE = Variable(kind="header", name="content-type")
_NEVER = timedelta(0)
_ANY = frozenset(path for paths in ENDPOINT_PATHS.values() for path in paths)


class Share(NamedTuple):
    """The backends of one instance by endpoint, its part of the requests, and when its turn is."""

    backends: Mapping[ModelEndpoint, Backend]
    weight: int = 1
    priority: int = 0
    tries: int = 1


def split_rule(
    rule: HttpRule,
    shares: Sequence[Share],
    exchange: Exchange,
    retry: Retry | None,
    hashed: tuple[HashPolicy, ...] = (),
) -> Iterator[HttpRule]:
    """The rules that an AI rule becomes. The upstream of the route has no part in them.

    Shares are drawn by chance, or by what is `hashed` of a request.
    """
    limit = timedelta(milliseconds=exchange.timeout)
    longest = exchange.max_stream_duration_ms
    plain = msgspec.structs.replace(
        rule,
        # The limit of a try ends with the first byte of its answer, and then every silence has it.
        timeouts=Timeouts(
            request=_NEVER,
            attempt=limit,
            attempt_idle=limit,
            max_stream=None if longest is None else timedelta(milliseconds=longest),
        ),
        rewrite=Rewrite(host_from_backend=True),
        retry=retry,
        session=None,
        hash_policies=hashed,
        hashes_targets=bool(hashed),
        upgrades=(),
        request_buffer=exchange.max_req_body_size or rule.request_buffer,
    )
    yield _refuse_others(rule)
    for endpoint in ENDPOINTS:
        matches = tuple(_list_matches(rule, endpoint))
        if matches:
            yield _ask(plain, endpoint, matches, shares)
    answer = Respond(origin=rule.origin, status=_REFUSED, body=_UNKNOWN, content_type=PLAIN_TEXT, reason=_NO_REQUEST)
    yield msgspec.structs.replace(rule, action=answer, rewrite=None, retry=None, hash_policies=(), mirrors=())


def _refuse_others(rule: HttpRule) -> HttpRule:
    """The answer to requests whose bodies are called something else than JSON."""
    text = Text(parts=("unsupported content-type: ", _CONTENT_TYPE, ", only application/json is supported"))
    answer = Respond(origin=rule.origin, status=_REFUSED, content_type=PLAIN_TEXT, reason=_NO_REQUEST, text=text)
    wanted = Conditions(
        headers=(
            ValueMatch(name="content-type", kind="present"),
            ValueMatch(name="content-type", kind="prefix", value="application/json", invert=True),
        )
    )
    return narrow(rule, "content-type", [wanted], action=answer, rewrite=None, retry=None, hash_policies=(), mirrors=())


def _ask(rule: HttpRule, endpoint: ModelEndpoint, matches: tuple[HttpMatch, ...], shares: Sequence[Share]) -> HttpRule:
    origin = rule.origin
    asked = msgspec.structs.replace(
        rule,
        name=f"{rule.name}/{endpoint}",
        matches=matches,
        inference=Inference(origin=origin, endpoint=endpoint, route=f"{origin.namespace}/{origin.name}"),
    )
    targets = tuple(
        BackendTarget(
            origin=origin,
            backend=backend.name,
            weight=share.weight,
            priority=share.priority,
            tries=share.tries,
            translated=way is Way.TRANSLATED,
        )
        for share in shares
        for backend, way in _find(share, endpoint)
    )
    if not targets:
        text = f"the provider does not support {ENDPOINTS[endpoint]}"
        answer = refuse(endpoint, _REFUSED, text, origin)
        return msgspec.structs.replace(asked, action=answer, retry=None, mirrors=())
    return msgspec.structs.replace(asked, action=Forward(origin=origin, targets=targets))


def _find(share: Share, endpoint: ModelEndpoint) -> Iterator[tuple[Backend, Way]]:
    backend = share.backends.get(endpoint)
    if backend is None or backend.provider is None:
        return
    way = find_way(endpoint, backend.provider)
    if way is not Way.NOT:
        yield backend, way


def _list_matches(rule: HttpRule, endpoint: ModelEndpoint) -> Iterator[HttpMatch]:
    """The matches at each path of an endpoint; any other path that is written out is one of chats."""
    for match in matches_of(rule):
        if match.method in ("", "POST"):
            for path in _list_paths(match.path, endpoint):
                yield msgspec.structs.replace(match, path=PathMatch(kind="exact", value=path), method="")


def _list_paths(wanted: PathMatch | None, endpoint: ModelEndpoint) -> Iterator[str]:
    known = ENDPOINT_PATHS[endpoint]
    if wanted is None:
        yield from known
    elif wanted.kind == "regex":
        yield from (path for path in known if re.fullmatch(wanted.value, path))
    elif wanted.kind == "exact" and wanted.value not in _ANY:
        if endpoint == "chat":
            yield wanted.value
    else:
        yield from (path for path in known if wanted.holds(path))
