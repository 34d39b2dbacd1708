"""Routes as they are on one listener: with the policies, certificates and sessions that hold there."""

from collections.abc import Sequence

import msgspec

from anygate.diagnostics import ObjectRef
from anygate.dialects.derived import DerivedRoute
from anygate.dialects.gateway_api.backend_policy import BackendPolicies
from anygate.dialects.gateway_api.context import GATEWAY_API, Context, Fault
from anygate.dialects.gateway_api.effects import Effects
from anygate.dialects.gateway_api.findings import NOT_HONOURED
from anygate.dialects.gateway_api.merged_backend import merge_targets
from anygate.dialects.gateway_api.policies import Place
from anygate.model.route import BackendTarget, Forward, HttpRoute, HttpRule, Session, StreamRoute


class Specialiser:
    """Applies to the routes of one Gateway what depends on where they are attached."""

    def __init__(
        self, context: Context, effects: Effects, policies: BackendPolicies, gateway: str, certificate: str
    ) -> None:
        self._context = context
        self._effects = effects
        self._policies = policies
        self._gateway = gateway
        self._certificate = certificate
        self._cookies: dict[str, tuple[str, str]] = {}
        self._fallbacks = context.fallbacks

    def http(self, route: HttpRoute, listener: Sequence[Place]) -> HttpRoute:
        """A route on a listener; the same value when nothing changes it there."""
        ref = route_ref(route.kind, route.name)
        rules = tuple(self._rule(route, ref, number, listener) for number in range(len(route.rules)))
        unchanged = all(new is old for new, old in zip(rules, route.rules, strict=True))
        if unchanged:
            return route
        # Nodes keep their identity from one compile to the next, so that what is built of them can be found again.
        key = ("specialised", id(route), *map(id, rules))
        found = self._context.cache.get(key)
        if found is None:
            found = (msgspec.structs.replace(route, rules=rules), route, rules)
            self._context.cache.put(key, found)
        made: HttpRoute = found[0]
        return made

    def _rule(self, route: HttpRoute, ref: ObjectRef, number: int, listener: Sequence[Place]) -> HttpRule:
        written = rule = route.rules[number]
        if self._policies:
            rule = self._policies.apply(rule, route.name)
        if self._effects:
            rule = self._effects.apply(rule, ((ref, rule.name), (ref, ""), *listener))
        if self._certificate:
            rule = self._with_certificate(rule)
        if rule.session is None and not self._fallbacks:
            return rule
        item = self._context.index.get(*ref)
        assert item is not None
        if isinstance(item, DerivedRoute):
            # Its backends differ in more than their endpoints, and who derived it gives them their order.
            return rule
        path = ("spec", "rules", number)
        if rule.session is not None and rule.session.kind == "cookie":
            name = self._own_cookie(rule.session, route, rule)
            if name != rule.session.name:
                if written.session is not None:
                    text = f"another rule has a cookie called {rule.session.name}; this one is called {name}"
                    self._context.add(NOT_HONOURED, text, item.manifest, (*path, "sessionPersistence"))
                rule = msgspec.structs.replace(rule, session=msgspec.structs.replace(rule.session, name=name))
        suffix = f"+{self._gateway}" if self._certificate else ""
        return merge_targets(self._context, rule, item.manifest, path, suffix)

    def _own_cookie(self, session: Session, route: HttpRoute, rule: HttpRule) -> str:
        """The name of a rule's cookie: two rules never share one (GEP-1619), whatever names they ask for."""
        owner = (f"{route.kind}/{route.name}", rule.name)
        if self._cookies.setdefault(session.name, owner) == owner:
            return session.name
        return f"{session.name}-{route.name.replace('/', '-')}-{rule.name}"

    def _with_certificate(self, rule: HttpRule) -> HttpRule:
        """A rule whose TLS backends see the Gateway's certificate."""
        if not isinstance(rule.action, Forward):
            return rule
        known = self._context.backends
        targets = []
        for target in rule.action.targets:
            backend = known.get(target.backend)
            if backend is None or backend.tls is None or backend.tls.certificate:
                targets.append(target)
                continue
            name = f"{target.backend}+{self._gateway}"
            tls = msgspec.structs.replace(backend.tls, certificate=self._certificate)
            known.setdefault(name, msgspec.structs.replace(backend, name=name, tls=tls))
            targets.append(msgspec.structs.replace(target, backend=name))
        action = msgspec.structs.replace(rule.action, targets=tuple(targets))
        return msgspec.structs.replace(rule, action=action)

    def stream(self, route: StreamRoute, listener: Sequence[Place]) -> StreamRoute:
        """A stream route on a listener; a policy that is not valid leaves it no backend."""
        ref = route_ref(route.kind, route.name)
        places = ((ref, route.rule), (ref, ""), *listener)
        security, traffic = self._effects.security(places), self._effects.traffic(places)
        for found in (security, traffic):
            if isinstance(found, Fault):
                return msgspec.structs.replace(route, targets=_closed(route.targets, found.message))
        if security is not None and not isinstance(security, Fault) and security.security is not None:
            item = self._context.index.get(*ref)
            assert item is not None
            text = "a SecurityPolicy cannot protect raw streams here; connections are refused"
            self._context.add(NOT_HONOURED, text, item.manifest, ("metadata", "name"))
            return msgspec.structs.replace(route, targets=_closed(route.targets, text))
        if traffic is None or isinstance(traffic, Fault):
            return route
        targets = tuple(
            msgspec.structs.replace(one, backend=self._effects.variant(one.backend, traffic)) for one in route.targets
        )
        return msgspec.structs.replace(route, targets=targets)


def _closed(targets: tuple[BackendTarget, ...], reason: str) -> tuple[BackendTarget, ...]:
    return tuple(msgspec.structs.replace(one, backend="", reason=reason) for one in targets)


def route_ref(kind: str, name: str) -> ObjectRef:
    """The object that a route of the model was read from."""
    namespace, _, own = name.partition("/")
    return ObjectRef(GATEWAY_API, kind, namespace, own)
