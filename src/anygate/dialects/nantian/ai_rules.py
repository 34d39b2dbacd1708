"""Rules of routes that send requests to AIServices, as rules of AI requests: one for each endpoint and each share.

Each service takes its share with what stands in for it: further tries, the models of its fallback chain, and then the
services that the other shares are for. So the first choice of a request decides about all of its tries.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from fractions import Fraction
from typing import NamedTuple

import msgspec

from anygate.dialects.inference_refusals import UNPROCESSABLE, refuse
from anygate.dialects.nantian.ai_findings import AI_NO_PATH, AI_STANDS_ALONE
from anygate.dialects.nantian.ai_mirrors import AiMirrors
from anygate.dialects.nantian.ai_paths import list_matches, rebase
from anygate.dialects.nantian.aiservices import Usable
from anygate.dialects.nantian.context import Context, origin
from anygate.dialects.nantian.guards import put_guards
from anygate.dialects.nantian.prices import make_costs
from anygate.dialects.provider_backends import BUFFER_LIMIT
from anygate.dialects.ways import Way, find_way
from anygate.manifests.references import GATEWAY_API_GROUP
from anygate.model import Model
from anygate.model.backend import Backend
from anygate.model.edit import Respond, Rewrite
from anygate.model.inference import Inference, ModelEndpoint, Provider, QueryCredential
from anygate.model.listener import Gateway, Listener
from anygate.model.match import HttpMatch
from anygate.model.places import change_routes
from anygate.model.retry import Retry
from anygate.model.route import BackendTarget, Forward, HttpRoute, HttpRule, Timeouts

TROUBLES = ("connect-failure", "refused-stream", "reset-before-request", "reset", "retriable-status-codes")
STATUSES = (429, 500, 502, 503, 504)
"""After which another try is made, before any byte of an answer has been sent on."""

_NEVER = timedelta(0)
_NOT_IMPLEMENTED = 501
_NO_PLACE = "only the paths of AI APIs are passed on to a provider that has its key in the query"


class _Share:
    """The part of a rule's requests that one target takes, up to `percent` of all."""

    def __init__(
        self,
        target: BackendTarget,
        service: Usable | None,
        variant: Backend | None,
        percent: float,
        number: int | None,
    ) -> None:
        self.target = target
        self.service = service
        self.variant = variant
        self.percent = percent
        self.suffix = "" if number is None else f"/{number}"

    @property
    def is_edited(self) -> bool:
        """Whether its requests are changed as those of no other share are."""
        one = self.target
        return bool(one.request_headers or one.response_headers or one.rewrite or one.redirect or one.mirrors)

    def rewrite(self, rule: HttpRule) -> Rewrite:
        """What is made of host and path for it."""
        wide, own = rule.rewrite or Rewrite(), self.target.rewrite
        if own is None:
            return wide
        return msgspec.structs.replace(wide, path=own.path or wide.path, host=own.host or wide.host)


class _Try(NamedTuple):
    """A backend that a share's requests may go to, `tries` times in a row, and whose it is."""

    service: Usable
    target: BackendTarget
    backend: Backend
    tries: int

    @property
    def provider(self) -> Provider:
        """Who answers there."""
        assert self.backend.provider is not None, "it is a service's"
        return self.backend.provider


class AiRules:
    """Refines the rules of one model; `made` are the backends that refined rules name and the model has not."""

    def __init__(
        self, context: Context, services: Mapping[tuple[str, str], Usable], backends: Mapping[str, Backend]
    ) -> None:
        self._context = context
        self._services = services
        self._backends = backends
        self._refined: dict[int, tuple[HttpRoute, HttpRoute]] = {}
        self._reported: set[tuple[str, int]] = set()
        self.made: dict[str, Backend] = {}

    def refine(self, route: HttpRoute) -> HttpRoute:
        """A route with those of its rules refined that send requests to AIServices; once for all its listeners."""
        known = self._refined.get(id(route))
        if known is None:
            rules = tuple(one for number, rule in enumerate(route.rules) for one in self._refine(route, rule, number))
            same = len(rules) == len(route.rules)
            # The route is stored too, so that its id stays taken.
            known = (route if same else msgspec.structs.replace(route, rules=rules), route)
            self._refined[id(route)] = known
        return known[0]

    def _refine(self, route: HttpRoute, rule: HttpRule, number: int) -> Iterator[HttpRule]:
        shares = self._list_shares(rule)
        if not any(one.service for one in shares):
            yield rule
            return
        asked = [(one, *found) for one in shares if one.service for found in _list_asked(rule, one)]
        self._check(route, number, shares, is_asked=bool(asked))
        for share, endpoint, matches in asked:
            yield self._ask(route, rule, share, shares, endpoint, matches)
        for one in shares:
            yield _pass(rule, one)

    def _list_shares(self, rule: HttpRule) -> list[_Share]:
        if not isinstance(rule.action, Forward) or rule.inference is not None:
            return []
        # Services come first, so that what their rows at the paths of AI APIs leave over is that of the others.
        weighted = (one for one in rule.action.targets if one.weight > 0)
        targets = sorted(weighted, key=lambda one: self.find(one.backend) is None)
        found = [(one, *part) for one in targets for part in _divide(one, self.find(one.backend))]
        total, taken = sum(weight for *_, weight in found), Fraction()
        shares = []
        for number, (target, service, variant, weight) in enumerate(found):
            taken += weight
            percent = float(100 * taken / total)
            shares.append(_Share(target, service, variant, percent, number if len(found) > 1 else None))
        return shares

    def find(self, backend: str) -> Usable | None:
        """The service that a backend of the model is."""
        found = self._backends.get(backend)
        if found is None or found.provider is None:
            return None
        namespace, _, name = found.provider.name.partition("/")
        return self._services.get((namespace, name))

    def _check(self, route: HttpRoute, number: int, shares: Sequence[_Share], *, is_asked: bool) -> None:
        """Report what people will not expect of a rule."""
        item = self._context.index.get(GATEWAY_API_GROUP, route.kind, *route.name.split("/", 1))
        if item is None or (route.name, number) in self._reported:
            return
        self._reported.add((route.name, number))
        path = ("spec", "rules", number)
        if not is_asked:
            text = "none of the rule's paths is one of an AI API"
            self._context.add(AI_NO_PATH, text, item, path, hint="rewrite the prefix to /, or match /v1")
        services = [one for one in shares if one.service]
        if len(services) > 1 and any(one.is_edited for one in services):
            text = "a backendRef with filters of its own has none that stands in for it"
            self._context.add(AI_STANDS_ALONE, text, item, path, hint="give the filters to the rule")

    def _ask(
        self,
        route: HttpRoute,
        rule: HttpRule,
        share: _Share,
        shares: Sequence[_Share],
        endpoint: ModelEndpoint,
        matches: Sequence[HttpMatch],
    ) -> HttpRule:
        """A share's rule for requests for one endpoint."""
        service, here = share.service, rule.origin
        assert service is not None
        line = self._line_up(share, shares, endpoint)
        costs = make_costs([(one.service.item, one.provider.model, one.service.prices) for one in line])
        refined = msgspec.structs.replace(
            rule,
            name=f"{rule.name}/{endpoint}{share.suffix}",
            matches=tuple(msgspec.structs.replace(match, percent=share.percent) for match in matches),
            inference=Inference(origin=here, endpoint=endpoint, route=route.name, costs=costs),
        )
        if not line:
            assert service.backend.provider is not None
            text = f"the backend does not serve this endpoint: it speaks {service.backend.provider.format}"
            return _answered(refined, refuse(endpoint, UNPROCESSABLE, text, here))
        rewrite = share.rewrite(rule)
        found = {id(one.service): one.service.guard for one in line if one.service.guard is not None}
        return msgspec.structs.replace(
            put_guards(refined, tuple(found.values()), endpoint),
            action=Forward(origin=share.target.origin, targets=tuple(self._list_targets(line, endpoint))),
            rewrite=msgspec.structs.replace(rewrite, path=None, host_from_backend=not rewrite.host),
            timeouts=_complete(rule.timeouts, service.timeout),
            retry=rule.retry or _read_retry(service, line),
        )

    def _line_up(self, share: _Share, shares: Sequence[_Share], endpoint: ModelEndpoint) -> list[_Try]:
        """What a share's requests go to, in the order in which it is tried, each backend once."""
        alone = share.is_edited
        others = () if alone else (one for one in shares if one is not share and not one.is_edited)
        line: dict[str, _Try] = {}
        for one in (share, *others):
            service = one.service
            if service is None:
                continue
            own = self._backends[one.target.backend]
            if one.variant is not None:
                own = _as(own, one.variant)
            line.setdefault(own.name, _Try(service, one.target, own, service.tries))
            for standin in () if alone else service.standins:
                backend = _as(own, standin.backend)
                line.setdefault(backend.name, _Try(service, one.target, backend, standin.tries))
        return [one for one in line.values() if find_way(endpoint, one.provider) is not Way.NOT]

    def _list_targets(self, line: Sequence[_Try], endpoint: ModelEndpoint) -> Iterator[BackendTarget]:
        for number, one in enumerate(line):
            if one.backend.name not in self._backends:
                self.made[one.backend.name] = self._context.cache.keep(one.backend)
            yield msgspec.structs.replace(
                one.target,
                backend=one.backend.name,
                weight=1,
                priority=number,
                tries=one.tries,
                translated=find_way(endpoint, one.provider) is Way.TRANSLATED,
                rewrite=None,
            )


def _divide(target: BackendTarget, service: Usable | None) -> Iterator[tuple[Usable | None, Backend | None, Fraction]]:
    """A target's parts, with the weight of each: one, or one for each variant of its service."""
    if service is None or not service.variants:
        yield service, None, Fraction(target.weight)
        return
    whole = sum(weight for _, weight in service.variants)
    for backend, weight in service.variants:
        variant = None if backend is service.backend else backend
        yield service, variant, Fraction(target.weight * weight, whole)


def _list_asked(rule: HttpRule, share: _Share) -> Iterator[tuple[ModelEndpoint, list[HttpMatch]]]:
    """The endpoints that a share's rule serves, with the matches at all of their paths."""
    found: dict[ModelEndpoint, list[HttpMatch]] = {}
    for endpoint, match in list_matches(rule.matches, share.rewrite(rule).path, rule.origin):
        found.setdefault(endpoint, []).append(match)
    yield from found.items()


def _read_retry(service: Usable, line: Sequence[_Try]) -> Retry | None:
    attempts = sum(one.tries for one in line) - 1
    if not attempts:
        return None
    wanted = (status for one in line for standin in one.service.standins for status in standin.statuses)
    return Retry(
        origin=origin(service.item, ("spec", "retry")),
        attempts=attempts,
        triggers=TROUBLES,
        statuses=tuple(dict.fromkeys((*STATUSES, *wanted))),
        backoff=service.backoff,
        max_backoff=service.longest_backoff,
    )


def _pass(rule: HttpRule, share: _Share) -> HttpRule:
    """A share's rule for requests for everything else, which pass as they are."""
    matches = rule.matches
    if share.suffix:
        found = matches or (HttpMatch(origin=rule.origin),)
        matches = tuple(msgspec.structs.replace(match, percent=share.percent) for match in found)
    action = Forward(origin=share.target.origin, targets=(msgspec.structs.replace(share.target, weight=1),))
    passed = msgspec.structs.replace(rule, name=f"{rule.name}{share.suffix}", matches=matches, action=action)
    service = share.service
    if service is None or service.backend.provider is None:
        return passed
    if isinstance(service.backend.provider.credential, QueryCredential):
        answer = Respond(origin=rule.origin, status=_NOT_IMPLEMENTED, body=_NO_PLACE, reason=_NO_PLACE)
        return _answered(passed, answer)
    rewrite = share.rewrite(rule)
    path = rebase(rule.matches, rewrite.path, service.base) or rewrite.path
    rewrite = msgspec.structs.replace(rewrite, path=path, host_from_backend=not rewrite.host)
    return msgspec.structs.replace(passed, rewrite=rewrite, timeouts=_complete(rule.timeouts, service.timeout))


def _answered(rule: HttpRule, answer: Respond) -> HttpRule:
    return msgspec.structs.replace(rule, action=answer, mirrors=(), retry=None, session=None, hash_policies=())


def _as(own: Backend, standin: Backend) -> Backend:
    """A stand-in reached as the service itself is, with the policies that hold for it there."""
    _, at, label = own.name.partition("@")
    return msgspec.structs.replace(own, name=f"{standin.name}{at}{label}", provider=standin.provider)


def _complete(known: Timeouts, limit: timedelta) -> Timeouts:
    """A rule's own limits or else the service's: for a whole answer, and for silence before and within a stream.

    Tried on Envoy 1.40: the limit of one try ends with the first byte of its answer, so that it cuts no stream.
    """
    if known.request is not None or known.attempt is not None or not limit:
        return known
    return msgspec.structs.replace(known, request=_NEVER, attempt=limit, attempt_idle=limit, whole=limit)


def refine_model(context: Context, services: Mapping[tuple[str, str], Usable], model: Model) -> Model:
    """The model with its rules refined, the backends that they name, and room for the messages of AI requests."""
    rules = AiRules(context, services, {one.name: one for one in model.backends})
    changed = change_routes(model, lambda _gateway, _server, route: rules.refine(route))
    backends = {one.name: one for one in (*changed.backends, *rules.made.values())}
    named = {name: found for name in backends if (found := rules.find(name)) is not None}
    changed = AiMirrors(named, backends).lead(changed)
    gateways = tuple(_make_room(one) for one in changed.gateways)
    return msgspec.structs.replace(
        changed, gateways=gateways, backends=tuple(backends[name] for name in sorted(backends))
    )


def _make_room(gateway: Gateway) -> Gateway:
    listeners = tuple(_enlarge(one) if _has_inference(one) else one for one in gateway.listeners)
    return msgspec.structs.replace(gateway, listeners=listeners)


def _has_inference(listener: Listener) -> bool:
    rules = (rule for server in listener.servers for route in server.routes for rule in route.rules)
    return any(rule.inference is not None for rule in rules)


def _enlarge(listener: Listener) -> Listener:
    if listener.connection.buffer_limit is not None:
        return listener
    return msgspec.structs.replace(
        listener, connection=msgspec.structs.replace(listener.connection, buffer_limit=BUFFER_LIMIT)
    )
