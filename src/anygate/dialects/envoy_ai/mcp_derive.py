"""MCPRoute to HTTPRoute and SecurityPolicy, so that the Gateway API's dialect finds its parents, backends and guards.

The HTTPRoute has one rule whose backends are the MCP servers; `mcp_refine` turns it into an MCP endpoint afterwards.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from anygate.diagnostics import FieldPath, ObjectRef, Span
from anygate.dialects.derived import (
    DerivedBackendRef,
    DerivedManifest,
    DerivedMatch,
    DerivedPath,
    DerivedRoute,
    DerivedRouteSpec,
    DerivedRule,
    LostReference,
)
from anygate.dialects.envoy_ai.context import Context
from anygate.dialects.envoy_ai.kinds.mcproute import MCPRoute, MCPRouteBackendRef
from anygate.dialects.envoy_ai.mcp_findings import BACKEND_ELSEWHERE
from anygate.dialects.envoy_ai.mcp_servers import Servers, read_servers
from anygate.manifests.envoy_gateway.jwt import JWT, JWTProvider
from anygate.manifests.kind import Kind, Node
from anygate.manifests.object import Manifest
from anygate.manifests.references import (
    ENVOY_GATEWAY_GROUP,
    GATEWAY_API_GROUP,
    LocalPolicyTargetReferenceWithSectionName,
)

PROVIDER = "mcp-oauth"
"""The name of the token provider of an MCP route's own."""


class DerivedPolicySpec(Node):
    """A SecurityPolicy's fields, all but its targets optional."""

    target_ref: Any = None
    target_refs: tuple[Any, ...] = ()
    target_selectors: tuple[Any, ...] = ()
    merge_type: str | None = None
    api_key_auth: Any = None
    cors: Any = None
    basic_auth: Any = None
    jwt: Any = None
    oidc: Any = None
    ext_auth: Any = None
    authorization: Any = None


class DerivedPolicy(Kind):
    """A SecurityPolicy for the HTTPRoute that an MCP route becomes."""

    GROUP: ClassVar[str] = ENVOY_GATEWAY_GROUP
    KIND: ClassVar[str] = "SecurityPolicy"

    spec: DerivedPolicySpec


@dataclass(frozen=True, slots=True, eq=False)
class McpManifest(DerivedManifest):
    """An object that an MCP route becomes; a place in it is shown where the MCP route says the same."""

    def span(self, path: FieldPath = ()) -> Span:
        """Where the value at `path` stands in the MCP route."""
        return self.tree.span(self.written_path(path))

    def start(self, path: FieldPath = ()) -> tuple[int, int]:
        """Line and column where `span` starts."""
        return self.tree.start(self.written_path(path))

    def written_path(self, path: FieldPath) -> FieldPath:
        """The field of the MCP route that says what a field of this object does."""
        return _written_path(path)


class McpPlan(NamedTuple):
    """An MCP route, what it becomes, and what is known of its servers."""

    source: MCPRoute
    route: DerivedRoute
    policy: DerivedPolicy | None
    servers: Servers


def derive_mcp_routes(context: Context) -> dict[str, McpPlan]:
    """Every MCP route by the name that its HTTPRoute has in the model. No object can have a name with a slash."""
    plans = {}
    for source in context.index.every(MCPRoute):
        _check_parents(context, source)
        servers = read_servers(context, source)
        plan = McpPlan(source, _derive_route(source), _derive_policy(source), servers)
        plans[f"{source.namespace}/{_name(source)}"] = plan
    return plans


def _name(source: MCPRoute) -> str:
    return f"mcp/{source.name}"


def _check_parents(context: Context, source: MCPRoute) -> None:
    """Note a parent that is not there; it is reported where the route is attached."""
    for parent in source.spec.parent_refs:
        ref = ObjectRef(GATEWAY_API_GROUP, "Gateway", parent.namespace or source.namespace, parent.name)
        if context.index.get(*ref) is None:
            text = f"failed to sync gw pods: gateway {ref.namespace}/{ref.name} not found"
            context.conditions.refuse(source.ref, text)


def _derive_route(source: MCPRoute) -> DerivedRoute:
    spec = source.spec
    match = DerivedMatch.model_construct(
        path=DerivedPath.model_construct(type="Exact", value=spec.path), headers=tuple(spec.headers)
    )
    references = tuple(_refer(source, one) for one in spec.backend_refs)
    rule = DerivedRule.model_construct(matches=(match,), backend_refs=references)
    derived = DerivedRouteSpec.model_construct(parent_refs=spec.parent_refs, hostnames=spec.hostnames, rules=(rule,))
    made = DerivedRoute.model_construct(kind="HTTPRoute", metadata=source.metadata, spec=derived)
    return made.attach(_derive_manifest(source.manifest, GATEWAY_API_GROUP, "HTTPRoute", _name(source)))


def _refer(source: MCPRoute, reference: MCPRouteBackendRef) -> DerivedBackendRef:
    lost = None
    if (reference.namespace or source.namespace) != source.namespace:
        text = f"{reference.kind}/{reference.namespace}/{reference.name} is in another namespace"
        lost = LostReference(BACKEND_ELSEWHERE, text)
    return DerivedBackendRef.model_construct(
        group=reference.group,
        kind=reference.kind,
        name=reference.name,
        port=reference.port,
        owner=source.ref,
        lost=lost,
    )


def _derive_policy(source: MCPRoute) -> DerivedPolicy | None:
    """The SecurityPolicy; None when the route asks for nothing that one could give."""
    wanted = source.spec.security_policy
    if wanted is None or (wanted.oauth is None and wanted.api_key_auth is None and wanted.ext_auth is None):
        return None
    target = LocalPolicyTargetReferenceWithSectionName.model_construct(
        group=GATEWAY_API_GROUP, kind="HTTPRoute", name=_name(source)
    )
    spec = DerivedPolicySpec.model_construct(
        target_refs=(target,),
        merge_type=wanted.merge_type,
        api_key_auth=wanted.api_key_auth,
        ext_auth=wanted.ext_auth,
        jwt=_derive_jwt(source),
    )
    made = DerivedPolicy.model_construct(kind="SecurityPolicy", metadata=source.metadata, spec=spec)
    manifest = _derive_manifest(
        source.manifest, ENVOY_GATEWAY_GROUP, "SecurityPolicy", _name(source), _raw_policy(source)
    )
    return made.attach(manifest)


def _derive_jwt(source: MCPRoute) -> JWT | None:
    """The check of tokens; none without keys, which closes the route (`mcp_refine`)."""
    oauth = source.spec.security_policy.oauth if source.spec.security_policy else None
    if oauth is None or oauth.jwks is None:
        return None
    provider = JWTProvider.model_construct(
        name=PROVIDER,
        issuer=oauth.issuer,
        audiences=oauth.audiences,
        remote_jwks=oauth.jwks.remote_jwks,
        local_jwks=oauth.jwks.local_jwks,
        claim_to_headers=oauth.claim_to_headers,
    )
    return JWT.model_construct(providers=(provider,))


def _raw_policy(source: MCPRoute) -> dict[str, Any]:
    """The policy as somebody would have written it, for being merged with one of the Gateway."""
    written: dict[str, Any] = source.manifest.value["spec"]["securityPolicy"]
    raw: dict[str, Any] = {key: written[key] for key in ("apiKeyAuth", "extAuth", "mergeType") if key in written}
    oauth = written.get("oauth")
    if oauth:
        kept = {key: oauth[key] for key in ("issuer", "audiences", "claimToHeaders") if key in oauth}
        raw["jwt"] = {"providers": [{"name": PROVIDER, **kept, **(oauth.get("jwks") or {})}]}
    # The HTTPRoute's own name is none that anybody could write, and of no use once the policy has found its target.
    raw["targetRefs"] = [{"group": GATEWAY_API_GROUP, "kind": "HTTPRoute", "name": source.name}]
    return raw


def _derive_manifest(
    written: Manifest, group: str, kind: str, name: str, spec: dict[str, Any] | None = None
) -> McpManifest:
    value = written.value if spec is None else {**written.value, "spec": spec}
    ref = ObjectRef(group, kind, written.namespace, name)
    version = "v1" if group == GATEWAY_API_GROUP else "v1alpha1"
    return McpManifest(f"{group}/{version}", ref, value, written.tree, source=written.ref)


def _written_path(path: FieldPath) -> FieldPath:
    """A field of the HTTPRoute or of the policy as one of the MCP route."""
    match path:
        case ("spec", "rules", _, "matches", _, "headers", *rest):
            return ("spec", "headers", *rest)
        case ("spec", "rules", _, "matches", *_):
            return ("spec", "path")
        case ("spec", "rules", _, *rest):
            return ("spec", *rest)
        case ("spec", "jwt", "providers", _, "remoteJWKS" | "localJWKS" as keys, *rest):
            return ("spec", "securityPolicy", "oauth", "jwks", keys, *rest)
        case ("spec", "jwt", *_):
            return ("spec", "securityPolicy", "oauth")
        case ("spec", "apiKeyAuth" | "extAuth" as part, *rest):
            return ("spec", "securityPolicy", part, *rest)
    return path
