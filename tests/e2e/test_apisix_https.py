"""Redirects to HTTPS behind a proxy that says how requests came to it, on the real Envoy."""

from collections.abc import Iterator

import httpx2
import pytest
from running import Running, run_manifests

PORT = 9080
MANIFESTS = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: anygate.dev/v1alpha1
kind: ApisixSettings
metadata: {name: here}
spec: {trustedAddresses: [TRUSTED]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: annotated, annotations: {k8s.apisix.apache.org/http-to-https: "true"}}
spec:
  ingressClassName: apisix
  rules:
    - http: {paths: [{path: /ingress, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: ann}
spec:
  authParameter: {keyAuth: {value: {key: key-of-ann}}}
  plugins: [{name: response-rewrite, config: {headers: {set: {X-Mine: ann}}}}]
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: all}
spec:
  http:
    - name: secure
      match: {paths: ["/secure"]}
      backends: [{serviceName: web, servicePort: 80}]
      plugins: [{name: redirect, config: {http_to_https: true}}]
    - name: elsewhere
      match: {paths: ["/elsewhere"], remoteAddrs: [192.0.2.0/24]}
      backends: [{serviceName: web, servicePort: 80}]
      plugins: [{name: redirect, config: {http_to_https: true}}]
    - name: consumers
      match: {paths: ["/consumers"]}
      backends: [{serviceName: web, servicePort: 80}]
      plugins: [{name: key-auth, config: {}}, {name: redirect, config: {http_to_https: true}}]
    - name: open
      match: {paths: ["/open"]}
      backends: [{serviceName: web, servicePort: 80}]
"""
TRUSTING = MANIFESTS.replace("TRUSTED", "10.0.0.0/8, 127.0.0.1")
HIDDEN = "x-anygate-forwarded-proto"


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with run_manifests(TRUSTING, ports=(PORT,)) as running:
        yield running


@pytest.fixture
def client(gateway: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=gateway.url(PORT)) as found:
        yield found


@pytest.mark.parametrize("path", ["/secure", "/ingress"])
def test_what_came_over_https_to_a_trusted_proxy_is_not_sent_there_again(client: httpx2.Client, path: str) -> None:
    answer = client.get(path, headers={"x-forwarded-proto": "https"})
    assert answer.status_code == 200
    seen = answer.json()["headers"]
    assert seen["x-forwarded-proto"] == ["https"]
    assert HIDDEN not in seen


@pytest.mark.parametrize(
    "headers", [{}, {"x-forwarded-proto": "http"}, {"x-forwarded-proto": "wss"}, {HIDDEN: "https"}], ids=str
)
def test_everything_else_is(client: httpx2.Client, headers: dict[str, str]) -> None:
    statuses = [client.request(method, "/secure", headers=headers).status_code for method in ("GET", "HEAD", "POST")]
    assert statuses == [301, 301, 308]


def test_a_proxy_opens_no_route_for_others(client: httpx2.Client) -> None:
    assert client.get("/elsewhere", headers={"x-forwarded-proto": "https"}).status_code == 404


def test_no_backend_is_told_what_a_client_said(client: httpx2.Client) -> None:
    seen = client.get("/open", headers={"x-forwarded-proto": "https", HIDDEN: "https"}).json()["headers"]
    assert seen["x-forwarded-proto"] == ["http"]
    assert HIDDEN not in seen


def test_rules_of_consumers_believe_the_same(client: httpx2.Client) -> None:
    known = {"apikey": "key-of-ann"}
    answer = client.get("/consumers", headers={**known, "x-forwarded-proto": "https"})
    assert (answer.status_code, answer.headers["x-mine"]) == (200, "ann")
    assert answer.json()["headers"]["x-forwarded-proto"] == ["https"]
    assert HIDDEN not in answer.json()["headers"]
    assert client.get("/consumers", headers=known).status_code == 301


def test_nobody_else_is_believed() -> None:
    text = MANIFESTS.replace("TRUSTED", "10.0.0.0/8")
    with run_manifests(text, ports=(PORT,)) as running, httpx2.Client(base_url=running.url(PORT)) as client:
        headers = {"x-forwarded-proto": "https", HIDDEN: "https"}
        assert client.get("/secure", headers=headers).status_code == 301
        assert client.get("/consumers", headers={**headers, "apikey": "key-of-ann"}).status_code == 301
