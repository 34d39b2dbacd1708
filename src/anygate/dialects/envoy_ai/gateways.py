"""Gateways of the model that serve AI routes: their routes refined, their models listed, their buffers enlarged."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from anygate.dialects.envoy_ai.advice import check_buffer, check_timeouts, check_tls
from anygate.dialects.envoy_ai.context import Context
from anygate.dialects.envoy_ai.costs import merge_costs, read_costs
from anygate.dialects.envoy_ai.derive import Plan
from anygate.dialects.envoy_ai.kinds.gatewayconfig import GATEWAY_CONFIG_ANNOTATION, GatewayConfigSpec
from anygate.dialects.envoy_ai.listing import Listed, build_listings, list_models
from anygate.dialects.envoy_ai.normalise import Normal
from anygate.dialects.envoy_ai.refine import Refiner, list_backends
from anygate.dialects.envoy_ai.route_findings import NOT_HONOURED
from anygate.dialects.provider_backends import BUFFER_LIMIT
from anygate.manifests.names import suggest_word
from anygate.manifests.object import Manifest
from anygate.manifests.references import GATEWAY_API_GROUP
from anygate.model import Gateway, Listener, Model, Server
from anygate.model.inference import Cost
from anygate.model.route import Forward, HttpRoute, StreamRoute
from anygate.model.route import list_backends as list_rule_backends


class Gateways:
    """Completes the gateways of a model."""

    def __init__(self, context: Context, plans: Mapping[str, Plan], model: Model) -> None:
        self._context = context
        self._plans = plans
        self._model = model
        self._backends = {backend.name: backend for backend in model.backends}
        self._refiner = Refiner(context, self._backends)
        self._shared = {
            place: read_costs(
                context, config.kind.manifest, config.spec.global_llm_request_costs, ("spec", "globalLLMRequestCosts")
            )
            for place, config in context.configs.items()
        }
        self._costs = {
            name: read_costs(
                context, plan.source.kind.manifest, plan.source.spec.llm_request_costs, ("spec", "llmRequestCosts")
            )
            for name, plan in plans.items()
        }

    def complete(self) -> Model:
        """The model with its AI routes refined and the backends that they name."""
        gateways = tuple(self._complete_gateway(one) for one in self._model.gateways)
        backends = {
            **self._backends,
            **{name: self._context.cache.keep(one) for name, one in self._refiner.made.items()},
        }
        check_tls(self._context, self._refiner.made.values())
        # The plain backends of providers are left out unless something else goes there.
        spare = {name for base in self._refiner.replaced for name in (base, _plain_name(base))}
        for name in spare - _list_used(self._context, gateways) if spare else ():
            backends.pop(name, None)
        secrets = {one.name: one for one in self._model.secrets} | self._context.secrets
        return msgspec.structs.replace(
            self._model,
            gateways=gateways,
            backends=tuple(backends[name] for name in sorted(backends)),
            secrets=tuple(secrets[name] for name in sorted(secrets)),
        )

    def _complete_gateway(self, gateway: Gateway) -> Gateway:
        item = self._context.index.get(GATEWAY_API_GROUP, "Gateway", *gateway.name.split("/", 1))
        if item is None:
            return gateway
        shared = self._find_shared(item.manifest)
        proxy = self._find_proxy(item.manifest)
        listeners = []
        serving: list[Listener] = []
        for listener in gateway.listeners:
            servers = tuple(self._complete_server(gateway, one, shared, proxy) for one in listener.servers)
            if all(new is old for new, old in zip(servers, listener.servers, strict=True)):
                listeners.append(listener)
                continue
            serving.append(listener)
            connection = listener.connection
            if connection.buffer_limit is None:
                connection = msgspec.structs.replace(connection, buffer_limit=BUFFER_LIMIT)
            listeners.append(msgspec.structs.replace(listener, servers=servers, connection=connection))
        if not serving:
            return gateway
        check_buffer(self._context, item.manifest, serving)
        return msgspec.structs.replace(gateway, listeners=tuple(listeners))

    def _find_shared(self, gateway: Manifest) -> tuple[Cost, ...]:
        """The costs of the GatewayConfig that a Gateway names in its annotation."""
        name = gateway.annotations.get(GATEWAY_CONFIG_ANNOTATION)
        if not name:
            return ()
        found = self._shared.get((gateway.namespace, name))
        if found is None:
            names = [own for namespace, own in self._shared if namespace == gateway.namespace]
            text = f"there is no GatewayConfig/{gateway.namespace}/{name}"
            path = ("metadata", "annotations", GATEWAY_CONFIG_ANNOTATION)
            self._context.add(NOT_HONOURED, text, gateway, path, hint=suggest_word(name, names))
        return found or ()

    def _find_proxy(self, gateway: Manifest) -> str:
        """The `address:port` of the proxy that a Gateway's requests to providers go through."""
        config = self._find_config(gateway)
        return config.spec.forward_proxy.address if config is not None and config.spec.forward_proxy else ""

    def _find_config(self, gateway: Manifest) -> Normal[GatewayConfigSpec] | None:
        name = gateway.annotations.get(GATEWAY_CONFIG_ANNOTATION, "")
        return self._context.configs.get((gateway.namespace, name))

    def _complete_server(self, gateway: Gateway, server: Server, shared: tuple[Cost, ...], proxy: str) -> Server:
        routes: list[HttpRoute] = []
        listed: list[Listed] = []
        for route in server.routes:
            plan = self._plans.get(route.name) if route.kind == "HTTPRoute" else None
            if plan is None:
                routes.append(route)
                continue
            check_timeouts(self._context, plan, route)
            if proxy:
                self._note_direct(gateway, route)
            self._note_lost(plan, route)
            costs = merge_costs(shared, self._costs[route.name])
            refined = self._refiner.refine(route, plan, costs, proxy)
            routes.append(refined)
            listed.append(list_models(plan, route, refined))
        if not listed:
            return server
        keep = self._context.cache.keep
        listings = (keep(one) for one in build_listings(f"{gateway.name}/{server.name}", listed))
        return msgspec.structs.replace(server, routes=(*routes, *listings))

    def _note_direct(self, gateway: Gateway, route: HttpRoute) -> None:
        """Name the backends that are not reached through the proxy although there is one."""
        item = self._context.index.get(GATEWAY_API_GROUP, "Gateway", *gateway.name.split("/", 1))
        config = self._find_config(item.manifest) if item is not None else None
        if config is None:
            return
        names = sorted({self._backends[name].service for name in list_backends(route) if not self._backends[name].tls})
        if names:
            text = f"{', '.join(names)}: a backend without TLS is reached directly, not through the proxy"
            self._context.add(NOT_HONOURED, text, config.kind.manifest, ("spec", "forwardProxy"))

    def _note_lost(self, plan: Plan, route: HttpRoute) -> None:
        """Note what an AIServiceBackend refers to and cannot have; it is reported where the route is read."""
        targets = (one for rule in route.rules if isinstance(rule.action, Forward) for one in rule.action.targets)
        for target in targets:
            if not target.backend:
                self._context.conditions.refuse(plan.source.ref, target.reason)


def _plain_name(name: str) -> str:
    """The backend without the policies and the certificate of one Gateway."""
    return name.partition("@")[0].partition("+")[0]


def _list_used(context: Context, gateways: Iterable[Gateway]) -> set[str]:
    """The backends that anything in the gateways names."""
    used: set[str] = set()
    for gateway in gateways:
        for server in (server for listener in gateway.listeners for server in listener.servers):
            for route in server.routes:
                found = context.cache.get(("names", id(route)))
                if found is None:
                    found = (frozenset(name for rule in route.rules for name in list_rule_backends(rule)), route)
                    context.cache.put(("names", id(route)), found)
                used |= found[0]
            used.update(_list_streams(server.streams))
    return used


def _list_streams(streams: Iterable[StreamRoute]) -> Iterator[str]:
    yield from (target.backend for stream in streams for target in stream.targets)
