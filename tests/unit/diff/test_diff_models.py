"""What is otherwise between two sets of manifests is found, and said in few words."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from anygate.compiler import read_sources
from anygate.diagnostics import Report, Severity, SourceFile
from anygate.diff import Difference, Differences, diff_models
from anygate.manifests import load_sources
from anygate.model import Model

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent

GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: envoy
  listeners:
  - {name: http, port: 80, protocol: HTTP}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {ports: [{port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: next}
spec: {ports: [{port: 8080}]}
---
"""
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: web}]
  hostnames: [shop.example.com]
  rules:
  - matches:
    - path: {type: PathPrefix, value: /items}
      method: GET
      headers: [{name: x-version, value: "2"}]
      queryParams: [{name: color, value: red}]
    filters:
    - type: URLRewrite
      urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /v1}}
    - type: RequestHeaderModifier
      requestHeaderModifier: {set: [{name: x-shop, value: one}]}
    - type: ResponseHeaderModifier
      responseHeaderModifier: {remove: [server]}
    - type: RequestMirror
      requestMirror: {backendRef: {name: next, port: 8080}, percent: 10}
    backendRefs: [{name: shop, port: 8080, weight: 3}, {name: next, port: 8080, weight: 1}]
    timeouts: {request: 15s, backendRequest: 5s}
    retry: {attempts: 2, codes: [503]}
    sessionPersistence: {sessionName: cart}
  - matches:
    - path: {type: RegularExpression, value: "/v[0-9]+/old"}
    filters:
    - type: RequestRedirect
      requestRedirect: {hostname: new.example.com, statusCode: 301}
  - matches: [{path: {type: PathPrefix, value: /plain}}]
    backendRefs: [{name: shop, port: 8080}]
"""
BASE = GATEWAY + ROUTE


def read(text: str, name: str = "old.yaml") -> Model:
    report = Report()
    model = read_sources([SourceFile(name, text)], report).model
    assert [one.message for one in report.diagnostics if one.severity is Severity.ERROR] == []
    return model


def read_path(path: Path) -> Model:
    report = Report()
    return read_sources(load_sources([str(path)], report), report).model


def compare(old: str, new: str, *, strict: bool = False) -> Differences:
    return diff_models(read(old), read(new, "new.yaml"), strict=strict)


def aspects(entries: tuple[Difference, ...]) -> Iterator[tuple[str, str, str]]:
    return ((one.name, one.old, one.new) for entry in entries for one in entry.aspects)


HOSTNAME = "{hostname: in.example.com, path: {type: ReplacePrefixMatch"
REDIRECT = "301 to http://new.example.com/v0/old"
CHANGES = [
    ("weight: 3", "weight: 1", ("weight of shop.default:8080", "75%", "50%")),
    ("name: shop, port: 8080, weight: 3", "name: next, port: 8080", ("weight of shop.default:8080", "75%", "0%")),
    ("replacePrefixMatch: /v1", "replacePrefixMatch: /v2", ("path", "/v1/any?color=red", "/v2/any?color=red")),
    ("{path: {type: ReplacePrefixMatch", HOSTNAME, ("host", "shop.example.com", "in.example.com")),
    ("value: one", "value: two", ("request headers x-shop", "set to one", "set to two")),
    ("set: [{name: x-shop", "add: [{name: x-shop", ("request headers x-shop", "set to one", "added one")),
    ("remove: [server]", "remove: [via]", ("answer headers server", "removed", "none")),
    ("percent: 10", "percent: 20", ("mirrors", "(backend next.default:8080, numerator 10)", "")),
    ("request: 15s", "request: 20s", ("timeouts request", "15s", "20s")),
    ("backendRequest: 5s", "backendRequest: 6s", ("timeouts attempt", "5s", "6s")),
    ("attempts: 2", "attempts: 3", ("retry attempts", "2", "3")),
    ("codes: [503]", "codes: [503, 502]", ("retry statuses", "503", "502 503")),
    ("sessionName: cart", "sessionName: tray", ("session name", "cart", "tray")),
    ("    sessionPersistence: {sessionName: cart}\n", "", ("session", "kind cookie, name cart", "none")),
    ("hostname: new.example.com", "hostname: old.example.com", ("answer", REDIRECT, "")),
    ("statusCode: 301", "statusCode: 302", ("answer", REDIRECT, REDIRECT.replace("301", "302"))),
]


@pytest.mark.parametrize(("old", "new", "wanted"), CHANGES, ids=[one[2][0] for one in CHANGES])
def test_what_becomes_of_requests(old: str, new: str, wanted: tuple[str, str, str]):
    assert BASE.count(old) == 1
    found = compare(BASE, BASE.replace(old, new))
    assert [(entry.kind, entry.change) for entry in found.entries] == [("route", "changed")]
    name, before, after = wanted
    said = {one[0]: one[1:] for one in aspects(found.entries)}
    assert name in said, said
    assert said[name][0] == before
    assert said[name][1] == after or not after
    entry = found.entries[0]
    assert entry.old is not None
    assert entry.new is not None
    assert entry.old.place.partition(":")[2] == entry.new.place.partition(":")[2]
    assert entry.title.startswith("shop.example.com ")


CONDITIONS = [
    ("value: /items", "value: /goods"),
    ("type: PathPrefix, value: /plain", "type: Exact, value: /plain"),
    ("method: GET", "method: POST"),
    ("      method: GET\n", ""),
    ('value: "2"', 'value: "3"'),
    ('[{name: x-version, value: "2"}]', '[{name: x-version, type: RegularExpression, value: "[2-9]"}]'),
    ('      headers: [{name: x-version, value: "2"}]\n', ""),
    ("value: red", "value: blue"),
    ("      queryParams: [{name: color, value: red}]\n", ""),
    ('"/v[0-9]+/old"', '"/v[0-9]/old"'),
    ('"/v[0-9]+/old"', '"/v[0-8]+/old"'),
    ('"/v[0-9]+/old"', '"/(v|w)[0-9]+/old"'),
    ("shop.example.com", "shop.example.org"),
    ("shop.example.com", '"*.example.com"'),
    ("  hostnames: [shop.example.com]\n", ""),
]


@pytest.mark.parametrize(("old", "new"), CONDITIONS)
def test_which_requests(old: str, new: str):
    assert BASE.count(old) == 1
    there, back = compare(BASE, BASE.replace(old, new)), compare(BASE.replace(old, new), BASE)
    assert there
    assert back
    assert {entry.kind for entry in there.entries} == {"route"}
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    assert sorted(turned[entry.change] for entry in there.entries) == sorted(entry.change for entry in back.entries)


def test_a_removed_rule_is_one_entry_with_its_line():
    rest = BASE.partition("  - matches: [{path: {type: PathPrefix, value: /plain}}]")[0]
    found = compare(BASE, rest)
    (entry,) = found.entries
    assert (entry.change, entry.new) == ("removed", None)
    assert entry.old is not None
    assert entry.old.object == "HTTPRoute/default/shop"
    assert entry.title == "shop.example.com /plain/*"
    assert entry.request == "http://shop.example.com/plain/any"


IDLE = "---\napiVersion: v1\nkind: Service\nmetadata: {name: idle}\nspec: {ports: [{port: 80}]}\n"


def test_what_is_written_otherwise_is_no_difference():
    renamed = BASE.replace("metadata: {name: web}", "metadata: {name: front}").replace(
        "[{name: web}]", "[{name: front}]"
    )
    renamed = renamed.replace(
        "metadata: {name: shop}\nspec:\n  parentRefs", "metadata: {name: other}\nspec:\n  parentRefs"
    )
    assert renamed != BASE
    halves = ROUTE.partition("  - matches:\n    - path: {type: RegularExpression")
    head = ROUTE.partition("  rules:\n")[0].replace("{name: shop}", "{name: second}")
    split = f"{halves[0]}---{head}  rules:\n{halves[1]}{halves[2]}\n---{GATEWAY.removesuffix('---' + chr(10))}"
    weights = BASE.replace("weight: 3", "weight: 75").replace("weight: 1", "weight: 25")
    idle = BASE.replace("weight: 1}", "weight: 1}, {name: idle, port: 80, weight: 0}") + IDLE
    for other in (renamed, split, weights, idle):
        assert compare(BASE, other) == Differences()
        assert compare(other, BASE) == Differences()


LISTENERS = [
    ("{name: http, port: 80, protocol: HTTP}", "{name: http, port: 81, protocol: HTTP}", ["removed", "added"]),
    ("port: 80, protocol: HTTP}", "port: 80, protocol: HTTP}\n  - {name: more, port: 8000, protocol: HTTP}", ["added"]),
]


@pytest.mark.parametrize(("old", "new", "wanted"), LISTENERS)
def test_ports(old: str, new: str, wanted: list[str]):
    found = compare(BASE, BASE.replace(old, new))
    assert [(entry.kind, entry.change) for entry in found.entries] == [("listener", one) for one in wanted]


POLICY = """
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: %s
metadata: {name: policy}
spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: %s, name: %s}], %s}
"""
LOCAL = "rateLimit: {type: Local, local: {rules: [{limit: {requests: 5, unit: Minute}}]}}"
CLIENTS = ("ClientTrafficPolicy", "Gateway", "web")
SECURITY = ("SecurityPolicy", "HTTPRoute", "shop")
TRAFFIC = ("BackendTrafficPolicy", "HTTPRoute", "shop")
POLICIES = [
    (SECURITY, "cors: {allowOrigins: ['https://a.example.com']}", "route", "cors"),
    (SECURITY, "authorization: {defaultAction: Deny}", "route", "security"),
    (TRAFFIC, LOCAL, "route", "rate limit"),
    (TRAFFIC, "faultInjection: {abort: {httpStatus: 503, percentage: 10}}", "route", "faults"),
    (TRAFFIC, "loadBalancer: {type: Random}", "backend", "balancing kind"),
    (TRAFFIC, "circuitBreaker: {maxConnections: 5}", "backend", "circuit breaker"),
    (TRAFFIC, "healthCheck: {active: {type: TCP, tcp: {}}}", "backend", "active check"),
    (TRAFFIC, "timeout: {tcp: {connectTimeout: 3s}}", "backend", "connect timeout"),
    (CLIENTS, "timeout: {http: {idleTimeout: 9s}}", "listener", "idle timeout"),
    (CLIENTS, "connection: {connectionLimit: {value: 5}}", "listener", "connection limit"),
]


@pytest.mark.parametrize(("where", "text", "kind", "aspect"), POLICIES, ids=[one[3] for one in POLICIES])
def test_policies(where: tuple[str, str, str], text: str, kind: str, aspect: str):
    found = compare(BASE, BASE + POLICY % (*where, text))
    assert {entry.kind for entry in found.entries} == {kind}
    assert aspect in [name for name, _, _ in aspects(found.entries)]


SECRET = """
---
apiVersion: v1
kind: Secret
metadata: {name: users}
stringData: {.htpasswd: "alice:{SHA}%s="}
"""


def test_another_secret_is_said_but_not_shown():
    policy = POLICY % (*SECURITY, "basicAuth: {users: {name: users}}")
    texts = [BASE + policy + SECRET % text for text in ("A" * 27, "B" * 27)]
    found = compare(*texts)
    assert ("security basic secret", "a secret", "another (a secret)") in list(aspects(found.entries))
    assert "AAAA" not in repr(found)
    renamed = texts[0].replace("name: users", "name: people")
    assert compare(texts[0], renamed) == Differences()


HTTPS = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: envoy
  listeners:
  - {name: shop, port: 443, protocol: HTTPS, hostname: shop.example.com, tls: {certificateRefs: [{name: cert}]}}
  - {name: any, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert}]}}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {ports: [{port: 8080}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: web}]
  rules: [{backendRefs: [{name: shop, port: 8080}]}]
---
"""


def certificate() -> str:
    pair = trustme.CA().issue_cert("shop.example.com")
    chain = "".join(part.bytes().decode() for part in pair.cert_chain_pems)
    text = {"tls.crt": chain, "tls.key": pair.private_key_pem.bytes().decode()}
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cert"}, "stringData": text})


def test_certificates_are_compared_but_not_shown():
    one, other = HTTPS + certificate(), HTTPS + certificate()
    assert (
        compare(one, one.replace("{name: cert}", "{name: main}").replace('"name": "cert"', '"name": "main"'))
        == Differences()
    )
    found = compare(one, other)
    assert [(entry.kind, entry.title) for entry in found.entries] == [
        ("listener", "shop.example.com"),
        ("listener", "*"),
    ]
    assert set(aspects(found.entries)) == {("tls certificates", "a certificate", "another (a certificate)")}
    assert "BEGIN" not in repr(found)


def test_a_server_name_that_is_served_no_more():
    text = HTTPS + certificate()
    gone = "".join(line for line in text.splitlines(keepends=True) if "{name: any, port: 443" not in line)
    (entry,) = compare(text, gone).entries
    assert (entry.kind, entry.change, entry.title) == ("listener", "removed", "*")


def test_gateways_of_one_port_are_told_by_their_names():
    second = (
        GATEWAY.partition("---")[0].replace("name: web", "name: two")
        + "---"
        + ROUTE.replace("name: web", "name: two").replace("name: shop}", "name: again}")
    )
    both = f"{second}\n---{BASE}"
    turned = f"{BASE}\n---{second}"
    assert compare(both, turned) == Differences()
    found = compare(both, turned.replace("statusCode: 301", "statusCode: 302", 1))
    assert len(found.entries) == 1


STREAMS = """
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: bytes}
spec:
  gatewayClassName: envoy
  listeners:
  - {name: tls, port: 8443, protocol: TLS, tls: {mode: Passthrough}}
  - {name: tcp, port: 5432, protocol: TCP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: tls}
spec:
  parentRefs: [{name: bytes, sectionName: tls}]
  hostnames: [a.example.com, "*.b.example.com"]
  rules: [{backendRefs: [{name: shop, port: 8080}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {name: tcp}
spec:
  parentRefs: [{name: bytes, sectionName: tcp}]
  rules: [{backendRefs: [{name: next, port: 8080}]}]
"""


@pytest.mark.parametrize(
    ("old", "new", "titles"),
    [
        (
            "name: shop, port: 8080}]}]\n---",
            "name: next, port: 8080}]}]\n---",
            ["a.example.com:8443 (tls passthrough)"],
        ),
        ('a.example.com, "*.b', '"*.b', ["a.example.com:8443 (tls passthrough)"]),
        ('"*.b.example.com"', '"*.c.example.com"', None),
        ("name: next, port: 8080}]}]\n", "name: shop, port: 8080}]}]\n", ["*:5432 (tcp)"]),
    ],
)
def test_streams(old: str, new: str, titles: list[str] | None):
    text = GATEWAY + STREAMS.removeprefix("\n---")
    assert text.count(old) == 1
    found = compare(text, text.replace(old, new))
    assert found
    assert titles is None or [entry.title for entry in found.entries] == titles


def test_glued_siblings_are_a_note_unless_they_are_asked_for():
    old = read_path(ROOT / "examples" / "app-mesh" / "products")
    new = read_path(HERE / "products" / "gateway.yaml")
    found = diff_models(old, new)
    assert found.entries == ()
    assert len(found.notes) == 2
    note = (
        "/products matches whole path elements now: /productsX was answered by product-service-v1.default:8080, is 404"
    )
    assert note in found.notes
    strict = diff_models(old, new, strict=True)
    assert [entry.change for entry in strict.entries] == ["removed", "removed"]
    assert strict.notes == ()
    assert "matches all that begins with it now" in diff_models(new, old).notes[0]


def test_a_change_of_weights_names_that_one_route(tmp_path: Path):
    old = ROOT / "examples" / "app-mesh" / "products"
    for file in old.iterdir():
        text = file.read_text().replace("weight: 100", "weight: 90").replace("weight: 0", "weight: 10")
        (tmp_path / file.name).write_text(text)
    (entry,) = diff_models(read_path(old), read_path(tmp_path)).entries
    assert entry.old is not None
    assert entry.old.object.startswith("Route/default/product-route-v1")
    assert list(aspects((entry,))) == [
        ("weight of product-service-v1.default:8080", "100%", "90%"),
        ("weight of product-service-v2.default:8080", "0%", "10%"),
    ]


def test_two_stages_and_one_do_the_same(tmp_path: Path):
    old = ROOT / "examples" / "app-mesh" / "products"
    for file in old.iterdir():
        (tmp_path / file.name).write_text(file.read_text())
    settings = (
        "apiVersion: anygate.dev/v1alpha1\nkind: AppMeshSettings\nmetadata: {name: a}\nspec: {twoStage: always}\n"
    )
    (tmp_path / "settings.yaml").write_text(settings)
    assert diff_models(read_path(old), read_path(tmp_path)) == Differences()


def test_an_expression_that_cannot_be_tried_is_compared_with_its_twin():
    odd = BASE.replace('"/v[0-9]+/old"', '"/x(?i)y"')
    assert compare(odd, odd) == Differences()
    (entry,) = compare(odd, odd.replace("statusCode: 301", "statusCode: 302")).entries
    assert (entry.title, entry.change, entry.request) == ("shop.example.com ~/x(?i)y", "changed", "")
    assert sorted(one.change for one in compare(odd, BASE).entries) == ["added", "removed"]


AI = (ROOT / "examples" / "ai-quickstart.yaml").read_text()


def test_ai_routes_are_told_by_their_models():
    models = read(AI)
    assert diff_models(models, models) == Differences()


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_is_what_it_is_in_two_parts_of_any_order(path: Path):
    documents = [one for one in path.read_text().split("\n---\n") if one.strip()]
    report = Report()
    parts = [SourceFile(f"{at}.yaml", f"{text}\n") for at, text in enumerate(reversed(documents))]
    other = read_sources(parts, report).model
    assert diff_models(read_path(path), other) == Differences()


NODES = """
apiVersion: apisix.apache.org/v2
kind: ApisixUpstream
metadata: {name: shop}
spec: {externalNodes: [{type: Domain, name: a.test, weight: 9}, {type: Domain, name: b.test, weight: 1}]}
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: shop}
spec: {http: [{name: all, match: {paths: ["/*"]}, upstreams: [{name: shop}]}]}
"""


def test_shares_of_nodes_that_are_one_destination_count() -> None:
    entries = compare(NODES, NODES.replace("weight: 9", "weight: 3")).entries
    changes = [(one.name, one.old, one.new) for entry in entries for one in entry.aspects]
    assert changes == [("weight of a.test:80", "90%", "75%"), ("weight of b.test:80", "10%", "25%")]
    assert not compare(NODES, NODES.replace("weight: 9", "weight: 90").replace("weight: 1}", "weight: 10}")).entries
