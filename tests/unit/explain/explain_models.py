"""Small models for the tests of `explain`, written with as few words as possible."""

from itertools import count
from typing import Any

from anygate.model.backend import Backend, Endpoint, EndpointGroup
from anygate.model.listener import Gateway, Listener, Server
from anygate.model.match import HttpMatch, PathMatch, ValueMatch
from anygate.model.origin import Origin
from anygate.model.root import Model
from anygate.model.route import BackendTarget, Forward, HttpRoute, HttpRule

_LINES = count(1)


def origin(name: str = "web", path: str = "", kind: str = "HTTPRoute") -> Origin:
    return Origin(kind, "default", name, path, "web.yaml", next(_LINES), 3)


def prefix(value: str, **more: Any) -> HttpMatch:
    return HttpMatch(origin=origin(), path=PathMatch(kind="prefix", value=value), rank=(0, len(value)), **more)


def exact(value: str, **more: Any) -> HttpMatch:
    return HttpMatch(origin=origin(), path=PathMatch(kind="exact", value=value), rank=(1, len(value)), **more)


def header(name: str, value: str = "", **more: Any) -> ValueMatch:
    return ValueMatch(name=name, value=value, **more)


def to(*backends: str, **more: Any) -> Forward:
    targets = tuple(BackendTarget(origin=origin(), backend=name, **more) for name in backends)
    return Forward(origin=origin(), targets=targets)


def rule(action: Any, *matches: HttpMatch, **more: Any) -> HttpRule:
    return HttpRule(origin=origin(path="spec.rules[0]"), name="0", action=action, matches=matches, **more)


def route(*rules: HttpRule, hostnames: tuple[str, ...] = (), name: str = "web", **more: Any) -> HttpRoute:
    return HttpRoute(origin=origin(name), name=name, hostnames=hostnames, rules=rules, **more)


def server(*routes: HttpRoute, hostname: str = "", protocol: Any = "http", **more: Any) -> Server:
    name = f"default/web/{hostname or 'any'}"
    return Server(origin=origin(kind="Gateway"), name=name, protocol=protocol, hostname=hostname, routes=routes, **more)


def listener(*servers: Server, port: int = 80, **more: Any) -> Listener:
    name = f"default/web/{port}"
    return Listener(origin=origin(kind="Gateway"), name=name, port=port, transport="tcp", servers=servers, **more)


def backend(name: str, *addresses: str) -> Backend:
    endpoints = tuple(Endpoint(host=address, port=8080) for address in addresses)
    groups = (EndpointGroup(endpoints=endpoints),) if endpoints else ()
    return Backend(origin=origin(name, kind="Service"), name=name, service=name, groups=groups)


BACKENDS = (backend("a", "10.0.0.1"), backend("b", "10.0.0.2"), backend("empty"))


def model(*listeners: Listener) -> Model:
    gateway = Gateway(origin=origin(kind="Gateway"), name="default/web", listeners=listeners)
    return Model(gateways=(gateway,), backends=BACKENDS)


def serve(*routes: HttpRoute, **more: Any) -> Model:
    return model(listener(server(*routes, **more)))
