"""SecurityPolicy: CORS, authentication and authorization of requests.

What a policy asks for and cannot be had exactly makes the requests it should protect fail: nothing is let
through because a Secret is missing or a field is not supported.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from anygate.diagnostics import FieldPath
from anygate.dialects.gateway_api.backends import Backends
from anygate.dialects.gateway_api.context import Context, Fault, origin
from anygate.dialects.gateway_api.findings import UNSUPPORTED
from anygate.dialects.gateway_api.kinds.envoy_gateway.authentication import CORS, APIKeyAuth
from anygate.dialects.gateway_api.kinds.envoy_gateway.authorization import AuthorizationRule as RuleKind
from anygate.dialects.gateway_api.kinds.envoy_gateway.authorization import Principal as PrincipalKind
from anygate.dialects.gateway_api.kinds.envoy_gateway.securitypolicy import SecurityPolicySpec
from anygate.dialects.gateway_api.oidc import read_oidc
from anygate.dialects.gateway_api.security_refs import (
    find_unread_service_fields,
    read_jwt,
    read_opaque,
    read_service,
    serialise_keys,
)
from anygate.manifests.object import Manifest
from anygate.model.origin import Origin
from anygate.model.security import (
    ApiKeyAuth,
    Authorization,
    AuthorizationRule,
    BasicAuth,
    ClaimMatch,
    Cors,
    ExtAuth,
    Principal,
    Security,
)

T = TypeVar("T")


@dataclass(frozen=True)
class SecurityEffect:
    """What a policy puts in front of the rules it holds for."""

    security: Security | None
    cors: Cors | None


class PolicyProblem(Exception):  # noqa: N818 - it stands for a finding, not for a failure
    """A part of a policy cannot be had; `path` is the field and `fault` says why."""

    def __init__(self, path: FieldPath, fault: Fault) -> None:
        super().__init__(fault.message)
        self.path = path
        self.fault = fault


def read_security(context: Context, backends: Backends, manifest: Manifest, spec: SecurityPolicySpec) -> SecurityEffect:
    """Read a policy, already merged with those it is to be merged with; raises PolicyProblem."""
    here = origin(manifest, ("spec",))
    security = Security(
        origin=here,
        basic=_read_basic(context, manifest, spec),
        api_key=_read_api_key(context, manifest, spec.api_key_auth) if spec.api_key_auth else None,
        jwt=_need(read_jwt(context, backends, manifest, spec.jwt), ("spec", "jwt")) if spec.jwt else None,
        oidc=_need(read_oidc(context, backends, manifest, spec.oidc), ("spec", "oidc")) if spec.oidc else None,
        ext_auth=_read_ext_auth(context, backends, manifest, spec),
        authorization=_read_authorization(manifest, spec),
    )
    empty = security == Security(origin=here)
    cors = _read_cors(spec.cors, origin(manifest, ("spec", "cors"))) if spec.cors else None
    return SecurityEffect(None if empty else security, cors)


def _need(found: T | Fault, path: FieldPath) -> T:
    """The value, or PolicyProblem."""
    if isinstance(found, Fault):
        raise PolicyProblem(path, found)
    return found


def _read_cors(found: CORS, here: Origin) -> Cors:
    return Cors(
        origin=here,
        allow_origins=tuple(found.allow_origins or ()),
        allow_methods=tuple(found.allow_methods or ()),
        allow_headers=tuple(found.allow_headers),
        expose_headers=tuple(found.expose_headers),
        max_age=found.max_age,
        allow_credentials=bool(found.allow_credentials),
    )


def _read_basic(context: Context, manifest: Manifest, spec: SecurityPolicySpec) -> BasicAuth | None:
    if spec.basic_auth is None:
        return None
    path: FieldPath = ("spec", "basicAuth", "users")
    name = _need(read_opaque(context, manifest, spec.basic_auth.users, ".htpasswd"), path)
    return BasicAuth(
        origin=origin(manifest, ("spec", "basicAuth")),
        secret=name,
        forward_header=spec.basic_auth.forward_username_header or "",
    )


def _read_api_key(context: Context, manifest: Manifest, found: APIKeyAuth) -> ApiKeyAuth:
    names = tuple(
        _need(serialise_keys(context, manifest, reference), ("spec", "apiKeyAuth", "credentialRefs", number))
        for number, reference in enumerate(found.credential_refs)
    )
    sources = found.extract_from
    return ApiKeyAuth(
        origin=origin(manifest, ("spec", "apiKeyAuth")),
        secrets=names,
        headers=tuple(name for one in sources for name in one.headers or ()),
        query=tuple(name for one in sources for name in one.params or ()),
        cookies=tuple(name for one in sources for name in one.cookies or ()),
        forward_header=found.forward_client_id_header or "",
        sanitize=found.sanitize,
    )


def _read_ext_auth(
    context: Context, backends: Backends, manifest: Manifest, spec: SecurityPolicySpec
) -> ExtAuth | None:
    found = spec.ext_auth
    if found is None:
        return None
    path: FieldPath = ("spec", "extAuth")
    service = found.grpc or found.http
    assert service is not None
    protocol = "http2" if found.grpc else ""
    backend = _need(read_service(context, backends, manifest, service, protocol), path)
    if found.http is not None and found.http.path_override:
        raise PolicyProblem(
            (*path, "http", "pathOverride"),
            Fault(UNSUPPORTED, "UnsupportedValue", "pathOverride is not supported"),
        )
    return ExtAuth(
        origin=origin(manifest, path),
        protocol="grpc" if found.grpc else "http",
        backend=backend,
        path=(found.http.path or "") if found.http else "",
        headers_to_service=tuple(found.headers_to_ext_auth),
        headers_to_backend=tuple(found.http.headers_to_backend) if found.http else (),
        body_limit=found.body_to_ext_auth.max_request_bytes if found.body_to_ext_auth else 0,
        fail_open=found.fail_open,
        timeout=found.timeout,
    )


def _read_authorization(manifest: Manifest, spec: SecurityPolicySpec) -> Authorization | None:
    found = spec.authorization
    if found is None:
        return None
    return Authorization(
        origin=origin(manifest, ("spec", "authorization")),
        rules=tuple(_read_rule(manifest, rule, number) for number, rule in enumerate(found.rules)),
        allow_by_default=found.default_action == "Allow",
    )


def _read_rule(manifest: Manifest, rule: RuleKind, number: int) -> AuthorizationRule:
    path: FieldPath = ("spec", "authorization", "rules", number)
    if rule.principal.client_ip_geo_locations:
        fault = Fault(UNSUPPORTED, "UnsupportedValue", "there is no geographic database here")
        raise PolicyProblem((*path, "principal", "clientIPGeoLocations"), fault)
    return AuthorizationRule(
        origin=origin(manifest, path),
        name=rule.name or str(number),
        allow=rule.action == "Allow",
        principal=_read_principal(rule.principal),
        methods=tuple(rule.operation.methods) if rule.operation else (),
    )


def _read_principal(found: PrincipalKind) -> Principal:
    jwt = found.jwt
    return Principal(
        cidrs=tuple(found.client_cidrs or ()),
        jwt_provider=jwt.provider if jwt else "",
        jwt_scopes=tuple(jwt.scopes or ()) if jwt else (),
        jwt_claims=tuple(
            ClaimMatch(name=one.name, values=tuple(one.values), is_list=one.value_type == "StringArray")
            for one in (jwt.claims or ())
        )
        if jwt
        else (),
        headers=tuple((one.name.lower(), tuple(one.values)) for one in found.headers or ()),
    )


def find_unread_security_fields(spec: SecurityPolicySpec) -> Iterator[tuple[FieldPath, str]]:
    """Fields that have no effect here and whose absence opens nothing, each with a sentence."""
    auth = spec.ext_auth
    if auth is not None:
        for name, value in (
            ("recomputeRoute", auth.recompute_route),
            ("includeRouteMetadata", auth.include_route_metadata),
            ("contextExtensions", auth.context_extensions),
            ("statusOnError", auth.status_on_error),
        ):
            if value:
                yield ("spec", "extAuth", name), f"{name} has no effect here"
        for name, service in (("grpc", auth.grpc), ("http", auth.http)):
            if service is not None:
                yield from find_unread_service_fields(service, ("spec", "extAuth", name))
    for number, provider in enumerate(spec.jwt.providers if spec.jwt else ()):
        if provider.remote_jwks is not None:
            path = ("spec", "jwt", "providers", number, "remoteJWKS")
            yield from find_unread_service_fields(provider.remote_jwks, path)
    oidc = spec.oidc
    if oidc is not None:
        yield from find_unread_service_fields(oidc.provider, ("spec", "oidc", "provider"))
    if oidc is not None and oidc.forward_id_token is not None:
        yield ("spec", "oidc", "forwardIDToken"), "forwardIDToken has no effect here"
