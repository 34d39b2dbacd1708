"""Ingresses with the annotations of APISIX's controller, by real requests through the real Envoy."""

from collections.abc import Iterator

import httpx2
import pytest
from running import DEADLINE, Running, run_manifests, served_by, services

HTTP, HTTPS = 9080, 9443
PREFIX = "k8s.apisix.apache.org/"


def ingress(name: str, *paths: str, more: str = "", **annotations: str) -> str:
    """An Ingress for the host `NAME.test`; each path is `TYPE PATH SERVICE`."""
    said = "".join(f"\n    {PREFIX}{key.replace('_', '-')}: '{value}'" for key, value in annotations.items())
    port = "port: {number: 80}"
    entries = "".join(
        f"\n      - {{path: '{path}', pathType: {kind}, backend: {{service: {{name: {service}, {port}}}}}}}"
        for kind, path, service in (one.split() for one in paths)
    )
    return f"""
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  annotations: {said or "{}"}
spec:
  ingressClassName: apisix{more}
  rules:
  - host: {name}.test
    http:
      paths:{entries}
"""


SHARED = """
apiVersion: apisix.apache.org/v2
kind: ApisixPluginConfig
metadata: {name: shared}
spec: {plugins: [{name: response-rewrite, config: {headers: {set: {x-shared: "yes"}}}}]}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: ann}
spec: {authParameter: {keyAuth: {value: {key: key-of-ann}}}}
---
apiVersion: v1
kind: Service
metadata: {name: far, namespace: elsewhere}
spec: {ports: [{port: 80}]}
"""
PATHS = ("Prefix /app one", "Exact /app/exact two", "ImplementationSpecific /start* three")
MANIFESTS = (
    ingress("paths", *PATHS, more="\n  defaultBackend: {service: {name: rest, port: {number: 80}}}"),
    ingress("regex", "ImplementationSpecific /api/.*/orders one", use_regex="true"),
    ingress(
        "rewrite",
        "Prefix /app one",
        rewrite_target_regex="/app/(.*)",
        rewrite_target_regex_template="/$1",
        enable_cors="true",
        cors_allow_origin="https://a.test",
    ),
    ingress("methods", "Prefix / one", http_block_methods="DELETE,PATCH"),
    ingress("blocked", "Prefix / one", blocklist_source_range="10.0.0.0/8,127.0.0.0/8"),
    ingress("allowed", "Prefix / one", allowlist_source_range="127.0.0.1"),
    ingress("keys", "Prefix / one", auth_type="keyAuth"),
    ingress("typo", "Prefix / one", auth_type="keyauth"),
    ingress("secure", "Prefix / one", http_to_https="true", more="\n  tls: [{hosts: [secure.test], secretName: any}]"),
    ingress("moved", "Prefix / one", http_redirect="/there", http_redirect_code="308"),
    ingress("shared", "Prefix / one", plugin_config_name="shared"),
    ingress("far", "Prefix / far", svc_namespace="elsewhere"),
    ingress(
        "answer",
        "Prefix / one",
        enable_response_rewrite="true",
        response_rewrite_status_code="418",
        response_rewrite_body="tea",
        response_rewrite_set_header="x-pot:short,x-cup:yes",
    ),
    ingress("other", "Prefix / one").replace("ingressClassName: apisix", "ingressClassName: nginx"),
    SHARED,
    services("one", "two", "three", "rest"),
)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with run_manifests(*MANIFESTS, ports=(HTTP, HTTPS)) as started:
        yield started


def ask(running: Running, host: str, path: str = "/", method: str = "GET", **headers: str) -> httpx2.Response:
    url = running.url(HTTP) + path
    return httpx2.request(method, url, headers={"host": f"{host}.test", **headers}, timeout=DEADLINE)


@pytest.mark.parametrize(
    ("host", "path", "wanted"),
    [
        ("paths", "/app", "one"),
        ("paths", "/app/1", "one"),
        ("paths", "/app/exact", "two"),
        ("paths", "/apple", "rest"),
        ("paths", "/started", "three"),
        ("nobody", "/", "rest"),
        ("regex", "/api/1/orders", "one"),
        ("regex", "/api/1/other", "rest"),
        ("methods", "/", "one"),
        ("allowed", "/", "one"),
        ("far", "/", "far.elsewhere"),
        ("other", "/", "rest"),
    ],
)
def test_where_requests_go(running: Running, host: str, path: str, wanted: str) -> None:
    assert served_by(ask(running, host, path)) == wanted


def test_a_path_is_rewritten_and_browsers_may_call(running: Running) -> None:
    answer = ask(running, "rewrite", "/app/ip?n=1", origin="https://a.test")
    assert answer.json()["path"] == "/ip?n=1"
    assert answer.headers["access-control-allow-origin"] == "https://a.test"


@pytest.mark.parametrize(
    ("host", "method", "headers", "status"),
    [
        ("methods", "DELETE", {}, 405),
        ("blocked", "GET", {}, 403),
        ("keys", "GET", {}, 401),
        ("keys", "GET", {"apikey": "key-of-ann"}, 200),
        ("typo", "GET", {"apikey": "key-of-ann"}, 503),
    ],
)
def test_who_may_call(running: Running, host: str, method: str, headers: dict[str, str], status: int) -> None:
    assert ask(running, host, method=method, **headers).status_code == status


def test_redirects(running: Running) -> None:
    secure, moved = ask(running, "secure", "/a?b=c"), ask(running, "moved")
    assert (secure.status_code, secure.headers["location"]) == (
        301,
        f"https://secure.test:{HTTPS + running.offset}/a?b=c",
    )
    assert (moved.status_code, moved.headers["location"]) == (308, "/there")
    context = httpx2.create_ssl_context(verify=False)
    extensions = {"sni_hostname": "secure.test"}
    with httpx2.Client(verify=context) as client:
        answer = client.get(running.url(HTTPS, "https"), headers={"host": "secure.test"}, extensions=extensions)
    assert served_by(answer) == "one"


def test_answers_are_changed(running: Running) -> None:
    answer = ask(running, "answer")
    assert (answer.status_code, answer.text) == (418, "tea")
    assert (answer.headers["x-pot"], answer.headers["x-cup"]) == ("short", "yes")
    assert ask(running, "shared").headers["x-shared"] == "yes"
