"""The diagnostics about what routes, backends and policies ask for; each page is shown by `anygate rule ID`."""

from anygate.diagnostics import Rule, Severity
from anygate.dialects.envoy_ai.examples import (
    AROUND,
    BACKEND,
    POLICY,
    POOL,
    REF,
    ROUTE,
    RULES_TEXT,
    TLS,
    render_backend,
    render_object,
    render_route,
)

_PARENT = "parentRefs: [{name: web}]"
_ELSEWHERE = "rules: [{backendRefs: [{name: openai, namespace: shared}]}]"
_SHARED = (
    BACKEND.replace("metadata: {name: openai}", "metadata: {name: openai, namespace: shared}")
    + "    ---"
    + render_object("AIGatewayRoute", "chat", f"{{{_PARENT}, {_ELSEWHERE}}}")
)
_LIMIT = """
    apiVersion: gateway.envoyproxy.io/v1alpha1
    kind: ClientTrafficPolicy
    metadata: {name: buffer}
    spec:
      targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
      connection: {bufferLimit: 50Mi}
"""

BACKEND_NOT_FOUND = Rule(
    "ai-backend-not-found",
    Severity.ERROR,
    what="A route names an AIServiceBackend or an InferencePool that no manifest defines.",
    why="Requests go to the rule's other backends; when it has none, they are answered with 503.",
    wrong=render_route(f"{{{_PARENT}, rules: [{{backendRefs: [{{name: openia}}]}}]}}"),
    right=ROUTE,
)

REF_NOT_PERMITTED = Rule(
    "ai-ref-not-permitted",
    Severity.ERROR,
    what="A reference crosses namespaces and no ReferenceGrant in the target's namespace allows it.",
    why="Without the grant the owner of the target has not agreed; nothing is sent there and no key is read.",
    wrong=_SHARED,
    right=_SHARED
    + """
    ---
    apiVersion: gateway.networking.k8s.io/v1beta1
    kind: ReferenceGrant
    metadata: {name: chat, namespace: shared}
    spec:
      from: [{group: aigateway.envoyproxy.io, kind: AIGatewayRoute, namespace: default}]
      to: [{group: aigateway.envoyproxy.io, kind: AIServiceBackend}]
""",
)

BACKEND_UNUSABLE = Rule(
    "ai-backend-unusable",
    Severity.ERROR,
    what="A route names a backend that exists and cannot be used, because its credential cannot be had.",
    why="A request must not reach a provider without the credential that was asked for.",
    wrong=ROUTE + "    ---" + POLICY.replace("name: openai}}}", "name: opnai}}}"),
    right=ROUTE + "    ---" + POLICY,
)

CREDENTIAL_NOT_FOUND = Rule(
    "ai-credential-not-found",
    Severity.ERROR,
    what="A BackendSecurityPolicy names a Secret, or a key of one, that no manifest defines.",
    why="Its backends answer 503: a request must not reach a provider without its credential.",
    wrong=BACKEND + "    ---" + POLICY.replace("name: openai}}}", "name: opnai}}}"),
    right=BACKEND + "    ---" + POLICY,
)

POLICY_NOT_FOUND = Rule(
    "ai-policy-not-found",
    Severity.ERROR,
    what="An AIServiceBackend names a BackendSecurityPolicy that no manifest defines, or one that is not valid.",
    why="The backend answers 503: a request must not reach a provider without its credential.",
    wrong=render_backend(
        f"{{schema: {{name: OpenAI}}, {REF}, backendSecurityPolicyRef: "
        "{group: aigateway.envoyproxy.io, kind: BackendSecurityPolicy, name: kye}}"
    )
    + "    ---"
    + POLICY,
    right=BACKEND + "    ---" + POLICY,
)

POLICY_TARGET_NOT_FOUND = Rule(
    "ai-policy-target-not-found",
    Severity.WARNING,
    what="A BackendSecurityPolicy is for an AIServiceBackend or an InferencePool that no manifest defines.",
    why="The credential is used nowhere; the backend that was meant may be reached without one.",
    wrong=BACKEND + "    ---" + POLICY.replace("AIServiceBackend, name: openai", "AIServiceBackend, name: opnai"),
    right=BACKEND + "    ---" + POLICY,
)

NAME_TAKEN = Rule(
    "ai-route-name-taken",
    Severity.ERROR,
    what="An AIGatewayRoute and an HTTPRoute have the same name.",
    why="The AIGatewayRoute becomes an HTTPRoute of its name, and there can be only one; the one written is served.",
    wrong=ROUTE
    + """
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: chat}
    spec: {parentRefs: [{name: web}]}
""",
    right=ROUTE
    + """
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop}
    spec: {parentRefs: [{name: web}]}
""",
)

COST_INVALID = Rule(
    "ai-cost-invalid",
    Severity.ERROR,
    what="The CEL expression of a cost cannot be evaluated, or its result is not a number from zero up.",
    why="""
        Nothing would be counted under its key. Expressions may use model, backend, route_name, input_tokens,
        cached_input_tokens, cache_creation_input_tokens, output_tokens, total_tokens and reasoning_tokens.
    """,
    wrong=render_route(
        f"{{{_PARENT}, {RULES_TEXT}, llmRequestCosts: [{{metadataKey: cost, type: CEL, cel: input_token * 2}}]}}"
    ),
    right=render_route(
        f"{{{_PARENT}, {RULES_TEXT}, llmRequestCosts: [{{metadataKey: cost, type: CEL, cel: input_tokens * 2}}]}}"
    ),
)

COST_COERCED = Rule(
    "ai-cost-coerced",
    Severity.NOTE,
    what="The CEL expression of a cost works here and not in a cluster, whose token counts are unsigned integers.",
    why="CEL has no arithmetic between unsigned integers and other numbers; here they are all made doubles first.",
    wrong=render_route(
        f"{{{_PARENT}, {RULES_TEXT}, llmRequestCosts: [{{metadataKey: cost, type: CEL, cel: output_tokens * 1.25}}]}}"
    ),
    right=render_route(
        f"{{{_PARENT}, {RULES_TEXT}, "
        "llmRequestCosts: [{metadataKey: cost, type: CEL, cel: uint(double(output_tokens) * 1.25)}]}"
    ),
)

NOT_HONOURED = Rule(
    "ai-not-honoured",
    Severity.WARNING,
    what="A field is valid and has no effect here.",
    why="It is named so that nothing is left out in silence.",
    wrong=render_object("GatewayConfig", "web", "{extProc: {metadataForwardingNamespaces: [mine]}}", "v1beta1"),
    right=render_object("GatewayConfig", "web", "{globalLLMRequestCosts: [{metadataKey: all, type: TotalToken}]}"),
)

NO_PICKER = Rule(
    "ai-no-picker",
    Severity.NOTE,
    what="A route goes to an InferencePool, whose endpoint picker is not asked here.",
    why="Outside a cluster there is none; requests are balanced over the pool's endpoints in the manifests.",
    wrong=render_route(
        f"{{{_PARENT}, rules: [{{backendRefs: "
        "[{group: inference.networking.k8s.io, kind: InferencePool, name: llama}]}]}"
    )
    + "    ---"
    + POOL,
    right=ROUTE,
)

ENDPOINT_LEFT_OUT = Rule(
    "ai-endpoint-left-out",
    Severity.NOTE,
    what="Of the backends of one rule some cannot serve an endpoint that others can.",
    why="Requests for that endpoint go to the others only, so that shares and priorities differ between endpoints.",
    wrong=AROUND
    + render_object("AIServiceBackend", "openai", f"{{schema: {{name: OpenAI}}, {REF}}}")
    + "    ---"
    + render_object("AIServiceBackend", "anthropic", f"{{schema: {{name: Anthropic}}, {REF}}}")
    + "    ---"
    + render_object(
        "AIGatewayRoute", "chat", f"{{{_PARENT}, rules: [{{backendRefs: [{{name: openai}}, {{name: anthropic}}]}}]}}"
    ),
    right=ROUTE,
)

MODEL_HEADER_MISSED = Rule(
    "ai-model-header",
    Severity.WARNING,
    what="A rule matches on a header that is like `x-ai-eg-model` and is not it.",
    why="The model of a request stands in `x-ai-eg-model` while it is routed; clients send no such header.",
    wrong=render_route(
        f"{{{_PARENT}, rules: [{{matches: [{{headers: [{{name: x-model, value: gpt-4o}}]}}], "
        "backendRefs: [{name: openai}]}]}"
    ),
    right=render_route(
        f"{{{_PARENT}, rules: [{{matches: [{{headers: [{{name: x-ai-eg-model, value: gpt-4o}}]}}], "
        "backendRefs: [{name: openai}]}]}"
    ),
)

NO_PARENT = Rule(
    "ai-no-parent",
    Severity.WARNING,
    what="An AIGatewayRoute names no Gateway.",
    why="It is valid and serves nothing: every model that only it has is answered with 404.",
    wrong=render_route(f"{{{RULES_TEXT}}}"),
    right=ROUTE,
)

NO_TLS = Rule(
    "ai-no-tls",
    Severity.WARNING,
    what="Requests for an AIServiceBackend go to port 443 without TLS.",
    why="Providers refuse them, and by then the key has travelled in the clear.",
    wrong=ROUTE.replace(TLS, ""),
    right=ROUTE,
)

BUFFER_LIMIT = Rule(
    "ai-buffer-limit",
    Severity.NOTE,
    what="A Gateway serves AI routes and no ClientTrafficPolicy sets its buffer limit.",
    why="""
        A request is held until its model is known. Here 50Mi may be held; a cluster's default of 32Ki answers longer
        requests with 413.
    """,
    wrong=ROUTE,
    right=ROUTE + "    ---" + _LIMIT,
)

BUFFER_SMALL = Rule(
    "ai-buffer-small",
    Severity.WARNING,
    what="A Gateway serves AI routes and a ClientTrafficPolicy sets its buffer limit below 1Mi.",
    why="A request is held until its model is known; those with an image or a long history are answered with 413.",
    wrong=ROUTE + "    ---" + _LIMIT.replace("50Mi", "64Ki"),
    right=ROUTE + "    ---" + _LIMIT,
)

STREAM_TIMEOUT = Rule(
    "ai-stream-timeout",
    Severity.NOTE,
    what="A rule says nothing about how long a request may take.",
    why="""
        Here an answer has to begin within 60s and may then take its time; a cluster ends it after 60s, in the middle
        of a stream too.
    """,
    wrong=ROUTE,
    right=render_route(f"{{{_PARENT}, rules: [{{backendRefs: [{{name: openai}}], timeouts: {{request: 300s}}}}]}}"),
)
