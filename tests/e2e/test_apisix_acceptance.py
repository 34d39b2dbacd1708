"""What a reader of the manual tries first: conditions on queries, methods, and credentials that are none."""

from collections.abc import Iterator

import httpx2
import pytest
from running import Running, run_manifests

PORT = 9080
RULES = """
    - name: kept-out
      match:
        hosts: [regex.test]
        paths: ["/*"]
        exprs: [{subject: {scope: Query, name: role}, op: RegexNotMatch, value: "^adm.n$"}]
      backends: [{serviceName: web, servicePort: 80}]
    - name: other
      match:
        hosts: [equal.test]
        paths: ["/*"]
        exprs: [{subject: {scope: Query, name: role}, op: NotEqual, value: an admin}]
      backends: [{serviceName: web, servicePort: 80}]
    - name: neither
      match:
        hosts: [set.test]
        paths: ["/*"]
        exprs: [{subject: {scope: Query, name: role}, op: NotIn, set: [root, admin]}]
      backends: [{serviceName: web, servicePort: 80}]
    - name: purged
      match: {hosts: [methods.test], paths: ["/*"], methods: [PURGE]}
      backends: [{serviceName: web, servicePort: 80}]
    - name: passwords
      match: {hosts: [basic.test], paths: ["/*"]}
      backends: [{serviceName: web, servicePort: 80}]
      plugins: [{name: basic-auth, config: {realm: place}}]
"""
MANIFESTS = f"""
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{ports: [{{port: 80}}]}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {{name: bob}}
spec: {{authParameter: {{basicAuth: {{value: {{username: bob, password: pass}}}}}}}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {{name: all}}
spec:
  http:{RULES}"""


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with run_manifests(MANIFESTS, ports=(PORT,)) as running:
        yield running


@pytest.fixture
def client(gateway: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=gateway.url(PORT)) as found:
        yield found


@pytest.mark.parametrize(
    ("host", "kept_out", "let_in"),
    [
        ("regex.test", ["role=admin", "a=1&role=admin&b=2"], ["", "role=admins", "xrole=admin", "role=x&o=admin"]),
        ("equal.test", ["role=an%20admin", "role=an+admin", "role=%61n%20admin"], ["", "role=an", "role=an%20admins"]),
        ("set.test", ["role=admin", "role=%72oot"], ["", "role=rooted", "role=user"]),
    ],
)
def test_a_parameter_that_must_not_be(client: httpx2.Client, host: str, kept_out: list[str], let_in: list[str]) -> None:
    def passed(query: str) -> bool:
        return client.get(f"/a?{query}", headers={"host": host}).status_code == 200

    assert [query for query in kept_out if passed(query)] == []
    assert [query for query in let_in if not passed(query)] == []


def test_purge_is_a_method_of_routes(client: httpx2.Client) -> None:
    assert client.request("PURGE", "/a", headers={"host": "methods.test"}).status_code == 200
    assert client.get("/a", headers={"host": "methods.test"}).status_code == 404


@pytest.mark.parametrize("credential", ["Bearer token", "Basic no-base64!"])
def test_a_credential_that_is_no_password(client: httpx2.Client, credential: str) -> None:
    answer = client.get("/a", headers={"host": "basic.test", "authorization": credential})
    assert (answer.status_code, answer.json()) == (401, {"message": "Invalid authorization in request"})
    assert answer.headers["www-authenticate"] == 'Basic realm="place"'
