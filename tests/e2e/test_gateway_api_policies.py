"""Envoy Gateway's policies with real requests: security, traffic to backends, clients, and route filters."""

import json
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha1
from time import time

import httpx2
import pytest
from certificates import ca_config_map, client_context, leaf, tls_secret
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from running import DEADLINE, Running, run_manifests, served_by, services
from upstreams import http_server

GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: envoy
  listeners:
  - {name: http, port: 80, protocol: HTTP}
  - {name: strict, port: 81, protocol: HTTP}
  - {name: client, port: 444, protocol: HTTPS, tls: {certificateRefs: [{name: a}]}}
"""
KEY = RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256", "use": "sig"})
STRANGE = RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256", "use": "sig"})


def route(name: str, rules: str = "", section: str = "http") -> str:
    rules = rules or "[{backendRefs: [{name: a, port: 80}]}]"
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}}}
spec: {{parentRefs: [{{name: web, sectionName: {section}}}], hostnames: [{name}.test], rules: {rules}}}
"""


def policy(kind: str, name: str, spec: str, target: str = "HTTPRoute", section: str = "") -> str:
    """A policy for the route of the same name, or for a listener of the gateway."""
    place = f"kind: Gateway, name: web, sectionName: {section}" if section else f"kind: {target}, name: {name}"
    return f"""
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: {kind}
metadata: {{name: {name}}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, {place}}}]
{spec.rstrip()}
"""


def secret(name: str, **values: str) -> str:
    content = ", ".join(f"{key}: {b64encode(value.encode()).decode()}" for key, value in values.items())
    return f"""
apiVersion: v1
kind: Secret
metadata: {{name: {name}}}
data: {{{content}}}
"""


def htpasswd(user: str, password: str) -> str:
    return f"{user}:{{SHA}}{b64encode(sha1(password.encode()).digest()).decode()}"


def rule_with(name: str, more: str = "") -> str:
    """A rule for the path of this name with the HTTPRouteFilter of this name."""
    reference = f"{{group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: {name}}}"
    filters = f"filters: [{{type: ExtensionRef, extensionRef: {reference}}}]"
    return f"{{matches: [{{path: {{value: /{name}}}}}], {filters}{more}}}"


BACKEND = ", backendRefs: [{name: a, port: 80}]"
SECURITY = (
    route("basic"),
    secret("users", **{".htpasswd": htpasswd("ann", "secret")}),
    policy("SecurityPolicy", "basic", "  basicAuth: {users: {name: users}}"),
    route("key"),
    secret("keys", ann="key-of-ann"),
    policy(
        "SecurityPolicy",
        "key",
        "  apiKeyAuth: {credentialRefs: [{name: keys}], extractFrom: [{headers: [x-api-key]}]}",
    ),
    route("jwt"),
    policy(
        "SecurityPolicy",
        "jwt",
        f"""
  jwt:
    providers:
    - name: own
      issuer: https://issuer.test
      audiences: [shop]
      localJWKS: {{type: Inline, inline: '{json.dumps(KeySet([KEY]).as_dict(private=False))}'}}
      claimToHeaders: [{{header: x-user, claim: sub}}]
""",
    ),
    route("inside"),
    policy(
        "SecurityPolicy",
        "inside",
        """
  authorization:
    defaultAction: Deny
    rules: [{action: Allow, principal: {clientCIDRs: [127.0.0.0/8]}}]
""",
    ),
    route("outside"),
    policy(
        "SecurityPolicy",
        "outside",
        """
  authorization:
    defaultAction: Deny
    rules: [{action: Allow, principal: {clientCIDRs: [10.99.0.0/16]}}]
""",
    ),
    route("cors"),
    policy("SecurityPolicy", "cors", "  cors: {allowOrigins: ['https://app.test'], allowMethods: [PUT], maxAge: 5m}"),
    route("broken"),
    policy("SecurityPolicy", "broken", "  basicAuth: {users: {name: missing}}"),
)
BACKENDS = (
    route("fault"),
    policy("BackendTrafficPolicy", "fault", "  faultInjection: {abort: {httpStatus: 418, percentage: 100}}"),
    route("limit"),
    policy(
        "BackendTrafficPolicy",
        "limit",
        "  rateLimit: {type: Local, local: {rules: [{limit: {requests: 3, unit: Hour}}]}}",
    ),
    route("retry"),
    policy(
        "BackendTrafficPolicy",
        "retry",
        "  retry: {numRetries: 2, retryOn: {httpStatusCodes: [502]}, perRetry: {backOff: {baseInterval: 10ms}}}",
    ),
    route("slow"),
    policy("BackendTrafficPolicy", "slow", "  timeout: {http: {requestTimeout: 100ms}}"),
    route("hash", "[{backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: three}]}]"),
    policy(
        "BackendTrafficPolicy",
        "hash",
        "  loadBalancer: {type: ConsistentHash, consistentHash: {type: Header, header: {name: x-key}}}",
    ),
)
CLIENTS = (
    route("strict", section="strict"),
    policy(
        "ClientTrafficPolicy",
        "strict",
        """
  headers:
    earlyRequestHeaders: {set: [{name: x-early, value: "yes"}], remove: [x-late]}
  path: {escapedSlashesAction: RejectRequest, disableMergeSlashes: true}
  connection: {connectionLimit: {value: 1}}
""",
        section="strict",
    ),
    route("mutual", section="client"),
    tls_secret("a", "mutual.test"),
    ca_config_map("clients", "clients"),
    policy(
        "ClientTrafficPolicy",
        "mutual",
        "  tls: {clientValidation: {caCertificateRefs: [{kind: ConfigMap, group: '', name: clients}]}}",
        section="client",
    ),
)
FILTERS = (
    route(
        "filters",
        f"[{rule_with('direct')}, {rule_with('regex', BACKEND)}, {rule_with('missing', BACKEND)}]",
    ),
    """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {name: direct}
spec: {directResponse: {statusCode: 418, contentType: text/plain, body: {type: Inline, inline: short and stout}}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {name: regex}
spec:
  urlRewrite:
    path: {type: ReplaceRegexMatch, replaceRegexMatch: {pattern: "^/regex/([0-9]+)$", substitution: "/item/\\\\1"}}
""",
)
THREE = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: three}}
spec: {{endpoints: [{0}]}}
"""


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with ExitStack() as stack:
        ports = [stack.enter_context(http_server(name)) for name in ("one", "two", "three")]
        three = THREE.format(", ".join(f"{{ip: {{address: 127.0.0.1, port: {port}}}}}" for port in ports))
        texts = (*SECURITY, *BACKENDS, *CLIENTS, *FILTERS)
        yield stack.enter_context(run_manifests(GATEWAY, services("a"), three, *texts, ports=(80, 81, 444)))


@pytest.fixture(scope="module")
def client(running: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=running.url(), timeout=DEADLINE) as found:
        yield found


def ask(client: httpx2.Client, name: str, path: str = "/", **headers: str) -> str:
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    return served_by(client.get(path, headers={"host": f"{name}.test", **sent}))


def test_basic_auth(client: httpx2.Client) -> None:
    assert ask(client, "basic") == "401"
    assert ask(client, "basic", authorization="Basic " + b64encode(b"ann:wrong").decode()) == "401"
    assert ask(client, "basic", authorization="Basic " + b64encode(b"ann:secret").decode()) == "a"


def test_api_key(client: httpx2.Client) -> None:
    assert ask(client, "key") == "401"
    assert ask(client, "key", x_api_key="wrong") == "401"
    assert ask(client, "key", x_api_key="key-of-ann") == "a"


def test_jwt(client: httpx2.Client) -> None:
    claims = {"iss": "https://issuer.test", "aud": "shop", "sub": "ann", "exp": int(time()) + 600}

    def token(key: RSAKey = KEY, **other: object) -> str:
        return "Bearer " + jwt.encode({"alg": "RS256", "kid": "one"}, {**claims, **other}, key)

    answer = client.get("/", headers={"host": "jwt.test", "authorization": token()})
    assert answer.json()["headers"]["x-user"] == ["ann"]
    assert ask(client, "jwt") == "401"
    assert ask(client, "jwt", authorization=token(STRANGE)) == "401"
    assert ask(client, "jwt", authorization=token(exp=int(time()) - 600)) == "401"
    assert ask(client, "jwt", authorization=token(iss="https://other.test")) == "401"
    assert ask(client, "jwt", authorization=token(aud="other")) == "403"


def test_authorization_by_address(client: httpx2.Client) -> None:
    assert ask(client, "inside") == "a"
    assert ask(client, "outside") == "403"
    # Nobody gets in by saying that they are somebody else.
    assert ask(client, "outside", x_forwarded_for="10.99.0.1") == "403"


def test_cors(client: httpx2.Client) -> None:
    asked = {"access-control-request-method": "PUT", "host": "cors.test"}
    answer = client.options("/", headers={**asked, "origin": "https://app.test"})
    assert answer.headers["access-control-allow-origin"] == "https://app.test"
    assert answer.headers["access-control-max-age"] == "300"
    answer = client.options("/", headers={**asked, "origin": "https://evil.test"})
    assert "access-control-allow-origin" not in answer.headers


def test_a_broken_security_policy_fails_closed(running: Running, client: httpx2.Client) -> None:
    assert ask(client, "broken") == "500"
    assert ask(client, "broken", authorization="Basic " + b64encode(b"ann:secret").decode()) == "500"
    assert any(found.object and found.object.name == "broken" for found in running.findings)


def test_fault_abort(client: httpx2.Client) -> None:
    assert ask(client, "fault") == "418"


def test_local_rate_limit(client: httpx2.Client) -> None:
    assert [ask(client, "limit") for _ in range(5)] == ["a", "a", "a", "429", "429"]


def test_retry(running: Running, client: httpx2.Client) -> None:
    client.get("/?retried", headers={"host": "retry.test", "x-stub-status": "502"})
    for _ in range(3):
        running.await_request(lambda record: record.path == "/?retried")
    client.get("/?end", headers={"host": "retry.test"})
    assert running.requests.get(timeout=DEADLINE).path == "/?end"


def test_request_timeout(client: httpx2.Client) -> None:
    assert ask(client, "slow", x_stub_delay="2s") == "504"
    assert ask(client, "slow") == "a"


def test_consistent_hash(client: httpx2.Client) -> None:
    def answered(key: str) -> str:
        return client.get("/", headers={"host": "hash.test", "x-key": key}).text

    found = {key: {answered(key) for _ in range(10)} for key in map(str, range(20))}
    assert all(len(servers) == 1 for servers in found.values())
    assert set().union(*found.values()) == {"one", "two", "three"}


def test_client_headers_and_paths(running: Running) -> None:
    with httpx2.Client(base_url=running.url(81), timeout=DEADLINE) as client:
        answer = client.get("/a//b", headers={"host": "strict.test", "x-late": "1"})
        seen = answer.json()
        assert (seen["path"], seen["headers"]["x-early"]) == ("/a//b", ["yes"])
        assert "x-late" not in seen["headers"]
        # The one connection that the policy allows is this client's, until a refused path ends it.
        with pytest.raises(httpx2.TransportError):
            httpx2.get(running.url(81), headers={"host": "strict.test"}, timeout=DEADLINE)
        assert ask(client, "strict", "/a%2Fb") == "400"


def test_client_certificates(running: Running) -> None:
    def get(context: ssl.SSLContext) -> str:
        with httpx2.Client(verify=context, timeout=DEADLINE) as client:
            names = {"headers": {"host": "mutual.test"}, "extensions": {"sni_hostname": "mutual.test"}}
            return served_by(client.get(running.url(444, "https"), **names))

    assert get(client_context(present=leaf("client.test", ca="clients"))) == "a"
    for context in (client_context(), client_context(present=leaf("client.test", ca="strangers"))):
        with pytest.raises(httpx2.TransportError):
            get(context)


def test_route_filters(client: httpx2.Client) -> None:
    answer = client.get("/direct", headers={"host": "filters.test"})
    assert (answer.status_code, answer.text) == (418, "short and stout")
    assert answer.headers["content-type"] == "text/plain"
    answer = client.get("/regex/42?q=1", headers={"host": "filters.test"})
    assert answer.json()["path"] == "/item/42?q=1"
    assert ask(client, "filters", "/missing") == "500"
