"""The diagnostics about older shapes of this dialect's kinds; each page is shown by `anygate rule ID`."""

from anygate.diagnostics import Rule, Severity
from anygate.dialects.envoy_ai.examples import (
    AROUND,
    BACKEND,
    KEY,
    NAMED_POLICY,
    OLD_POOL,
    POLICY,
    POOL,
    REF,
    ROUTE,
    RULES_TEXT,
    render_backend,
    render_object,
    render_route,
)

TARGET_REFS = Rule(
    "ai-target-refs",
    Severity.WARNING,
    what="A route names its Gateways in `targetRefs`, which v0.4 removed; it is read as `parentRefs`.",
    why="A newer cluster ignores the field, and the route would be attached nowhere.",
    wrong=render_route(
        f"{{targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: web}}], {RULES_TEXT}}}",
    ),
    right=ROUTE,
)

ROUTE_SCHEMA = Rule(
    "ai-route-schema",
    Severity.WARNING,
    what="A route says which API its clients speak, in a field that v0.4 removed; it is ignored.",
    why="The path of a request tells which API it is of; every route takes all of them.",
    wrong=render_route(f"{{parentRefs: [{{name: web}}], schema: {{name: OpenAI}}, {RULES_TEXT}}}"),
    right=ROUTE,
)

FILTER_CONFIG = Rule(
    "ai-filter-config",
    Severity.WARNING,
    what="A route says how the AI filter runs, in a field that v0.6 removed; it is ignored.",
    why="Nothing here runs beside the Gateway that it could describe; newer clusters read GatewayConfig instead.",
    wrong=render_route(f"{{parentRefs: [{{name: web}}], filterConfig: {{type: ExternalProcessor}}, {RULES_TEXT}}}"),
    right=ROUTE,
)

TOO_MANY_RULES = Rule(
    "ai-too-many-rules",
    Severity.WARNING,
    what="A route has more than 15 rules.",
    why="They all work here, but a cluster refuses the route since v0.7, and ignored later changes to it before.",
    wrong=render_route(
        f"{{parentRefs: [{{name: web}}], rules: [{', '.join(['{backendRefs: [{name: openai}]}'] * 16)}]}}"
    ),
    right=ROUTE,
)

POOL_GROUP_RENAMED = Rule(
    "ai-pool-group",
    Severity.WARNING,
    what="An InferencePool, or a reference to one, is of the group `inference.networking.x-k8s.io`.",
    why="The kind moved to `inference.networking.k8s.io` with its v1; a newer cluster does not read the old one.",
    wrong=AROUND + OLD_POOL,
    right=AROUND + POOL,
)

POOL_SETTING_IGNORED = Rule(
    "ai-pool-setting-ignored",
    Severity.WARNING,
    what="A reference to an InferencePool sets a priority, a model name or edits of the request.",
    why="They are for AIServiceBackends; the pool's endpoint picker gets the request as it is.",
    wrong=render_route(
        "{parentRefs: [{name: web}], rules: [{backendRefs: [{group: inference.networking.k8s.io, "
        "kind: InferencePool, name: llama, modelNameOverride: llama-3}]}]}"
    )
    + "    ---"
    + POOL,
    right=render_route(
        "{parentRefs: [{name: web}], rules: [{backendRefs: [{group: inference.networking.k8s.io, "
        "kind: InferencePool, name: llama}]}]}"
    )
    + "    ---"
    + POOL,
)

POLICY_REF = Rule(
    "ai-policy-ref",
    Severity.WARNING,
    what="A backend names its BackendSecurityPolicy in a field that v0.4 removed; the policy gets it as a target.",
    why="A newer cluster ignores the field, and requests would go to the backend without a credential.",
    wrong=render_backend(f"{{schema: {{name: OpenAI}}, {REF}, {NAMED_POLICY}}}")
    + "    ---"
    + render_object("BackendSecurityPolicy", "key", f"{{{KEY}}}"),
    right=BACKEND + "    ---" + POLICY,
)

BACKEND_TIMEOUTS = Rule(
    "ai-backend-timeouts",
    Severity.WARNING,
    what="A backend has `timeouts`, which v0.3 removed; rules without their own that name it first take them.",
    why="A newer cluster ignores the field; timeouts belong to the rules of the routes.",
    wrong=render_backend(f"{{schema: {{name: OpenAI}}, {REF}, timeouts: {{request: 3m}}}}"),
    right=BACKEND,
)

SCHEMA_VERSION = Rule(
    "ai-schema-version",
    Severity.WARNING,
    what="A backend of schema OpenAI has a `version`: the path's prefix up to v0.5, ignored since.",
    why="""
        It is read as `prefix` if the object shows by other fields that it was written for a release before v0.4,
        and ignored otherwise, as a current cluster would.
    """,
    wrong=render_backend(f"{{schema: {{name: OpenAI, version: v1beta/openai}}, {REF}}}"),
    right=render_backend(f"{{schema: {{name: OpenAI, prefix: v1beta/openai}}, {REF}}}"),
)

SERVICE_BACKEND = Rule(
    "ai-service-backend",
    Severity.WARNING,
    what="An AIServiceBackend refers to a Service instead of a Backend.",
    why="It works here; a cluster refuses the object since v0.4.",
    wrong=render_backend("{schema: {name: OpenAI}, backendRef: {kind: Service, name: openai, port: 80}}"),
    right=BACKEND,
)

DEFAULT_CREDENTIALS = Rule(
    "ai-default-credentials",
    Severity.WARNING,
    what="A BackendSecurityPolicy of v1alpha1 has GCP credentials without a file or a federation.",
    why="They are the environment's default credentials, as in v1beta1; a cluster refuses the v1alpha1 object.",
    wrong=render_object(
        "BackendSecurityPolicy", "gcp", "{type: GCPCredentials, gcpCredentials: {projectName: shop, region: us-east1}}"
    ),
    right=render_object(
        "BackendSecurityPolicy",
        "gcp",
        "{type: GCPCredentials, gcpCredentials: {projectName: shop, region: us-east1}}",
        "v1beta1",
    ),
)

POLICY_CONFLICT = Rule(
    "ai-policy-conflict",
    Severity.ERROR,
    what="Several BackendSecurityPolicies are for one backend.",
    why="Which credential a request gets would be chance; none of the policies is accepted.",
    wrong=BACKEND + "    ---" + POLICY + "    ---" + POLICY.replace("name: key}", "name: spare}"),
    right=BACKEND + "    ---" + POLICY,
)

CONTAINER_IGNORED = Rule(
    "ai-container-ignored",
    Severity.NOTE,
    what="A GatewayConfig describes the container of the AI filter.",
    why="There is no such container here, so that its image, environment and resources have no meaning.",
    wrong=render_object(
        "GatewayConfig", "web", "{extProc: {kubernetes: {env: [{name: LOG_LEVEL, value: debug}]}}}", "v1beta1"
    ),
    right=render_object(
        "GatewayConfig", "web", "{globalLLMRequestCosts: [{metadataKey: all, type: TotalToken}]}", "v1beta1"
    ),
)
