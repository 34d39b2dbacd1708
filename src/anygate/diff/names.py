"""A model without its names: what its references stand for, as plain values that can be compared.

The names of objects are no part of what a gateway does. Every other field of the model is compared, also one that was
added after this was written; the tables below say which fields are names or references.
"""

import re
from datetime import timedelta
from ipaddress import ip_address
from typing import Any, NamedTuple

import msgspec

from anygate.manifests.sensitive import Sensitive
from anygate.model.backend import Backend, Endpoint
from anygate.model.dump import render_duration
from anygate.model.origin import Origin
from anygate.model.root import Model
from anygate.model.tls import AuthoritiesFile, CertificateFiles, Secret, SocketSecret

Plain = Any
"""A scalar, a `Held`, a tuple, or a dict of these."""

BACKENDS = frozenset(
    (
        *(
            "Mirror.backend",
            "BackendTarget.backend",
            "ExtAuth.backend",
            "ForwardAuth.backend",
            "JwtProvider.jwks_backend",
        ),
        *("Oidc.token_backend", "Oidc.userinfo_backend", "Introspection.backend"),
        *("LimitRule.backends", "Backend.members"),
    )
)
"""Fields that hold names of backends."""

SECRETS = frozenset(
    (
        *("BasicAuth.secret", "ApiKeyAuth.secrets", "Oidc.client_secret", "Credential.secret", "KeyCredential.secret"),
        *("AwsCredential.file", "OidcClient.secret", "AzureToken.secret", "GcpToken.file", "McpCredential.secret"),
        *("JwtProvider.jwks_secret", "QueryCredential.secret", "Langfuse.secret", "SecretValue.secret"),
        *("Introspection.credential",),
        *("HmacCheck.secret", "CsrfCheck.secret"),
        *("ClientValidation.authorities", "ServerTls.certificates", "ClientTls.authorities", "ClientTls.certificate"),
    )
)
"""Fields that hold names of secrets."""

NAMES = frozenset(
    (
        *("HttpRule.name", "AuthorizationRule.name", "LimitRule.name", "Oidc.name"),
        *(
            "HttpRoute.name",
            "Mirror.stage",
            "HttpRoute.kind",
            "HttpRoute.created",
            "Inference.route",
            "Mcp.route",
            "Provider.name",
            "AwsExchange.name",
            "JwtProvider.name",
        ),
        # The name under which Envoy asks for a token; what is fetched stands beside it.
        "TokenCredential.secret",
        # Beside Envoy on this machine only.
        *("JwtProvider.jwks_file", "Backend.behind", "LdapCheck.reached", "WolfApplication.reached"),
        # Made anew for each set of manifests.
        "Oidc.hmac_secret",
    )
)
"""Fields that are names, and nothing else."""

PROVIDERS = frozenset(("Principal.jwt_provider", "Mcp.jwt_provider"))
"""Fields that hold names of token issuers of the same rule."""

UNORDERED = frozenset(
    (
        *("Retry.triggers", "Retry.statuses", "HttpCheck.statuses", "HttpRule.upgrades", "AuthorizationRule.methods"),
        *("Cors.allow_origins", "Cors.allow_methods", "Cors.allow_headers", "Cors.expose_headers"),
        *("JwtProvider.audiences", "ClientTls.names", "ClientValidation.names", "LimitSelector.methods"),
        *("ApiKeyAuth.secrets", "ServerTls.certificates", "HttpMatch.headers", "HttpMatch.query", "HttpMatch.cookies"),
        "HttpMatch.body",
        *("HttpServer.trusted_cidrs", "ClaimMatch.values", "Principal.cidrs", "Principal.jwt_scopes"),
        *("Introspection.scopes", "Introspection.headers"),
    )
)
"""Sequences whose order means nothing."""

_DEFAULTS: dict[str, dict[str, Plain]] = {}
"""By type of node what its fields are where nobody says anything, which needs no words."""

_IN_CLUSTER = re.compile(r"(?P<service>[a-z0-9-]+\.[a-z0-9-]+)\.svc(?:\.cluster\.local)?", re.IGNORECASE)
_SHOWN = 60


class Held(NamedTuple):
    """Secret content: equal by value, and never shown."""

    kind: str
    content: tuple[Sensitive | str | None, ...]

    def __repr__(self) -> str:
        return self.kind


class Part(NamedTuple):
    """One of the destinations that a backend is made of, and its share; higher priorities wait for others to fail."""

    reach: str
    share: float
    priority: int


class Names:
    """What the names of one model stand for."""

    def __init__(self, model: Model) -> None:
        self.backends = {one.name: one for one in model.backends}
        self._stages = {stage.name: stage for gateway in model.gateways for stage in gateway.stages}
        self._secrets = {one.name: one for one in model.secrets}
        self._known: dict[int, tuple[msgspec.Struct, Plain]] = {}

    def reach(self, name: str) -> str:
        """What a backend of this name reaches, in words: `shop.default:8080`, `db.example.com:443`."""
        backend = self.backends.get(name)
        if backend is None:
            return "nothing"
        return " or ".join(part.reach for part in self.parts(name)) if backend.members else reach(backend)

    def parts(self, name: str) -> tuple["Part", ...]:
        """What a backend is made of, with the share of each; one that is made of nothing else has them all."""
        backend = self.backends[name]
        members = [reach(self.backends[member]) for member in backend.members if member in self.backends]
        if not members or len(members) < len(backend.members):
            return (Part(reach(backend), 1.0, 0),)
        weights: dict[tuple[int, int], int] = {}
        for group in backend.groups:
            # Where backends are joined, the zones of each begin with its number.
            place = group.priority, int(group.zone.partition("/")[0])
            weights[place] = weights.get(place, 0) + group.weight
        sums = {
            priority: sum(weight for place, weight in weights.items() if place[0] == priority)
            for priority, _ in weights
        }
        return tuple(
            Part(members[number], weight / sums[priority], priority)
            for (priority, number), weight in sorted(weights.items())
            if weight
        )

    def plain(self, node: Any) -> Plain:
        """A node as plain values: dicts with every field that is no name, references resolved."""
        if isinstance(node, msgspec.Struct):
            # Nodes are kept, so that the identity of one is not used again while its values are known.
            known = self._known.get(id(node))
            if known is None:
                known = self._known[id(node)] = (node, self._fields(node))
            return known[1]
        if isinstance(node, timedelta):
            return render_duration(node)
        if isinstance(node, tuple | list):
            return tuple(map(self.plain, node))
        return Held("secret", (node,)) if isinstance(node, Sensitive) else node

    def held(self, name: str) -> Plain:
        """What a secret of this name holds; empty without a name."""
        found = self._secrets.get(name)
        return describe_secret(found) if found is not None else Held("a missing secret", ()) if name else ""

    def _fields(self, node: msgspec.Struct) -> dict[str, Plain]:
        kind = type(node).__name__
        if kind not in _DEFAULTS:
            given = [one for one in msgspec.structs.fields(node) if one.default is not msgspec.NODEFAULT]
            _DEFAULTS[kind] = {one.name: self.plain(one.default) for one in given}
        found: dict[str, Plain] = {"type": kind}
        for name in node.__struct_fields__:
            value, field = getattr(node, name), f"{kind}.{name}"
            if isinstance(value, Origin) or field in NAMES:
                continue
            if field == "BackendTarget.backend" and value in self.backends:
                value = self.parts(value)
            elif field in BACKENDS:
                value = tuple(map(self.reach, value)) if isinstance(value, tuple) else value and self.reach(value)
            elif field in SECRETS:
                value = tuple(map(self.held, value)) if isinstance(value, tuple) else self.held(value)
            elif field == "Continue.stage":
                value = self.plain(self._stages[value].routes) if value in self._stages else ()
            elif field in PROVIDERS:
                value = bool(value)
            else:
                value = self.plain(value)
            found[name] = tuple(sorted(value, key=_order)) if field in UNORDERED else value
        return found


def reach(backend: Backend) -> str:
    """What a backend reaches: the Service it is, in a cluster's own words too, or its addresses."""
    if backend.dynamic:
        return "the host of the request"
    ends = [end for group in backend.groups for end in group.endpoints]
    if backend.origin.kind == "Service" or not ends:
        place = f"{backend.service}.{backend.namespace or 'default'}"
        return f"{place}:{backend.port}" if backend.port else place
    return ", ".join(dict.fromkeys(map(_address, ends)))


def own_endpoints(backend: Backend) -> tuple[Plain, ...] | None:
    """The addresses behind a backend that is called otherwise; None where its addresses are not known here."""
    ends = [end for group in backend.groups for end in group.endpoints]
    if not ends or backend.origin.kind != "Service":
        return None
    return tuple(
        (group.priority, group.weight, group.zone, tuple(sorted(map(_address, group.endpoints))))
        for group in backend.groups
    )


def is_looked_up(backend: Backend) -> bool:
    """Whether the backend's addresses are names that are resolved."""
    return any(not _is_literal(end) for group in backend.groups for end in group.endpoints)


def describe_secret(secret: Secret) -> Plain:
    """What a secret holds, to be compared; files are told by their paths."""
    if isinstance(secret, CertificateFiles):
        return f"the files {secret.chain_path} and {secret.key_path}"
    if isinstance(secret, SocketSecret):
        return f"{secret.secret} at {secret.socket}"
    if isinstance(secret, AuthoritiesFile):
        return f"the file {secret.path}"
    held = (getattr(secret, name) for name in secret.__struct_fields__ if name not in ("origin", "name"))
    kind = type(secret).__name__
    return Held({"Certificate": "a certificate", "Authorities": "authorities"}.get(kind, "a secret"), tuple(held))


def render_value(value: Plain) -> str:
    """A plain value in words; fields that say nothing are left out."""
    if value is None or value == "" or value == ():
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Held):
        return value.kind
    if isinstance(value, dict):
        usual = _DEFAULTS.get(value.get("type", ""), {})
        said = [
            (name.replace("_", " "), one) for name, one in value.items() if name != "type" and one != usual.get(name)
        ]
        parts = [name if one is True else f"{name} {render_value(one)}" for name, one in said]
        return ", ".join(parts) or "as it is by default"
    if isinstance(value, tuple):
        return " ".join(f"({text})" if ", " in text else text for text in map(render_value, value))
    if isinstance(value, str) and not value.isprintable():
        # Pages and scripts have lines of their own.
        return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}...")
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _address(end: Endpoint) -> str:
    if end.unix:
        return end.unix
    within = _IN_CLUSTER.fullmatch(end.host.rstrip("."))
    return f"{within['service'] if within else end.host.rstrip('.')}:{end.port}".lower()


def _is_literal(end: Endpoint) -> bool:
    if end.unix:
        return True
    try:
        ip_address(end.host)
    except ValueError:
        return False
    return True


def _order(value: Plain) -> str:
    return str(hash(value)) if isinstance(value, Held) else repr(value)
