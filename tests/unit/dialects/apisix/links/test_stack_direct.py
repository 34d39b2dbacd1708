"""The 23 direct links: files, Services, ports, hosts and names."""

import pytest
import yaml
from stacks import DOMAIN, diagnose, find, make, read_objects, rules, stack

from anygate.dialects.apisix.links import Options
from anygate.dialects.apisix.links.link_types import DIRECT_LINKS, KNOWN_FILES, LINK_TYPES

TARGETS = {
    "fastapi": "x.apps:80",
    "external_source_code": "x.apps:80",
    "image_base": "x.apps:8000",
    "python": "x.apps:80",
    "bridge": "x-bridge-bridge-service.apps:8080",
    "grafana": "x.apps:80",
    "prometheus": "prometheus-operated.apps:9090",
    "loki": "x-gateway.apps:80",
    "minio": "x.apps:9001",
    "keycloak": "x.apps:80",
    "keycloak_operator": "x-service.apps:8080",
    "rabbitmq": "x.apps:15672",
    "langflow": "x.apps:80",
    "vllm": "x-router-service.apps:80",
    "open-webui": "x.apps:80",
    "flowise": "x.apps:80",
    "backstage": "x.apps:80",
    "clickhouse": "clickhouse-x.apps:8123",
    "opensearch": "x-dashboards.apps:5601",
    "dex": "x.apps:5556",
    "postgresql": "x.apps:80",
    "kubecost": "x-cost-analyzer.apps:9090",
    "stack_agent": "x.apps:80",
}
MULTI = (
    "domain: lab.example.org\ncomponents:\n- name: app\n  type: image_base\n  ports: |\n{}"
    "links:\n- {{link: apisix-image_base, to: app, subdomain: {}, route_all: {}}}\n"
)


def multi(ports: str, subdomain: str = "app", route_all: str = "true") -> str:
    return MULTI.format("".join(f"    {line}\n" for line in ports.split()), subdomain, route_all)


def nodes(made, file: str) -> dict[str, str]:
    found = {}
    for one in read_objects(made.routes[file]):
        for node in one["spec"].get("externalNodes", []):
            host = node["name"].removesuffix(".svc.cluster.local")
            found[one["metadata"]["name"].removesuffix("-upstream")] = f"{host}:{node['port']}"
    return found


def hosts(made, file: str) -> dict[str, list[str]]:
    return {
        rule["name"]: rule["match"]["hosts"]
        for one in read_objects(made.routes[file])
        for rule in one["spec"].get("http", [])
    }


def test_there_are_23_and_four() -> None:
    assert len(DIRECT_LINKS) == 23
    assert len(LINK_TYPES) == 27
    assert set(TARGETS) == {link.removeprefix("apisix-") for link in DIRECT_LINKS}
    assert len(KNOWN_FILES) == 23 + 3 + 3


@pytest.mark.parametrize("kind", TARGETS)
def test_targets(kind: str) -> None:
    ports = ', ports: "http:8000:TCP"' if kind == "image_base" else ""
    text = stack(f"name: x, type: {kind}, namespace: apps{ports}", f"link: apisix-{kind}, subdomain: web")
    made = make(text)
    assert set(made.routes) == {f"{kind}.yaml", "kustomization.yaml"}
    assert yaml.safe_load(made.routes["kustomization.yaml"])["resources"] == [f"{kind}.yaml"]
    assert nodes(made, f"{kind}.yaml")["x"] == TARGETS[kind]
    assert hosts(made, f"{kind}.yaml")["x"] == ["web.lab.example.org"]
    kinds = [one["kind"] for one in read_objects(made.routes[f"{kind}.yaml"])]
    count = 2 if kind in ("prometheus", "minio") else 1
    assert kinds == ["ApisixUpstream"] * count + ["ApisixRoute"] * count + ["ApisixTls"] * count


@pytest.mark.parametrize("kind", TARGETS)
def test_overrides(kind: str) -> None:
    fields = "service: s, port: 99, scheme: https, cluster_domain: k8s.local, namespace: ns"
    ports = ', ports: "http:8000:TCP"' if kind == "image_base" else ""
    made = make(stack(f"name: x, type: {kind}, {fields}{ports}", f"link: apisix-{kind}, subdomain: web"))
    spec = find(made, f"{kind}.yaml", "ApisixUpstream", "x-upstream")
    assert spec["scheme"] == "https"
    assert spec["externalNodes"] == [{"type": "Domain", "name": "s.ns.svc.k8s.local", "port": 99}]


def test_further_targets() -> None:
    made = make(stack("name: x, type: minio", "link: apisix-minio, subdomain: web"))
    assert nodes(made, "minio.yaml") == {"x": "x.default:9001", "x-api": "x.default:9000"}
    assert hosts(made, "minio.yaml")["x-api"] == ["api-web.lab.example.org"]
    made = make(stack("name: x, type: prometheus", "link: apisix-prometheus, subdomain: web"))
    assert nodes(made, "prometheus.yaml")["x-alertmanager"] == "alertmanager-operated.default:9093"
    assert hosts(made, "prometheus.yaml")["x-alertmanager"] == ["alertmanager-web.lab.example.org"]
    made = make(stack("name: x, type: prometheus, alertmanager: false", "link: apisix-prometheus, subdomain: web"))
    assert list(nodes(made, "prometheus.yaml")) == ["x"]
    made = make(stack("name: x, type: open-webui", "link: apisix-open-webui, subdomain: web, pipelines_subdomain: p"))
    assert nodes(made, "open-webui.yaml")["x-pipelines"] == "x-pipelines.default:9099"
    assert hosts(made, "open-webui.yaml")["x-pipelines"] == ["p.lab.example.org"]


def test_what_components_say_of_themselves() -> None:
    made = make(stack("name: x, type: keycloak, tag: keycloak-x-1", "link: apisix-keycloak, subdomain: web"))
    assert nodes(made, "keycloak.yaml")["x"] == "keycloak-keycloakx-http.default:80"
    made = make(stack("name: events-bridge, type: bridge", "link: apisix-bridge, subdomain: web"))
    assert nodes(made, "bridge.yaml")["events-bridge"] == "events-bridge-bridge-service.default:8080"
    made = make(stack("name: x, type: bridge, kafka: k", "link: apisix-bridge, subdomain: web"))
    assert nodes(made, "bridge.yaml")["x"] == "k-bridge-bridge-service.default:8080"


def test_several_links_of_a_type_are_sorted_by_component() -> None:
    text = (
        "domain: lab.example.org\ncomponents:\n- {name: b, type: python}\n- {name: a, type: python}\nlinks:\n"
        "- {link: apisix-python, to: b, subdomain: b}\n- {type: apisix-python, target: a, subdomain: a}\n"
        "- {link: apisix-python, to: b, subdomain: c}\n"
    )
    assert hosts(make(text), "python.yaml") == {
        "a": ["a.lab.example.org"],
        "b": ["b.lab.example.org"],
        "b-c": ["c.lab.example.org"],
    }


def test_api_keys_of_direct_links() -> None:
    made = make(stack("name: x, type: loki", "link: apisix-loki, subdomain: web, api_key: {secret: k}"))
    objects = read_objects(made.routes["loki.yaml"])
    assert objects[0]["kind"] == "ApisixConsumer"
    assert objects[0]["spec"]["authParameter"] == {"keyAuth": {"secretRef": {"name": "k"}}}
    names = [one["name"] for one in find(made, "loki.yaml", "ApisixRoute", "x-route")["http"][0]["plugins"]]
    assert names == ["key-auth", "consumer-restriction"]
    vllm = "link: apisix-vllm, subdomain: web, enable_cors: true, enable_auth: {}, api_key: {{secret: k}}"
    made = make(stack("name: x, type: vllm", vllm.format("true")))
    names = [one["name"] for one in find(made, "vllm.yaml", "ApisixRoute", "x-route")["http"][0]["plugins"]]
    assert names == ["cors", "key-auth", "consumer-restriction"]
    assert rules(stack("name: x, type: vllm", vllm.format("false"))) == ["attribute-unused"]
    assert rules(stack("name: x, type: vllm", "link: apisix-vllm, subdomain: web, enable_auth: true")) == [
        "missing-field"
    ]
    assert rules(stack("name: x, type: dex", "link: apisix-dex, subdomain: web, api_key: {secret: k}")) == [
        "unknown-field"
    ]


def test_port_names_say_what_is_spoken() -> None:
    made = make(multi("http:1:TCP grpc:2:TCP grpc-api:3:TCP x-https:4:TCP grpcs:5:TCP"))
    schemes = {
        one["metadata"]["name"]: one["spec"].get("scheme")
        for one in read_objects(made.routes["image_base.yaml"])
        if one["kind"] == "ApisixUpstream"
    }
    assert list(schemes.values()) == [None, "grpc", "grpc", "https", None]
    text = multi("http:1:TCP grpc:2:TCP").replace("type: image_base", "type: image_base\n  infer_scheme: false")
    assert "scheme" not in find(make(text), "image_base.yaml", "ApisixUpstream", "app-grpc-upstream")


def test_ports_in_other_spellings() -> None:
    for ports in (
        '["http:8000:TCP", "agent:9:tcp:stream"]',
        "[{name: http, port: 8000}, {name: agent, port: '9', protocol: TCP, stream: yes}]",
        '"http:8000:TCP\\nagent:9:TCP:stream"',
        "|\n    - http:8000:TCP\n    - agent:9:TCP:stream",
    ):
        text = stack("name: app, type: image_base", "link: apisix-image_base, subdomain: app, route_all: true")
        text = text.replace(
            "components: [{name: app, type: image_base}]",
            f"components:\n- name: app\n  type: image_base\n  ports: {ports}",
        )
        made = make(text)
        assert yaml.safe_load(made.helm)["service"]["stream"]["tcp"] == [9], ports
        assert nodes(made, "image_base.yaml") == {"app": "app.default:8000"}


@pytest.mark.parametrize(
    "port", ["http:8000", "http:8000:TCP:stream:x", "HTTP:1:TCP", "a--b:1:TCP", "1:1:TCP", "a:0:TCP", "a:65536:TCP"]
)
def test_port_mistakes(port: str) -> None:
    [found] = diagnose(multi(f"ok:1:TCP {port}"))
    assert found.rule == "stack-port-spec"
    assert found.span is not None
    assert (found.span.line, found.span.column) == (7, 5)


def test_ports_are_there_once() -> None:
    assert rules(multi("a:1:TCP a:2:TCP")) == ["duplicate-port"]
    assert rules(multi("a:1:TCP b:1:TCP")) == ["duplicate-port"]
    assert rules(multi("a:1:TCP b:1:UDP:stream")) == []
    quoted = multi("").replace("ports: |\n", 'ports: "a:1:TCP\\na:2:TCP"\n')
    assert rules(quoted) == ["duplicate-port"]


def test_nothing_to_route() -> None:
    assert rules(multi("a:1:UDP:stream", route_all="false")) == ["no-http-port"]
    assert sorted(rules(multi("a:1:UDP"))) == ["no-http-port", "udp-not-routed"]
    assert rules(multi("a:2:TCP b:1:UDP")) == ["udp-not-routed"]
    assert rules(multi("a:2:TCP b:1:UDP", route_all="false")) == []


def test_only_streams_need_no_subdomain() -> None:
    text = multi("a:1:UDP:stream b:2:TCP:stream").replace("subdomain: app, ", "")
    made = make(text)
    assert yaml.safe_load(made.helm)["service"]["stream"] == {"enabled": True, "tcp": [2], "udp": [1]}
    assert hosts(made, "image_base.yaml") == {}
    assert rules(multi("a:1:TCP").replace("subdomain: app, ", "")) == ["subdomain"]


def test_derived_hosts() -> None:
    made = make(multi("http:1:TCP ws:2:TCP", subdomain="a.b"))
    assert hosts(made, "image_base.yaml") == {"app": ["a.b.lab.example.org"], "app-ws": ["ws-a.b.lab.example.org"]}
    assert rules(multi("http:1:TCP ws:2:TCP", subdomain="x" * 61)) == ["host"]


def test_streams_of_other_components() -> None:
    text = stack(
        'name: q, type: rabbitmq, stream_ports: "amqp:5672:TCP"',
        "link: apisix-rabbitmq, subdomain: q, route_all: true, ip_whitelist: 10.0.0.0/8",
    )
    made = make(text)
    assert yaml.safe_load(made.helm)["service"]["stream"]["tcp"] == [5672]
    [rule] = find(made, "rabbitmq.yaml", "ApisixRoute", "q-amqp-stream")["stream"]
    assert rule["plugins"] == [
        {"name": "ip-restriction", "enable": True, "config": {"whitelist": ["10.0.0.0/8"]}},
    ]
    assert rules(text.replace(', stream_ports: "amqp:5672:TCP"', "")) == ["route-all"]


def test_streams_of_one_component_are_written_once() -> None:
    text = multi("http:1:TCP s:9:TCP:stream") + (
        "- {link: apisix-image_base, to: app, subdomain: other, route_all: true}\n"
    )
    made = make(text)
    assert made.routes["image_base.yaml"].count("app-s-stream") == 1
    assert hosts(made, "image_base.yaml") == {"app": ["app.lab.example.org"], "app-other": ["other.lab.example.org"]}


def test_reserved_ports() -> None:
    assert rules(multi("h:1:TCP a:9443:TCP:stream")) == ["stream-port-reserved"]
    text = multi("h:1:TCP a:9443:TCP:stream").replace("components:", "apisix: {reserved_ports: [80]}\ncomponents:")
    assert rules(text) == []


def test_routes_and_objects_are_unique() -> None:
    two = "domain: lab.example.org\ncomponents:\n- {{name: {}, type: python}}\n- {{name: {}, type: dex}}\nlinks:\n"
    links = "- {{link: apisix-python, subdomain: {}}}\n- {{link: apisix-dex, subdomain: {}}}\n"
    assert rules(two.format("a", "b") + links.format("x", "z")) == []
    assert rules(two.format("a", "b") + links.format("x", "x")) == ["duplicate-route"]
    assert rules(two.format("a", "a") + links.format("x", "z"))[0] == "duplicate-name"
    text = multi("http:1:TCP grpc:2:TCP").replace("links:", "- {name: app-grpc, type: dex}\nlinks:")
    assert "duplicate-object" in rules(text + "- {link: apisix-dex, subdomain: d}\n")


def test_the_layout_of_the_original() -> None:
    options = Options(layout="stacktic")
    text = stack("name: x, type: external_source_code", "link: apisix-external_source_code, subdomain: web")
    assert "backend.yaml" in make(text, options).routes
    text = stack("name: x, type: minio", "link: apisix-minio, subdomain: web")
    assert hosts(make(text, options), "minio.yaml")["x-api"] == ["api.web.lab.example.org"]
    assert rules(text, options) == ["tls-coverage"]


def test_older_controllers() -> None:
    text = multi("http:1:TCP s:9:TCP:stream")
    spec = find(make(text, Options(controller="2.x")), "image_base.yaml", "ApisixUpstream", "app")
    assert spec == {"ingressClassName": "apisix", "loadbalancer": {"type": "roundrobin"}}
    spec = find(make(text, Options(controller="1.8")), "image_base.yaml", "ApisixUpstream", "app")
    assert spec == {"loadbalancer": {"type": "roundrobin"}}
    assert "ingressClassName" not in make(text, Options(controller="1.8")).routes["image_base.yaml"]


def test_postgresql_speaks_no_http() -> None:
    link = "link: apisix-postgresql, subdomain: web"
    assert rules(stack("name: x, type: postgresql", link)) == ["postgresql-http"]
    assert rules(stack("name: x, type: postgresql, port: 80", link)) == []


@pytest.mark.parametrize(
    ("text", "rule", "hint"),
    [
        (
            stack("name: x, type: dex", "link: apisix-dexx, subdomain: w"),
            "unknown-link",
            'did you mean "apisix-dex"?',
        ),
        (stack("name: x, type: dex", "link: dex, subdomain: web"), "unknown-link", 'did you mean "apisix-dex"?'),
        (stack("name: xyz, type: dex", "link: apisix-dex, to: xy, subdomain: web"), "unknown-component", '"xyz"'),
        (stack("name: x, type: dex", "link: apisix-loki, to: x, subdomain: web"), "component-type", "apisix-dex"),
        (stack("name: x, type: dex", "link: apisix-loki, subdomain: web"), "unknown-component", "add one"),
        (stack("name: x, type: dex", "subdomain: web"), "missing-field", "apisix-fastapi"),
        (
            stack("name: x, type: dex", "link: apisix-dex, type: apisix-dex, subdomain: w"),
            "invalid-value",
            "keep one",
        ),
        (stack("name: x, type: dex", "link: apisix-dex, from: x, subdomain: web"), "unknown-field", "known here"),
        (stack("name: x, type: dex, ports: a", "link: apisix-dex, subdomain: web"), "unknown-field", '"port"'),
        (stack("name: x, type: dexx", "link: apisix-dex, to: x, subdomain: web"), "component-type", '"dex"'),
        (stack("name: Default Value, type: dex", "link: apisix-dex, subdomain: web"), "name", "real name"),
        (DOMAIN.replace("lab", "Lab") + "links: []\n", "domain", "lower-case"),
        ("links: []\n", "domain", "domain"),
        (DOMAIN + "linkz: []\n", "unknown-field", '"links"'),
        (DOMAIN + "links: {}\n", "wrong-type", "list"),
        (DOMAIN + "links: [1]\n", "wrong-type", "name: value"),
        (DOMAIN + "apisix: {external_traffic: local}\n", "invalid-value", '"Local"'),
        ("- 1\n", "shape", "anygate new stack"),
        ("", "shape", "anygate new stack"),
    ],
)
def test_mistakes(text: str, rule: str, hint: str) -> None:
    [found] = diagnose(text)
    assert (found.rule, found.severity) == (f"stack-{rule}", "error")
    assert hint in found.hint
    assert found.span is not None


def test_mistakes_of_yaml_itself() -> None:
    assert [one.rule for one in diagnose("domain: a\ndomain: b\n")] == ["duplicate-key"]
    assert [one.rule for one in diagnose("domain: [\n")] == ["yaml-syntax"]


def test_every_mistake_is_reported_at_once() -> None:
    text = stack("name: x, type: dex, prot: 1", "link: apisix-dex, subdomain: _, cors: maybe")
    assert sorted(rules(text)) == ["subdomain", "unknown-field", "wrong-type"]


def test_the_same_stack_is_always_the_same_bytes() -> None:
    text = multi("http:1:TCP grpc:2:TCP s:9:TCP:stream")
    assert make(text) == make(text)
    turned = make(multi("http:1:TCP grpc:2:TCP s:9:TCP:stream") + "# a comment\n")
    assert dict(turned.routes) == dict(make(text).routes)


def test_an_empty_stack_has_no_routes() -> None:
    made = make(DOMAIN)
    assert list(made.routes) == ["kustomization.yaml"]
    assert made.routes["kustomization.yaml"].endswith("resources: []\n")
