"""APISIX's kinds: rich manifests validate, each mistake is named at its field, and generated files are among them."""

from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from anygate.diagnostics import Report, SourceFile
from anygate.dialects.apisix.kinds import KINDS
from anygate.dialects.apisix.links import generate
from anygate.manifests import Sensitive, parse_sources
from anygate.manifests.kind import read_kind

HERE = Path(__file__).parent
TEXT = (HERE / "apisix_valid.yaml").read_text()
VALID = {one["kind"]: one for one in yaml.safe_load_all(TEXT)}
WORKED = sorted((HERE.parent / "links" / "worked").glob("*/written/route/*.yaml"))
ABSENT = object()


def read(document: dict[str, Any]) -> Any:
    group, _, version = document["apiVersion"].partition("/")
    model = KINDS[group, document["kind"]].resolve_model(version)
    assert model is not None
    return model.model_validate(document)


def change(kind: str, path: str, value: Any) -> dict[str, Any]:
    changed = deepcopy(VALID[kind])
    *steps, last = path.split(".")
    place: Any = changed["spec"]
    for step in steps:
        place = place[int(step)] if isinstance(place, list) else place[step]
    if value is ABSENT:
        del place[int(last) if isinstance(place, list) else last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return changed


def mistakes(document: dict[str, Any]) -> list[str]:
    try:
        read(document)
    except ValidationError as error:
        return [".".join(map(str, one["loc"])) for one in error.errors()]
    return []


@pytest.mark.parametrize("kind", VALID)
def test_rich_objects_are_valid(kind: str) -> None:
    assert mistakes(VALID[kind]) == []


def test_every_kind_is_tried() -> None:
    assert {kind for _, kind in KINDS} == set(VALID)
    wide = {kind for (_, kind), entry in KINDS.items() if not entry.namespaced}
    assert wide == {"ApisixClusterConfig", "ApisixSettings", "IngressClass", "OpenIdProvider"}


def test_defaults() -> None:
    route = read(
        {
            **VALID["ApisixRoute"],
            "spec": {
                "http": [
                    {"name": "a", "match": {"paths": ["/*"]}, "backends": [{"serviceName": "s", "servicePort": 1}]}
                ]
            },
        }
    )
    [rule] = route.spec.http
    assert (rule.priority, rule.websocket, rule.backends[0].weight) == (0, False, 100)
    assert rule.backends[0].resolve_granularity == "endpoint"
    upstream = read({**VALID["ApisixUpstream"], "spec": {"healthCheck": {"active": {}}, "timeout": {"read": "1500ms"}}})
    settings = upstream.spec
    assert (settings.pass_host, settings.scheme, settings.retries) == ("pass", None, None)
    assert settings.timeout.connect == timedelta(seconds=60)
    assert settings.timeout.read == timedelta(seconds=1)
    assert settings.health_check.active.unhealthy.http_codes == (429, 404, 500, 501, 502, 503, 504, 505)


def test_hosts_are_folded() -> None:
    assert read(VALID["ApisixRoute"]).spec.http[0].match.hosts[-1] == "shop.example.net"


def test_secrets_are_not_shown() -> None:
    consumer = read(VALID["ApisixConsumer"])
    assert consumer.spec.auth_parameter.key_auth.value.key == Sensitive(b"alice-key")
    assert "alice-key" not in repr(consumer)


@pytest.mark.parametrize(
    ("kind", "path", "value", "at"),
    [
        ("ApisixRoute", "http.0.name", ABSENT, "spec.http.0.name"),
        ("ApisixRoute", "http.0.match.paths", [], "spec.http.0.match.paths"),
        ("ApisixRoute", "http.0.match.paths", ["a"], "spec.http.0.match.paths.0"),
        ("ApisixRoute", "http.0.match.hosts", ["a_b"], "spec.http.0.match.hosts.0"),
        ("ApisixRoute", "http.0.match.hosts", ["a.*"], "spec.http.0.match.hosts.0"),
        ("ApisixRoute", "http.0.match.methods", ["get"], "spec.http.0.match.methods.0"),
        ("ApisixRoute", "http.0.match.remoteAddrs", ["10.0.0.0/33"], "spec.http.0.match.remoteAddrs.0"),
        ("ApisixRoute", "http.0.match.exprs.0.op", "Equals", "spec.http.0.match.exprs.0.op"),
        ("ApisixRoute", "http.0.match.exprs.0.value", ABSENT, "spec.http.0.match.exprs.0.value"),
        ("ApisixRoute", "http.0.match.exprs.2.set", [], "spec.http.0.match.exprs.2.set"),
        ("ApisixRoute", "http.0.match.exprs.0.subject.name", "", "spec.http.0.match.exprs.0.subject.name"),
        ("ApisixRoute", "http.0.match.exprs.0.subject.scope", "header", "spec.http.0.match.exprs.0.subject.scope"),
        ("ApisixRoute", "http.0.backends.1.servicePort", 80, "spec.http.0.backends.1"),
        ("ApisixRoute", "http.0.backends.0.weight", -1, "spec.http.0.backends.0.weight"),
        ("ApisixRoute", "http.0.backends.0.serviceName", ABSENT, "spec.http.0.backends.0.serviceName"),
        ("ApisixRoute", "http.0.timeout.read", "5", "spec.http.0.timeout.read"),
        ("ApisixRoute", "http.0.timeout.read", "500ms", "spec.http.0.timeout.read"),
        ("ApisixRoute", "http.0.websocket", "true", "spec.http.0.websocket"),
        ("ApisixRoute", "http.0.pluginConfigName", "x", "spec.http.0.pluginConfigName"),
        ("ApisixRoute", "http.0.plugins.0.name", ABSENT, "spec.http.0.plugins.0.name"),
        ("ApisixRoute", "http.0.authentication.type", ABSENT, "spec.http.0.authentication.type"),
        ("ApisixRoute", "stream.0.name", "web", "spec.stream.0.name"),
        ("ApisixRoute", "stream.0.protocol", "tcp", "spec.stream.0.protocol"),
        ("ApisixRoute", "stream.0.match.ingressPort", 65536, "spec.stream.0.match.ingressPort"),
        ("ApisixRoute", "stream.0.backend", ABSENT, "spec.stream.0.backend"),
        ("ApisixRoute", "stream.0.plugins.0.name", "cors", "spec.stream.0.plugins.0.name"),
        ("ApisixUpstream", "externalNodes", [], "spec.externalNodes"),
        ("ApisixUpstream", "externalNodes.0.type", "domain", "spec.externalNodes.0.type"),
        ("ApisixUpstream", "externalNodes.0.port", 0, "spec.externalNodes.0.port"),
        ("ApisixUpstream", "scheme", "HTTP", "spec.scheme"),
        ("ApisixUpstream", "loadbalancer.type", "random", "spec.loadbalancer.type"),
        ("ApisixUpstream", "retries", -1, "spec.retries"),
        ("ApisixUpstream", "upstreamHost", ABSENT, "spec.upstreamHost"),
        ("ApisixUpstream", "tlsSecret.namespace", ABSENT, "spec.tlsSecret.namespace"),
        ("ApisixUpstream", "healthCheck.active", ABSENT, "spec.healthCheck.active"),
        ("ApisixUpstream", "healthCheck.active.timeout", "1s", "spec.healthCheck.active.timeout"),
        ("ApisixUpstream", "healthCheck.active.healthy.interval", "1ms", "spec.healthCheck.active.healthy.interval"),
        ("ApisixUpstream", "healthCheck.active.healthy.successes", 255, "spec.healthCheck.active.healthy.successes"),
        ("ApisixUpstream", "discovery.type", ABSENT, "spec.discovery.type"),
        ("ApisixUpstream", "portLevelSettings.0.port", ABSENT, "spec.portLevelSettings.0.port"),
        ("ApisixTls", "hosts", [], "spec.hosts"),
        ("ApisixTls", "secret", ABSENT, "spec.secret"),
        ("ApisixTls", "client.caSecret.namespace", ABSENT, "spec.client.caSecret.namespace"),
        ("ApisixPluginConfig", "plugins", [], "spec.plugins"),
        ("Ingress", "rules.0.http.paths.0.path", ABSENT, "spec.rules.0.http.paths.0.path"),
        ("Ingress", "rules.0.http.paths.0.pathType", "prefix", "spec.rules.0.http.paths.0.pathType"),
        ("Ingress", "defaultBackend.service.port", {}, "spec.defaultBackend.service.port"),
        ("Ingress", "tls.0.hosts", ["a_b"], "spec.tls.0.hosts.0"),
        ("ApisixGlobalRule", "plugins", ABSENT, "spec.plugins"),
        ("ApisixConsumer", "authParameter.keyAuth.value", ABSENT, "spec.authParameter.keyAuth"),
        ("ApisixConsumer", "authParameter.keyAuth.secretRef", {"name": "x"}, "spec.authParameter.keyAuth.secretRef"),
        ("ApisixConsumer", "authParameter", {}, "spec.authParameter"),
        ("ApisixConsumer", "authParameter.jwtAuth.value.key", ABSENT, "spec.authParameter.jwtAuth.value.key"),
        ("ApisixClusterConfig", "monitoring.skywalking.sampleRatio", 0, "spec.monitoring.skywalking.sampleRatio"),
    ],
)
def test_mistakes(kind: str, path: str, value: Any, at: str) -> None:
    assert mistakes(change(kind, path, value)) == [at]


def test_asymmetric_tokens_need_a_key() -> None:
    document = change("ApisixConsumer", "authParameter", {"jwtAuth": {"value": {"key": "a", "algorithm": "ES256"}}})
    assert mistakes(document) == ["spec.authParameter.jwtAuth.value.public_key"]
    document = change("ApisixConsumer", "authParameter", ABSENT)
    document["spec"]["plugins"] = [{"name": "key-auth", "config": {"key": "a"}}]
    assert mistakes(document) == []


def read_all(text: str) -> Report:
    report = Report()
    for manifest in parse_sources([SourceFile("in.yaml", text)], report):
        entry = KINDS.get((manifest.group, manifest.kind))
        if entry is not None:
            read_kind(manifest, entry.model, report)
    return report


def test_diagnostics_have_places() -> None:
    found = [str(one) for one in read_all(TEXT.replace("op: Equal,", "op: Equals,")).diagnostics]
    assert len(found) == 1
    assert found[0].startswith("in.yaml:15:51: error[invalid-value]: expected one of ")
    assert found[0].endswith(" at spec.http[0].match.exprs[0].op")


@pytest.mark.parametrize("path", WORKED, ids=lambda path: f"{path.parts[-4]}-{path.stem}")
def test_what_is_generated_is_valid(path: Path) -> None:
    assert [str(one) for one in read_all(path.read_text()).diagnostics] == []


def test_everything_that_can_be_generated_is_valid() -> None:
    stack = """
domain: lab.example.org
components:
- {name: app, type: image_base, ports: "http:1:TCP\\ngrpc:2:TCP\\na:9:UDP:stream"}
links:
- link: apisix-image_base
  subdomain: app
  route_all: true
  cors: true
  rate_limiting: 5/1s
  apisix_oidc_enable: true
  apisix_oidc_secret: s
  apisix_oidc_param: {client_id: a, discovery: https://a.example/}
  ip_whitelist: 10.0.0.0/8
  proxy_rewrite: true
  websocket: true
  apisix_timeout: {read: 5m}
  additional_domain: "*.other.example secret=x"
  max_body_size: 1m
  https_redirect: true
"""
    made = generate(SourceFile("stack.yaml", stack), Report())
    assert made is not None
    assert [str(one) for one in read_all(made.routes["image_base.yaml"]).diagnostics] == []
