"""What the lists of models say, which AIGatewayRoutes bring with them: whose each model is, and since when."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from anygate.dialects.envoy_ai.listing import OPENAI_PATH
from anygate.model.edit import Respond
from anygate.model.inference import MODEL_HEADER
from anygate.model.listener import Gateway, Listener, Server
from anygate.model.match import HttpMatch
from anygate.model.root import Model
from anygate.model.route import HttpRoute, HttpRule

_PREFIX = "models/"
_USUAL = "Envoy AI Gateway"
_ANTHROPIC = "anthropic-version"


class Listings:
    """The models that the lists of a model's servers name, by the hostname that a list is for (empty: any)."""

    def __init__(self, model: Model) -> None:
        self._models: dict[str, dict[str, tuple[str, int]]] = {}
        for route in _list_routes(model):
            for rule in route.rules:
                if isinstance(rule.action, Respond) and _is_openais(rule):
                    known = self._models.setdefault(_hostname(route), {})
                    for one in json.loads(rule.action.body)["data"]:
                        known.setdefault(one["id"], (one["owned_by"], one["created"]))
                    # What follows is for other hosts.
                    break

    def describe(self, route: HttpRoute, hostnames: Sequence[str], matches: Sequence[HttpMatch]) -> dict[str, Any]:
        """What a rule for these has to say so that its models are listed as they were.

        A route is written for narrower hosts too, whose own lists may not have its models.
        """
        here = next(iter(hostnames), "")
        listed = self._models.get(here if here in self._models else _hostname(route))
        asked = [
            header.value
            for match in matches
            for header in match.headers
            if header.name.lower() == MODEL_HEADER and header.kind == "exact"
        ]
        if listed is None or not asked:
            return {}
        known = [listed[one] for one in asked if one in listed]
        if not known:
            return {"excludeFromModelsEndpoint": True}
        owner, created = known[0]
        return {
            **({"modelsOwnedBy": owner} if owner != _USUAL else {}),
            **({"modelsCreatedAt": _render(created)} if created else {}),
        }


def without_listings(model: Model) -> Model:
    """The model without the routes that answer with lists of models."""

    def change_server(server: Server) -> Server:
        kept = tuple(one for one in server.routes if not _is_listing(one))
        return server if len(kept) == len(server.routes) else msgspec.structs.replace(server, routes=kept)

    def change_listener(listener: Listener) -> Listener:
        return msgspec.structs.replace(listener, servers=tuple(map(change_server, listener.servers)))

    def change_gateway(gateway: Gateway) -> Gateway:
        return msgspec.structs.replace(gateway, listeners=tuple(map(change_listener, gateway.listeners)))

    return msgspec.structs.replace(model, gateways=tuple(map(change_gateway, model.gateways)))


def _list_routes(model: Model) -> Iterator[HttpRoute]:
    servers = (server for gateway in model.gateways for listener in gateway.listeners for server in listener.servers)
    yield from (route for server in servers for route in server.routes if _is_listing(route))


def _is_listing(route: HttpRoute) -> bool:
    """Whether a route was made beside AIGatewayRoutes to answer with their models."""
    return route.origin.kind == "AIGatewayRoute" and route.name.startswith(_PREFIX)


def _hostname(route: HttpRoute) -> str:
    return next(iter(route.hostnames), "")


def _is_openais(rule: HttpRule) -> bool:
    """Whether a rule answers those who are no clients of Anthropic's."""
    match = rule.matches[0]
    is_here = match.path is not None and match.path.value == OPENAI_PATH
    return is_here and all(header.name.lower() != _ANTHROPIC for header in match.headers)


def _render(created: int) -> str:
    return datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
