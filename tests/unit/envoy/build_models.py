"""Small models to build from."""

from collections.abc import Sequence
from typing import Any

from anygate.model.backend import Backend, Endpoint, EndpointGroup
from anygate.model.listener import Gateway, Listener, Server, Stage
from anygate.model.match import HttpMatch, PathMatch
from anygate.model.origin import Origin
from anygate.model.root import Model
from anygate.model.route import BackendTarget, Forward, HttpRoute, HttpRule

ORIGIN = Origin("HTTPRoute", "default", "web", "spec.rules[0]", "web.yaml", 7, 3)


def origin(name: str, kind: str = "HTTPRoute") -> Origin:
    return Origin(kind, "default", name, "spec", f"{name}.yaml", 1, 1)


def backend(name: str, *ports: int, host: str = "127.0.0.1", **fields: Any) -> Backend:
    endpoints = tuple(Endpoint(host=host, port=port) for port in ports)
    fields.setdefault("groups", (EndpointGroup(endpoints=endpoints),) if endpoints else ())
    return Backend(origin=origin(name, "Service"), name=name, service=name, namespace="default", **fields)


def target(name: str, weight: int = 1, **fields: Any) -> BackendTarget:
    return BackendTarget(origin=ORIGIN, backend=name, weight=weight, **fields)


def forward(*targets: str | BackendTarget) -> Forward:
    return Forward(origin=ORIGIN, targets=tuple(target(each) if isinstance(each, str) else each for each in targets))


def prefix(value: str, **fields: Any) -> HttpMatch:
    return HttpMatch(origin=ORIGIN, path=PathMatch(kind="prefix", value=value), **fields)


def rule(action: Any, *matches: HttpMatch, **fields: Any) -> HttpRule:
    if isinstance(action, str):
        action = forward(action)
    return HttpRule(origin=ORIGIN, name=fields.pop("name", ""), action=action, matches=matches, **fields)


def route(name: str, *rules: HttpRule, **fields: Any) -> HttpRoute:
    return HttpRoute(origin=origin(name), name=f"default/{name}", rules=rules, **fields)


def server(name: str = "http", protocol: Any = "http", **fields: Any) -> Server:
    return Server(origin=origin(name, "Gateway"), name=name, protocol=protocol, **fields)


def listener(port: int, *servers: Server, transport: Any = "tcp", **fields: Any) -> Listener:
    name = f"default/gw/{port}" + ("/udp" if transport == "udp" else "")
    return Listener(
        origin=origin("gw", "Gateway"), name=name, port=port, transport=transport, servers=servers, **fields
    )


def model(
    listeners: Sequence[Listener],
    backends: Sequence[Backend] = (),
    secrets: Sequence[Any] = (),
    stages: Sequence[Stage] = (),
) -> Model:
    gateway = Gateway(
        origin=origin("gw", "Gateway"), name="default/gw", listeners=tuple(listeners), stages=tuple(stages)
    )
    return Model(gateways=(gateway,), backends=tuple(backends), secrets=tuple(secrets))
