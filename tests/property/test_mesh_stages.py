"""Gateway routes and router routes on the real Envoy, against App Mesh's two stages one after the other.

Once as one table where that can be said, once through a second stage whatever they ask for: nobody may tell.
"""

import random
import re
import sys
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from running import Running, join, run_manifests, served_by

from anygate.compiler import read_sources
from anygate.diagnostics import Report, SourceFile
from anygate.explain import explain, parse_request
from anygate.model import Model

API = "appmesh.k8s.aws/v1beta2"
LETTERS, ASKED = "ab/", "aabb//."
DOTS = re.compile(r"\.\.?(/|$)")
EXPRESSIONS = ("/.*", ".*", "/a.*", "/[ab]", "/a|/b.*", "/a+", "/ab?/.*", "/a/.*")
HEADERS = ("first", "second")
GATEWAY_ROUTES, ROUTERS, ROUTES, REQUESTS = 24, 6, 4, 600
ALWAYS = """
apiVersion: anygate.dev/v1alpha1
kind: AppMeshSettings
metadata: {name: stages}
spec: {twoStage: always}
"""


class Stage(NamedTuple):
    """A route of either stage: its path, a header it wants, its priority and its name."""

    kind: str
    value: str
    header: str
    priority: int
    name: str
    edit: str = ""
    new: str = ""
    router: int = 0
    host: str = ""


def random_path(chance: random.Random, longest: int, letters: str = LETTERS) -> str:
    return re.sub("/+", "/", "/" + "".join(chance.choice(letters) for _ in range(chance.randrange(longest))))


def random_asked(chance: random.Random) -> str:
    """A path to ask for, in order as Envoy would put it."""
    while {".", ".."} & set((path := random_path(chance, 7, ASKED)).split("/")):
        pass
    return path


def random_stage(chance: random.Random, name: str) -> Stage:
    kind = chance.choice(("prefix", "prefix", "exact", "regex", "regex"))
    value = chance.choice(EXPRESSIONS) if kind == "regex" else random_path(chance, 4)
    return Stage(kind, value, chance.choice(("", "", *HEADERS)), chance.choice((1, 5, 1000)), name)


def random_gateway_route(chance: random.Random, number: int) -> Stage:
    stage = random_stage(chance, f"gate-{number:02}")._replace(
        router=chance.randrange(ROUTERS), host=chance.choice(("", "", "a.example.com", "*.example.com"))
    )
    edits = ("", "kept", "value", "full") if stage.kind == "prefix" else ("", "full")
    edit = chance.choice(edits)
    new = random_path(chance, 4) if edit == "full" else re.sub("/+", "/", random_path(chance, 3) + "/")
    return stage._replace(edit=edit, new=new if edit in ("value", "full") else "")


def key(stage: Stage) -> tuple[object, ...]:
    """The order of section 2.3: priority, kind and length of the path, headers, name."""
    kinds = {"exact": 0, "regex": 1, "prefix": 2}
    return stage.priority, kinds[stage.kind], -len(stage.value), not stage.header, stage.name


def fits(stage: Stage, path: str, headers: dict[str, str]) -> bool:
    if stage.header and headers.get(stage.header) != "1":
        return False
    if stage.kind == "regex":
        return re.fullmatch(stage.value, path) is not None
    return path == stage.value if stage.kind == "exact" else path.startswith(stage.value)


def behind(stage: Stage, path: str) -> str | None:
    """The path that the second stage sees; none where it would lead out of the new prefix, as `/a../b` behind `/a`."""
    if stage.edit == "full":
        return stage.new
    if stage.kind != "prefix" or stage.edit == "kept":
        return path
    start = stage.value if stage.value.endswith("/") or not path.startswith(f"{stage.value}/") else f"{stage.value}/"
    rest = path[len(start) :]
    return None if DOTS.match(rest) else (stage.new or "/") + rest


def expected(
    gates: list[Stage], routers: list[list[Stage]], host: str, path: str, headers: dict[str, str]
) -> tuple[str, str]:
    hosts = {gate.host for gate in gates}
    domain = host if host in hosts else "*.example.com" if host.endswith(".example.com") else ""
    domain = domain if domain in hosts else ""
    for gate in sorted((gate for gate in gates if gate.host == domain), key=key):
        if fits(gate, path, headers):
            seen = behind(gate, path)
            if seen is None:
                return "404", ""
            for route in sorted(routers[gate.router], key=key):
                if fits(route, seen, headers):
                    return route.name, seen
            return "404", ""
    return "404", ""


def match_of(stage: Stage) -> dict[str, object]:
    path: dict[str, object] = {"prefix": stage.value} if stage.kind == "prefix" else {"path": {stage.kind: stage.value}}
    if stage.host:
        path["hostname"] = {"suffix": stage.host} if stage.host.startswith("*") else {"exact": stage.host}
    return {**path, **({"headers": [{"name": stage.header, "match": {"exact": "1"}}]} if stage.header else {})}


def rewrite_of(stage: Stage) -> dict[str, object] | None:
    return {
        "": None,
        "kept": {"prefix": {"defaultPrefix": "DISABLED"}},
        "value": {"prefix": {"value": stage.new}},
        "full": {"path": {"exact": stage.new}},
    }[stage.edit]


def thing(kind: str, name: str, spec: dict[str, object]) -> dict[str, object]:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}


def manifests(gates: list[Stage], routers: list[list[Stage]]) -> str:
    port = {"portMapping": {"port": 80, "protocol": "http"}}
    found = [
        thing("Mesh", "shop", {"namespaceSelector": {}}),
        thing("VirtualGateway", "web", {"namespaceSelector": {}, "listeners": [port]}),
    ]
    for number, routes in enumerate(routers):
        made = []
        for route in routes:
            found.append(
                thing(
                    "VirtualNode",
                    route.name,
                    {"listeners": [port], "serviceDiscovery": {"dns": {"hostname": f"{route.name}.invalid"}}},
                )
            )
            targets = {"weightedTargets": [{"virtualNodeRef": {"name": route.name}, "weight": 1}]}
            made.append(
                {
                    "name": route.name,
                    "priority": route.priority,
                    "httpRoute": {"match": match_of(route), "action": targets},
                }
            )
        name = f"router-{number}"
        found.append(thing("VirtualRouter", name, {"listeners": [port], "routes": made}))
        provider = {"virtualRouter": {"virtualRouterRef": {"name": name}}}
        found.append(thing("VirtualService", name, {"provider": provider}))
    for gate in gates:
        target = {"virtualService": {"virtualServiceRef": {"name": f"router-{gate.router}"}}}
        action: dict[str, object] = {"target": target}
        if rewrite := rewrite_of(gate):
            action["rewrite"] = rewrite
        spec = {"priority": gate.priority, "httpRoute": {"match": match_of(gate), "action": action}}
        found.append(thing("GatewayRoute", gate.name, spec))
    return yaml.safe_dump_all(found)


def seen_through(client: httpx2.Client, running: Running, path: str, headers: dict[str, str]) -> tuple[str, object]:
    """Who answered, and what it was asked; what else there is of the answer if nobody was."""
    answer = client.get(running.url() + path, headers=headers)
    if answer.status_code != 200:
        return served_by(answer), sorted(set(answer.headers) - {"date"})
    seen = answer.json()
    # Each request has an id of its own.
    seen["headers"].pop("x-request-id")
    return served_by(answer), {name: seen[name] for name in ("method", "path", "host", "headers")}


def explained(model: Model, url: str, headers: dict[str, str]) -> tuple[str, str]:
    """What `explain` says of who answers, and of the path that it sees."""
    answer = explain(model, parse_request(url, headers=[f"{name}: {value}" for name, value in headers.items()]))
    if answer.decision.status is not None:
        return str(answer.decision.status), ""
    (share,) = answer.targets
    assert share.upstream is not None
    return share.name.removeprefix("cds_egress_shop_").removesuffix("_default_http_80"), share.upstream.path


@pytest.mark.parametrize("seed", range(4))
def test_envoy_routes_as_two_stages_would(seed: int) -> None:
    chance = random.Random(seed)
    gates = [random_gateway_route(chance, number) for number in range(GATEWAY_ROUTES)]
    routers = [[random_stage(chance, f"r{number}-{at}") for at in range(ROUTES)] for number in range(ROUTERS)]
    # One pair at least that cannot be put together: an expression behind another.
    gates[0] = gates[0]._replace(kind="regex", value="/a.*", edit="", new="")
    routers[gates[0].router][0] = Stage("regex", "/[ab]/?b?", "", 0, f"r{gates[0].router}-0")
    text = manifests(gates, routers)
    models = [
        read_sources([SourceFile("in.yaml", join(*texts))], Report()).model for texts in ((text,), (text, ALWAYS))
    ]
    with run_manifests(text) as mixed, run_manifests(text, ALWAYS) as staged, httpx2.Client() as client:
        assert [str(found) for found in mixed.findings if found.severity == "error"] == []
        assert "mesh-not-flattened" in mixed.rules()
        for _ in range(REQUESTS):
            path = random_asked(chance)
            query = chance.choice(("", "", "?", "?a=/b&c"))
            host = chance.choice(("a.example.com", "b.example.com", "example.org"))
            headers = {"host": host, **{name: "1" for name in HEADERS if chance.random() < 0.4}}
            first = seen_through(client, mixed, path + query, headers)
            assert first == seen_through(client, staged, path + query, headers), (host, path, headers)
            name, seen = expected(gates, routers, host, path, headers)
            assert first[0] == name, (host, path, headers)
            if seen:
                assert isinstance(first[1], dict)
                assert first[1]["path"] == seen + query, (host, path, headers)
            for model in models:
                wanted = (name, seen + query if seen else "")
                assert explained(model, f"http://{host}{path}{query}", headers) == wanted, (host, path, headers)
