"""A realistic set of manifests in which everything is protected, with recognisable secrets, and ways to spoil it."""

import base64
import hashlib
import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import trustme
import yaml

from anygate.diagnostics import SourceFile

Document = dict[str, Any]
Path_ = tuple[str | int, ...]

KINDS_FILE = Path(__file__).parents[1] / "unit/dialects/gateway_api/kinds.yaml"
GATEWAY_API = "gateway.networking.k8s.io/v1"
ENVOY_GATEWAY = "gateway.envoyproxy.io/v1alpha1"
CANARY = "s3cr3t-canary"
HTPASSWD = "alice:{SHA}" + base64.b64encode(hashlib.sha1(f"{CANARY}-password".encode()).digest()).decode()


class Keys(NamedTuple):
    """Key material of one run."""

    chain: str
    key: str
    authority: str


@cache
def make_keys() -> Keys:
    """A certificate authority and a server certificate."""
    authority = trustme.CA()
    pair = authority.issue_cert("www.example.com")
    chain = "".join(part.bytes().decode() for part in pair.cert_chain_pems)
    return Keys(chain, pair.private_key_pem.bytes().decode(), authority.cert_pem.bytes().decode())


def make_secrets() -> dict[str, dict[str, str]]:
    """The contents of every Secret of the set."""
    keys = make_keys()
    return {
        "www": {"tls.crt": keys.chain, "tls.key": keys.key},
        "users": {".htpasswd": HTPASSWD},
        "keys": {"alice": f"{CANARY}-api-key-one", "bob": f"{CANARY}-api-key-two"},
        "login": {"client-id": "shop", "client-secret": f"{CANARY}-oidc"},
        "upstream": {"credential": f"Bearer {CANARY}-injected"},
    }


def make(kind: str, name: str, spec: Any, version: str = GATEWAY_API, **metadata: Any) -> Document:
    """One object."""
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}


def make_secret(name: str, contents: dict[str, str], *, encoded: bool = True) -> Document:
    """A Secret, its contents in base64 or as they are."""
    if not encoded:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": contents}
    made = {key: base64.b64encode(value.encode()).decode() for key, value in contents.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": made}


def make_config_map(name: str, contents: dict[str, str]) -> Document:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": contents}


def make_route(name: str, rules: list[Any] | None = None, section: str = "http", **metadata: Any) -> Document:
    """An HTTPRoute for a host of its own."""
    spec = {
        "parentRefs": [{"name": "web", "sectionName": section}],
        "hostnames": [f"{name}.example.com"],
        "rules": rules or [{"name": "all", "backendRefs": [{"name": "shop", "port": 80}]}],
    }
    return make("HTTPRoute", name, spec, **metadata)


def target(name: str, kind: str = "HTTPRoute", **fields: str) -> dict[str, str]:
    """A policy's reference to what it holds for."""
    return {"group": "gateway.networking.k8s.io", "kind": kind, "name": name, **fields}


def make_policy(name: str, *targets: dict[str, str], **fields: Any) -> Document:
    """A SecurityPolicy."""
    spec = {**({"targetRefs": list(targets)} if targets else {}), **fields}
    return make("SecurityPolicy", name, spec, ENVOY_GATEWAY)


def make_service(name: str, port: int = 80) -> list[Document]:
    """A Service with one endpoint."""
    labels = {"kubernetes.io/service-name": name}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"ports": [{"name": "main", "port": port}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"{name}-1", "labels": labels},
            "addressType": "IPv4",
            "ports": [{"name": "main", "port": 9000}],
            "endpoints": [{"addresses": ["127.0.0.1"]}],
        },
    ]


JWKS = json.dumps({"keys": [{"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ", "kid": "one", "alg": "HS256"}]})
JWT = {
    "providers": [
        {
            "name": "local",
            "issuer": "https://issuer.example.com",
            "localJWKS": {"type": "ValueRef", "valueRef": {"group": "", "kind": "ConfigMap", "name": "jwks"}},
            "claimToHeaders": [{"header": "x-sub", "claim": "sub"}],
        }
    ]
}


def make_policies() -> list[Document]:
    """A SecurityPolicy of each kind; all that they hold for is called as they are."""
    oidc = {
        "provider": {
            "issuer": "https://accounts.example.com",
            "authorizationEndpoint": "https://accounts.example.com/auth",
            "tokenEndpoint": "https://accounts.example.com/token",
        },
        "clientIDRef": {"name": "login"},
        "clientSecret": {"name": "login"},
        "redirectURL": "https://oidc.example.com/oauth2/callback",
    }
    rule = {
        "name": "staff",
        "action": "Allow",
        "operation": {"methods": ["GET"]},
        "principal": {"clientCIDRs": ["10.0.0.0/8"], "headers": [{"name": "x-user", "values": ["alice"]}]},
    }
    return [
        make_policy("basic", target("basic"), basicAuth={"users": {"name": "users"}}),
        make_policy(
            "keys",
            target("keys", sectionName="all"),
            apiKeyAuth={"credentialRefs": [{"name": "keys"}], "extractFrom": [{"headers": ["x-api-key"]}]},
        ),
        make_policy("jwt", target("jwt"), jwt=JWT),
        make_policy("oidc", target("oidc"), oidc=oidc),
        make_policy(
            "ask",
            target("ask"),
            extAuth={"http": {"backendRefs": [{"name": "auth", "port": 80}], "path": "/check"}},
        ),
        make_policy("allowed", target("allowed"), authorization={"defaultAction": "Deny", "rules": [rule]}),
        make_policy(
            "selected",
            targetSelectors=[{"kind": "HTTPRoute", "matchLabels": {"guard": "strict"}}],
            basicAuth={"users": {"name": "users"}},
        ),
        make_policy(
            "merged",
            target("merged"),
            mergeType="StrategicMerge",
            cors={"allowOrigins": ["https://example.com"]},
        ),
        make_policy("more", target("web", "Gateway", sectionName="more"), basicAuth={"users": {"name": "users"}}),
    ]


PROTECTED = {
    "http": ("basic", "keys", "jwt", "oidc", "ask", "allowed", "selected", "filtered"),
    "more": ("merged", "wide"),
}
"""By listener the routes that must never be open there; what `more` serves is protected by the listener's policy."""


def make_routes() -> list[Document]:
    """A route for each policy, one for the Gateway's own, and one with filters."""
    backend = [{"name": "shop", "port": 80}]
    auth = {"protocol": "HTTP", "backendRef": {"name": "auth", "port": 80}, "http": {"path": "/check"}}
    filters = [
        {"type": "ExternalAuth", "externalAuth": auth},
        {
            "type": "ExtensionRef",
            "extensionRef": {"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": "inject"},
        },
    ]
    return [
        *(make_route(name) for name in ("basic", "keys", "jwt", "oidc", "ask", "allowed")),
        *(make_route(name, section="more") for name in ("merged", "wide")),
        make_route("selected", labels={"guard": "strict"}),
        make_route("filtered", [{"filters": filters, "backendRefs": backend}]),
        make_route("tls", [{"backendRefs": [{"name": "db", "port": 5432}]}], section="https"),
    ]


def make_gateway() -> list[Document]:
    """The Gateway with its listeners, and the policy for its clients."""
    listeners = [
        {"name": "http", "port": 80, "protocol": "HTTP"},
        {
            "name": "https",
            "port": 443,
            "protocol": "HTTPS",
            "tls": {"mode": "Terminate", "certificateRefs": [{"name": "www"}]},
        },
        {"name": "more", "port": 8443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "www"}]}},
    ]
    validation = {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}]}
    frontend = {"default": {}, "perPort": [{"port": 8443, "tls": {"validation": validation}}]}
    tls = {
        "minVersion": "1.2",
        "ciphers": ["ECDHE-RSA-AES128-GCM-SHA256"],
        "alpnProtocols": ["h2"],
        "clientValidation": {
            "caCertificateRefs": [{"kind": "ConfigMap", "name": "ca"}],
            "subjectAltNames": {"dnsNames": [{"type": "Suffix", "value": ".example.com"}]},
        },
    }
    refs = [target("web", "Gateway", sectionName="https")]
    return [
        make(
            "Gateway",
            "web",
            {"gatewayClassName": "envoy", "listeners": listeners, "tls": {"frontend": frontend}},
        ),
        make("ClientTrafficPolicy", "clients", {"targetRefs": refs, "tls": tls}, ENVOY_GATEWAY),
    ]


def make_backends() -> list[Document]:
    """Everything behind the Gateway."""
    validation = {
        "hostname": "db.example.com",
        "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}],
        "subjectAltNames": [{"type": "Hostname", "hostname": "db.example.com"}],
    }
    targets = [{"group": "", "kind": "Service", "name": "db"}]
    injection = {"credential": {"valueRef": {"name": "upstream"}}, "overwrite": True}
    return [
        *make_service("shop"),
        *make_service("auth"),
        *make_service("db", 5432),
        make("BackendTLSPolicy", "db", {"targetRefs": targets, "validation": validation}),
        make("HTTPRouteFilter", "inject", {"credentialInjection": injection}, ENVOY_GATEWAY),
        make_config_map("ca", {"ca.crt": make_keys().authority}),
        make_config_map("jwks", {"jwks": JWKS}),
    ]


def protected_set() -> list[Document]:
    """Everything together; valid as it stands."""
    secrets = [make_secret(name, held) for name, held in make_secrets().items()]
    return deepcopy([*make_gateway(), *make_routes(), *make_policies(), *make_backends(), *secrets])


def calm_set() -> list[Document]:
    """A small set beside the others, which nothing that happens to them may touch."""
    listeners = [{"name": "http", "port": 7000, "protocol": "HTTP"}]
    gateway = make("Gateway", "calm", {"gatewayClassName": "calm", "listeners": listeners})
    rules = [{"backendRefs": [{"name": "calm", "port": 80}]}]
    route = make("HTTPRoute", "calm", {"parentRefs": [{"name": "calm"}], "rules": rules})
    made = [gateway, route, *make_service("calm")]
    for document in made:
        document["metadata"]["namespace"] = "calm"
    return made


def rich_set() -> list[Document]:
    """The rich manifests of each kind in one namespace, with what they refer to."""
    rich = [_gather(document) for document in yaml.safe_load_all(KINDS_FILE.read_text())]
    _connect(rich)
    names = {"shop": 8080, "next": 8080, "copy": 80, "auth": 8080, "orders": 50051, "db": 5432, "dns": 53}
    names |= {"a": 1, "b": 1}
    issuer = {"endpoints": [{"fqdn": {"hostname": "issuer.example.com", "port": 443}}]}
    services = [document for name, port in names.items() for document in make_service(name, port)]
    held = make_secrets()
    secrets = {"www": held["www"], "other": held["www"], "client": held["www"] | held["login"]}
    secrets |= {"keys": held["keys"], "users": held["users"], "key": held["upstream"]}
    maps = {"ca": {"ca.crt": make_keys().authority}, "jwks": {"jwks": JWKS}}
    return [
        *rich,
        *services,
        make("Backend", "issuer", issuer, ENVOY_GATEWAY),
        *(make_secret(name, contents) for name, contents in secrets.items()),
        *(make_config_map(name, contents) for name, contents in maps.items()),
    ]


def _connect(rich: list[Document]) -> None:
    """Let the Gateway serve what attaches to it, so that the whole way to Envoy is gone."""
    by_kind = {one["kind"]: one["spec"] for one in rich}
    gateway = by_kind["Gateway"]
    del gateway["addresses"][3]
    gateway["allowedListeners"] = {"namespaces": {"from": "Same"}}
    for listener in gateway["listeners"]:
        listener.get("allowedRoutes", {})["namespaces"] = {"from": "Same"}
    del by_kind["ClientTrafficPolicy"]["tls"]["clientValidation"]["crl"]
    del by_kind["HTTPRouteFilter"]["directResponse"]
    del by_kind["SecurityPolicy"]["oidc"]["passThroughAuthHeader"]
    by_kind["GRPCRoute"]["rules"][0]["filters"][1]["requestMirror"]["backendRef"]["port"] = 80
    by_kind["SecurityPolicy"]["extAuth"]["http"]["backendRefs"][0]["port"] = 8080
    by_kind["SecurityPolicy"]["oidc"]["provider"]["authorizationEndpoint"] = "https://accounts.example.com/auth"
    by_kind["BackendTLSPolicy"]["targetRefs"] = [{"group": "", "kind": "Service", "name": "db", "sectionName": "main"}]
    for principal in (one["principal"] for one in by_kind["SecurityPolicy"]["authorization"]["rules"]):
        del principal["clientIPGeoLocations"]


def _gather(value: Any) -> Any:
    """A copy in which no object says where it stands, so that all stand together."""
    if isinstance(value, dict):
        places = {"namespace"} if "name" in value else set()
        return {key: _gather(one) for key, one in value.items() if key not in places}
    return [_gather(one) for one in value] if isinstance(value, list) else value


class Duplicate(NamedTuple):
    """Stands for a key that is written twice, or a list item that comes twice."""

    value: Any


class Absent:
    """Stands for a field that is not there."""


ABSENT = Absent()


def render(value: Any) -> str:
    """A document as JSON, which is YAML, with keys twice where a `Duplicate` stands."""
    if isinstance(value, dict):
        return "{" + ", ".join(_render_entry(str(key), one) for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_render_item(one) for one in value) + "]"
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


def _render_entry(key: str, value: Any) -> str:
    if isinstance(value, Duplicate):
        return ", ".join([f"{json.dumps(key)}: {render(value.value)}"] * 2)
    return f"{json.dumps(key)}: {render(value)}"


def _render_item(value: Any) -> str:
    return ", ".join([render(value.value)] * 2) if isinstance(value, Duplicate) else render(value)


def write(documents: list[Any], name: str = "in.yaml") -> SourceFile:
    """All documents as one file."""
    return SourceFile(name, "".join(f"---\n{render(one)}\n" for one in documents))


def paths(value: Any, at: Path_ = ()) -> Iterator[Path_]:
    """The path of every field and item inside a value."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in entries:
        yield (*at, key)
        yield from paths(child, (*at, key))


def find(value: Any, path: Path_) -> Any:
    """The value at a path."""
    for step in path:
        value = value[step]
    return value


def change(value: Any, path: Path_, wanted: Any) -> Any:
    """A copy with another value at a path; everything beside the path is shared."""
    if not path:
        return wanted
    head, rest = path[0], path[1:]
    if isinstance(value, list):
        made = [change(one, rest, wanted) if index == head else one for index, one in enumerate(value)]
        return [one for one in made if one is not ABSENT]
    made = {key: change(one, rest, wanted) if key == head else one for key, one in value.items()}
    return {key: one for key, one in made.items() if one is not ABSENT}


def add_unknown(value: Any, path: Path_) -> Any:
    """A copy with one more field beside the one at a path; None where it stands in a list."""
    parent = find(value, path[:-1])
    if not isinstance(parent, dict):
        return None
    return change(value, path[:-1], {**parent, "unknownField": {"a": [1]}})


REPLACEMENTS: tuple[Any, ...] = (
    ABSENT,
    None,
    "",
    [],
    {},
    2**70,
    -1,
    0.5,
    True,
    "x" * 5000,
    "naïve-☃-\U0001f600",
    "a\x00b\x1b[31m\r\n\x7f\u2028",
    ["a", 1, None, {}],
    {"name": "x", "kind": 1, "value": [{}]},
)


def spoil(document: Document) -> Iterator[tuple[Path_, str, Any]]:
    """Every single mutation of a document: where, what, and the outcome."""
    for path in paths(document):
        present = find(document, path)
        for wanted in REPLACEMENTS:
            if wanted is ABSENT or type(wanted) is not type(present) or wanted != present:
                yield path, repr(wanted)[:40], change(document, path, wanted)
        yield path, "twice", change(document, path, Duplicate(present))
        unknown = add_unknown(document, path)
        if unknown is not None:
            yield path, "unknown beside", unknown
