"""Derived routes as MCP endpoints: one rule for the servers, and what clients read before they have a token."""

from collections.abc import Iterator
from datetime import timedelta

import msgspec

from anygate.dialects.envoy_ai.context import Context, origin
from anygate.dialects.envoy_ai.kinds.mcproute import MCPRoute
from anygate.dialects.envoy_ai.kinds.mcpsecurity import MCPRouteOAuth
from anygate.dialects.envoy_ai.mcp_derive import PROVIDER, McpPlan
from anygate.dialects.envoy_ai.mcp_findings import EXPRESSION_INVALID, KEYS_MISSING
from anygate.dialects.envoy_ai.mcp_rules import find_expression_problems, read_authorization, read_selector
from anygate.dialects.envoy_ai.route_findings import NOT_HONOURED
from anygate.model import Model
from anygate.model.backend import Backend
from anygate.model.edit import HeaderEdit, PathRewrite, Redirect, Respond
from anygate.model.listener import Gateway, Listener, Server
from anygate.model.match import HttpMatch, PathMatch
from anygate.model.mcp import Mcp
from anygate.model.origin import Origin
from anygate.model.route import BackendTarget, Forward, HttpRoute, HttpRule, list_backends
from anygate.urls import split_url

LONGEST = timedelta(minutes=30)
"""How long an answer or the stream of notifications may take when no policy says otherwise."""

_EXACT_PATH = 3
_PROTECTED = "/.well-known/oauth-protected-resource"
_SERVER = "/.well-known/oauth-authorization-server"
_OPENID = "/.well-known/openid-configuration"
_FOUND = 307
_OPEN = HeaderEdit(set=(("access-control-allow-origin", "*"),))
"""What says how to get a token is no secret, and clients in browsers have to read it."""


class McpRefiner:
    """Refines the MCP routes of one model."""

    def __init__(self, context: Context, plans: dict[str, McpPlan], model: Model) -> None:
        self._context = context
        self._plans = plans
        self._model = model
        self._backends = {backend.name: backend for backend in model.backends}
        self._made: dict[str, Backend] = {}
        self._closed: dict[str, str] = {}

    def complete(self) -> Model:
        """The model with every MCP route as an endpoint; the same value when there is none."""
        if not self._plans:
            return self._model
        for name, plan in self._plans.items():
            self._check(name, plan)
        gateways = tuple(self._gateway(one) for one in self._model.gateways)
        replaced = {target.backend for target in self._targets()}
        used = set(_list_used(gateways))
        backends = {**self._backends, **self._made}
        for name in replaced - used:
            backends.pop(name, None)
        return msgspec.structs.replace(
            self._model, gateways=gateways, backends=tuple(backends[name] for name in sorted(backends))
        )

    def _check(self, name: str, plan: McpPlan) -> None:
        """Find why a route must not be served at all, and name what of it has no effect."""
        source = plan.source
        for path, text in find_expression_problems(source):
            self._context.add(EXPRESSION_INVALID, text, source.manifest, path)
            self._close(name, plan, text)
        policy = source.spec.security_policy
        if policy is not None and policy.oauth is not None and policy.oauth.jwks is None:
            text = "the route has no keys to check tokens with"
            path = ("spec", "securityPolicy", "oauth")
            self._context.add(KEYS_MISSING, text, source.manifest, path, hint="add jwks")
            self._close(name, plan, text)
        traffic = source.spec.backend_traffic_policy
        if traffic is not None and traffic.merge_type is not None:
            path = ("spec", "backendTrafficPolicy", "mergeType")
            self._context.add(
                NOT_HONOURED, "the route has no traffic policy of its own to merge", source.manifest, path
            )
        for text in plan.servers.lost.values():
            self._context.conditions.refuse(source.ref, text)

    def _close(self, name: str, plan: McpPlan, text: str) -> None:
        self._closed.setdefault(name, text)
        self._context.conditions.refuse(plan.source.ref, text)

    def _targets(self) -> Iterator[BackendTarget]:
        """The targets of the routes before they were refined."""
        for gateway in self._model.gateways:
            for route in _routes(gateway):
                if route.name in self._plans:
                    for rule in route.rules:
                        yield from rule.action.targets if isinstance(rule.action, Forward) else ()

    def _gateway(self, gateway: Gateway) -> Gateway:
        listeners = tuple(self._listener(one) for one in gateway.listeners)
        if all(new is old for new, old in zip(listeners, gateway.listeners, strict=True)):
            return gateway
        return msgspec.structs.replace(gateway, listeners=listeners)

    def _listener(self, listener: Listener) -> Listener:
        servers = tuple(self._server(one) for one in listener.servers)
        if all(new is old for new, old in zip(servers, listener.servers, strict=True)):
            return listener
        return msgspec.structs.replace(listener, servers=servers)

    def _server(self, server: Server) -> Server:
        if not any(route.name in self._plans for route in server.routes):
            return server
        routes = tuple(
            self._refine(route, self._plans[route.name]) if route.name in self._plans else route
            for route in server.routes
        )
        return msgspec.structs.replace(server, routes=routes)

    def _refine(self, route: HttpRoute, plan: McpPlan) -> HttpRoute:
        source = plan.source
        rule = self._refine_rule(route, route.rules[0], plan)
        if isinstance(rule.action, Respond) and rule.action.reason:
            self._context.conditions.refuse(source.ref, rule.action.reason)
        oauth = source.spec.security_policy.oauth if source.spec.security_policy else None
        public = tuple(_publish(source, oauth)) if oauth is not None else ()
        made = msgspec.structs.replace(
            route,
            origin=origin(source.manifest),
            name=f"{source.namespace}/{source.name}",
            kind="MCPRoute",
            rules=(rule, *public),
        )
        return self._context.cache.keep(made)

    def _refine_rule(self, route: HttpRoute, rule: HttpRule, plan: McpPlan) -> HttpRule:
        source = plan.source
        here = origin(source.manifest, ("spec",))
        at = origin(source.manifest, ("spec", "path"))
        matches = tuple(msgspec.structs.replace(one, origin=at) for one in rule.matches)
        rule = msgspec.structs.replace(rule, origin=here, name="mcp", matches=matches)
        reason = self._closed.get(route.name, "")
        if reason:
            closed = Respond(origin=here, status=500, reason=reason)
            return msgspec.structs.replace(rule, action=closed, security=None)
        if not isinstance(rule.action, Forward):
            return rule  # a policy that is not valid has closed it
        for target in rule.action.targets:
            if target.reason:
                self._context.conditions.refuse(source.ref, target.reason)
        targets = tuple(self._specialise(target, plan, number) for number, target in enumerate(rule.action.targets))
        known = rule.timeouts
        timeouts = msgspec.structs.replace(
            known,
            request=LONGEST if known.request is None else known.request,
            stream_idle=LONGEST if known.stream_idle is None else known.stream_idle,
        )
        return msgspec.structs.replace(
            rule,
            action=Forward(origin=here, targets=targets),
            timeouts=timeouts,
            # A call of a tool is done once.
            retry=None,
            upgrades=(),
            mcp=_read_mcp(plan, rule),
        )

    def _specialise(self, target: BackendTarget, plan: McpPlan, number: int) -> BackendTarget:
        """A target whose backend is known to be an MCP server, with the key that it wants."""
        base = self._backends.get(target.backend) if number not in plan.servers.lost else None
        here = plan.servers.servers[number].origin
        if base is None:
            reason = plan.servers.lost.get(number, target.reason)
            return msgspec.structs.replace(target, origin=here, backend="", reason=reason)
        source = plan.source
        name = f"{target.backend}+mcp/{source.namespace}/{source.name}/{plan.servers.servers[number].name}"
        made = msgspec.structs.replace(base, name=name, mcp=plan.servers.access[number])
        self._made[name] = self._context.cache.keep(made)
        return msgspec.structs.replace(target, origin=here, backend=name)


def _read_mcp(plan: McpPlan, rule: HttpRule) -> Mcp:
    source = plan.source
    policy = source.spec.security_policy
    oauth = policy.oauth if policy else None
    keys = rule.security.api_key if rule.security else None
    return Mcp(
        origin=origin(source.manifest),
        route=f"{source.namespace}/{source.name}",
        servers=plan.servers.servers,
        authorization=read_authorization(source),
        selector=read_selector(source),
        jwt_provider=PROVIDER if oauth is not None else "",
        subject_header=keys.forward_header if keys else "",
        metadata_url=_metadata_url(source, oauth) if oauth is not None else "",
    )


def _metadata_url(source: MCPRoute, oauth: MCPRouteOAuth) -> str:
    parts = split_url(oauth.protected_resource_metadata.resource)
    return f"{parts.scheme}://{parts.netloc}{_PROTECTED}{_suffix(source)}"


def _suffix(source: MCPRoute) -> str:
    return "" if source.spec.path == "/" else source.spec.path


def _publish(source: MCPRoute, oauth: MCPRouteOAuth) -> Iterator[HttpRule]:
    """What clients without a token read: the metadata of the route (RFC 9728), and where those of the issuer are."""
    here = origin(source.manifest, ("spec", "securityPolicy", "oauth"))
    answer = Respond(origin=here, status=200, body=_write_metadata(oauth), content_type="application/json")
    yield _public_rule(here, "protected-resource", f"{_PROTECTED}{_suffix(source)}", answer)
    issuer = oauth.issuer.rstrip("/")
    parts = split_url(issuer)
    # RFC 8414 puts its path between the host and the issuer's own, OpenID Connect behind it.
    own = oauth.authorization_server_metadata_url or f"{parts.scheme}://{parts.netloc}{_SERVER}{parts.path}"
    for name, path, url in (
        ("authorization-server", _SERVER, own),
        ("openid-configuration", _OPENID, oauth.authorization_server_metadata_url or f"{issuer}{_OPENID}"),
    ):
        yield _public_rule(here, name, f"{path}{_suffix(source)}", _redirect(here, url))


def _redirect(here: Origin, url: str) -> Redirect:
    parts = split_url(url)
    return Redirect(
        origin=here,
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port or 0,
        path=PathRewrite(kind="full", value=parts.path or "/"),
        status=_FOUND,
    )


def _public_rule(here: Origin, name: str, path: str, action: Respond | Redirect) -> HttpRule:
    match = HttpMatch(
        origin=here,
        path=PathMatch(kind="exact", value=path),
        rank=(_EXACT_PATH, len(path), 0, 0, 0),
    )
    return HttpRule(origin=here, name=name, action=action, matches=(match,), response_headers=_OPEN)


def _write_metadata(oauth: MCPRouteOAuth) -> str:
    found = oauth.protected_resource_metadata
    fields = {
        "resource": found.resource,
        "authorization_servers": [oauth.issuer],
        "bearer_methods_supported": ["header"],
        "resource_name": found.resource_name,
        "scopes_supported": list(found.scopes_supported),
        "resource_signing_alg_values_supported": list(found.resource_signing_alg_values_supported or ()),
        "resource_documentation": found.resource_documentation,
        "resource_policy_uri": found.resource_policy_uri,
    }
    return msgspec.json.encode({name: value for name, value in fields.items() if value}).decode()


def _routes(gateway: Gateway) -> Iterator[HttpRoute]:
    for listener in gateway.listeners:
        for server in listener.servers:
            yield from server.routes


def _list_used(gateways: tuple[Gateway, ...]) -> Iterator[str]:
    """The backends that anything refers to."""
    for gateway in gateways:
        for route in _routes(gateway):
            for rule in route.rules:
                yield from list_backends(rule)
        for listener in gateway.listeners:
            for server in listener.servers:
                for stream in server.streams:
                    yield from (target.backend for target in stream.targets)
