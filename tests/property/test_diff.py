"""`diff` against `explain`: random tables, changed in one place, and random requests to both."""

import itertools
import random
import shlex
from typing import Any

import pytest
from explain_cases import Generator
from msgspec.structs import replace
from test_mesh_stages import ALWAYS, GATEWAY_ROUTES, ROUTERS, ROUTES, manifests, random_gateway_route, random_stage

from anygate.compiler import read_sources
from anygate.diagnostics import Report, SourceFile
from anygate.diff import Difference, Differences, diff_models
from anygate.explain import Explanation, Request, explain, parse_request
from anygate.model.backend import Backend, Endpoint, EndpointGroup
from anygate.model.listener import Gateway, Listener
from anygate.model.match import HttpMatch, PathMatch
from anygate.model.origin import Origin
from anygate.model.root import Model
from anygate.model.route import Forward, HttpRoute, HttpRule

SEEDS = range(60)
REQUESTS = 60
ORIGIN = Origin("Service", "default", "b")
BACKENDS = tuple(
    Backend(
        origin=ORIGIN,
        name=f"b{at}",
        service=f"b{at}",
        groups=(EndpointGroup(endpoints=(Endpoint(host="127.0.0.1", port=9000 + at),)),),
    )
    for at in range(5)
)


def make(seed: int) -> tuple[Generator, Model]:
    generator = Generator(seed)
    return generator, Model(gateways=(generator.gateway("web"),), backends=BACKENDS)


def edit_routes(model: Model, change: Any) -> Model:
    """The model with every route of every server changed."""

    def listener(one: Listener) -> Listener:
        servers = (replace(server, routes=tuple(change(server.routes))) for server in one.servers)
        return replace(one, servers=tuple(servers))

    gateways = (replace(one, listeners=tuple(map(listener, one.listeners))) for one in model.gateways)
    return replace(model, gateways=tuple(gateways))


def rearranged(model: Model) -> Model:
    """The same in other words: other names, backends in another order, and rules that never decide."""
    names = {one.name: f"other-{one.name}" for one in model.backends}
    backends = tuple(replace(one, name=names[one.name]) for one in reversed(model.backends))

    def rule(one: HttpRule) -> HttpRule:
        if not isinstance(one.action, Forward):
            return one
        targets = (replace(target, backend=names.get(target.backend, "")) for target in one.action.targets)
        return replace(one, name=f"{one.name}-x", action=replace(one.action, targets=tuple(targets)))

    def routes(found: tuple[HttpRoute, ...]) -> list[HttpRoute]:
        made = [replace(one, name=f"x-{one.name}", rules=tuple(map(rule, one.rules))) for one in found]
        return [replace(one, rules=one.rules + one.rules) for one in made]

    return replace(edit_routes(model, routes), backends=backends)


def changed(model: Model, chance: random.Random) -> Model:
    """The model with one rule changed: where it leads, what it asks for, or whether it is there at all."""
    places = [
        (route.name, at)
        for gateway in model.gateways
        for listener in gateway.listeners
        for server in listener.servers
        for route in server.routes
        for at in range(len(route.rules))
    ]
    wanted = chance.choice(places)

    def rule(one: HttpRule) -> list[HttpRule]:
        kind = chance.choice(("gone", "target", "path", "method"))
        if kind == "target" and isinstance(one.action, Forward) and one.action.targets:
            targets = [replace(target, backend="b4") for target in one.action.targets]
            return [replace(one, action=replace(one.action, targets=tuple(targets)))]
        if kind in ("path", "method") and one.matches and one.inference is None:
            first = one.matches[0]
            edit: dict[str, Any] = {"method": "PUT" if first.method != "PUT" else "GET"}
            if kind == "path":
                edit = {"path": PathMatch(kind="prefix", value=chance.choice(("/a", "/b", "/a/b")))}
            made: HttpMatch = replace(first, **edit)
            return [replace(one, matches=(made, *one.matches[1:]))]
        return []

    def routes(found: tuple[HttpRoute, ...]) -> list[HttpRoute]:
        return [
            replace(
                one,
                rules=tuple(
                    new
                    for at, old in enumerate(one.rules)
                    for new in (rule(old) if (one.name, at) == wanted else [old])
                ),
            )
            for one in found
        ]

    return edit_routes(model, routes)


def visible(answer: Explanation) -> tuple[Any, ...]:
    """What a client or a backend notices."""
    decision = answer.decision
    shares = sorted(
        (one.name.removeprefix("other-"), one.percent, one.priority, repr(one.upstream), one.location, one.status)
        for one in answer.targets
        if one.percent or one.priority
    )
    return decision.kind, decision.status, decision.location, decision.body, tuple(shares)


def ask(entry: Difference) -> Request:
    """The request that an entry gives for a proof."""
    words = shlex.split(entry.request)
    urls = [word for word in words if "://" in word]
    after = list(itertools.pairwise(words))
    bodies = [value.encode() for name, value in after if name == "-d"]
    return parse_request(
        urls[0],
        method=next((value for name, value in after if name == "-X"), ""),
        headers=[value for name, value in after if name == "-H"],
        body=bodies[0] if bodies else None,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_other_words_are_no_difference(seed: int):
    _, model = make(seed)
    assert diff_models(model, model) == Differences()
    assert diff_models(model, rearranged(model), strict=True).entries == ()


def test_a_change_that_requests_notice_is_found_and_proven():
    noticed = 0
    for seed in SEEDS:
        generator, old = make(seed)
        new = changed(old, random.Random(seed))
        found = diff_models(old, new, strict=True)
        gateway: Gateway = old.gateways[0]
        for _ in range(REQUESTS):
            listener = generator.random.choice(gateway.listeners)
            request = generator.request(listener, listener.port)
            before, after = explain(old, request), explain(new, request)
            if visible(before) != visible(after):
                noticed += 1
                assert found.entries, (seed, request, before, after)
        for entry in found.entries:
            if entry.request:
                request = ask(entry)
                assert visible(explain(old, request)) != visible(explain(new, request)), (seed, entry)
    assert noticed > 100


@pytest.mark.parametrize("seed", range(4))
def test_one_table_of_a_mesh_and_two_stages_do_the_same(seed: int):
    chance = random.Random(seed)
    gates = [random_gateway_route(chance, number) for number in range(GATEWAY_ROUTES)]
    routers = [[random_stage(chance, f"r{number}-{at}") for at in range(ROUTES)] for number in range(ROUTERS)]
    text = manifests(gates, routers)
    models = [read_sources([SourceFile("mesh.yaml", one)], Report()).model for one in (text, f"{text}---{ALWAYS}")]
    assert diff_models(*models, strict=True) == Differences()
