"""The diagnostics of this dialect that more than one pass raises; each page is shown by `anygate rule ID`."""

from anygate.diagnostics import Rule, Severity

_GATEWAY = """
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec:
      gatewayClassName: envoy
      listeners:
      - {name: http, port: 80, protocol: HTTP}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop}
    spec:
      ports: [{port: 8080}]
    ---
"""


def _route(spec: str) -> str:
    return (
        _GATEWAY
        + f"""
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {{name: shop}}
    spec: {spec}
"""
    )


BACKEND_NOT_FOUND = Rule(
    "backend-not-found",
    Severity.ERROR,
    what="A route names a backend that no manifest defines, or a port that the backend does not have.",
    why="The rule's share of requests for that backend is answered with 500, as the Gateway API demands.",
    wrong=_route("{parentRefs: [{name: web}], rules: [{backendRefs: [{name: shpo, port: 8080}]}]}"),
    right=_route("{parentRefs: [{name: web}], rules: [{backendRefs: [{name: shop, port: 8080}]}]}"),
)

INVALID_KIND = Rule(
    "invalid-ref-kind",
    Severity.ERROR,
    what="A reference names a group and kind that cannot stand there.",
    why="The reference resolves to nothing; traffic for it is refused or answered with 500.",
    wrong=_route("{parentRefs: [{name: web}], rules: [{backendRefs: [{kind: Secret, name: shop}]}]}"),
    right=_route("{parentRefs: [{name: web}], rules: [{backendRefs: [{name: shop, port: 8080}]}]}"),
)

REF_NOT_PERMITTED = Rule(
    "ref-not-permitted",
    Severity.ERROR,
    what="A reference crosses namespaces and no ReferenceGrant in the target's namespace allows it.",
    why="Without the grant the owner of the target has not agreed; the reference counts as unresolved.",
    wrong=_route("{parentRefs: [{name: web}], rules: [{backendRefs: [{name: pay, namespace: bank, port: 80}]}]}"),
    right=_route("{parentRefs: [{name: web}], rules: [{backendRefs: [{name: pay, namespace: bank, port: 80}]}]}")
    + """
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: pay, namespace: bank}
    spec: {ports: [{port: 80}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: ReferenceGrant
    metadata: {name: shop, namespace: bank}
    spec:
      from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: default}]
      to: [{group: "", kind: Service}]
""",
)

PARENT_NOT_FOUND = Rule(
    "parent-not-found",
    Severity.ERROR,
    what="A route names a Gateway, or a listener of it, that does not exist.",
    why="The route is attached nowhere and serves no traffic.",
    wrong=_route("{parentRefs: [{name: wbe}], rules: [{backendRefs: [{name: shop, port: 8080}]}]}"),
    right=_route("{parentRefs: [{name: web}], rules: [{backendRefs: [{name: shop, port: 8080}]}]}"),
)

NOT_ALLOWED = Rule(
    "route-not-allowed",
    Severity.ERROR,
    what="Every listener that the route names refuses it by its `allowedRoutes`, for its kind or its namespace.",
    why="The route is attached nowhere and serves no traffic.",
    wrong=_GATEWAY
    + """
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop, namespace: elsewhere}
    spec: {parentRefs: [{name: web, namespace: default}]}
""",
    right=_route("{parentRefs: [{name: web}]}"),
)

NO_MATCHING_HOSTNAME = Rule(
    "no-matching-hostname",
    Severity.ERROR,
    what="None of the route's hostnames lies within the hostname of a listener it names.",
    why="The route is attached nowhere and serves no traffic.",
    wrong=_route("{parentRefs: [{name: web}], hostnames: [a.example.org]}").replace(
        "protocol: HTTP}", "protocol: HTTP, hostname: '*.example.com'}"
    ),
    right=_route("{parentRefs: [{name: web}], hostnames: [a.example.com]}").replace(
        "protocol: HTTP}", "protocol: HTTP, hostname: '*.example.com'}"
    ),
)

HOSTNAME_TAKEN = Rule(
    "hostname-taken",
    Severity.ERROR,
    what="An HTTPRoute and a GRPCRoute claim intersecting hostnames on one listener.",
    why="The Gateway API lets only the older of the two attach, so that requests are never split by accident.",
    wrong=_route("{parentRefs: [{name: web}], hostnames: [a.example.com]}")
    + """
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: GRPCRoute
    metadata: {name: calls}
    spec: {parentRefs: [{name: web}], hostnames: [a.example.com]}
""",
    right=_route("{parentRefs: [{name: web}], hostnames: [a.example.com]}")
    + """
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: GRPCRoute
    metadata: {name: calls}
    spec: {parentRefs: [{name: web}], hostnames: [grpc.example.com]}
""",
)

CERTIFICATE_INVALID = Rule(
    "certificate-invalid",
    Severity.ERROR,
    what="A certificate, key or authority that TLS needs is missing or cannot be read.",
    why="What depends on it is not served at all: TLS never degrades to something weaker.",
    wrong="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec:
      gatewayClassName: envoy
      listeners:
      - {name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: missing}]}}
""",
    right="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec:
      gatewayClassName: envoy
      listeners:
      - {name: http, port: 80, protocol: HTTP}
""",
)

LISTENER_CONFLICT = Rule(
    "listener-conflict",
    Severity.ERROR,
    what="Two listeners of a Gateway want one port in ways that exclude each other.",
    why="Envoy cannot tell their traffic apart; the later one is not served.",
    wrong="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec:
      gatewayClassName: envoy
      listeners:
      - {name: http, port: 80, protocol: HTTP}
      - {name: tcp, port: 80, protocol: TCP}
""",
    right="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec:
      gatewayClassName: envoy
      listeners:
      - {name: http, port: 80, protocol: HTTP}
      - {name: tcp, port: 81, protocol: TCP}
""",
)

UNSUPPORTED = Rule(
    "unsupported-value",
    Severity.ERROR,
    what="A value is valid for the API but cannot be honoured here.",
    why="Rather than doing something else, the object or rule is refused.",
    wrong="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec:
      gatewayClassName: envoy
      listeners:
      - {name: odd, port: 80, protocol: example.com/quux}
""",
    right="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec:
      gatewayClassName: envoy
      listeners:
      - {name: http, port: 80, protocol: HTTP}
""",
)

NOT_HONOURED = Rule(
    "not-honoured",
    Severity.WARNING,
    what="A field is accepted but has no effect here.",
    why="Nothing that a user wrote is dropped in silence.",
    wrong="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec:
      gatewayClassName: envoy
      addresses: [{type: Hostname, value: gw.example.com}]
      listeners:
      - {name: http, port: 80, protocol: HTTP}
""",
    right="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec:
      gatewayClassName: envoy
      listeners:
      - {name: http, port: 80, protocol: HTTP}
""",
)

POLICY_CONFLICT = Rule(
    "policy-conflict",
    Severity.ERROR,
    what="Two policies of one kind have the same target.",
    why="Only the older one holds (without creation times the first by name); the other has no effect.",
    wrong="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec: {gatewayClassName: envoy, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: gateway.envoyproxy.io/v1alpha1
    kind: ClientTrafficPolicy
    metadata: {name: one}
    spec:
      targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
      timeout: {http: {idleTimeout: 10s}}
    ---
    apiVersion: gateway.envoyproxy.io/v1alpha1
    kind: ClientTrafficPolicy
    metadata: {name: two}
    spec:
      targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
      timeout: {http: {idleTimeout: 20s}}
    """,
    right="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec: {gatewayClassName: envoy, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: gateway.envoyproxy.io/v1alpha1
    kind: ClientTrafficPolicy
    metadata: {name: one}
    spec:
      targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
      timeout: {http: {idleTimeout: 10s}}
    """,
)

POLICY_TARGET_NOT_FOUND = Rule(
    "policy-target-not-found",
    Severity.ERROR,
    what="A policy names a target that no manifest defines, or a kind that it cannot apply to.",
    why="The policy has no effect. For a security policy that may mean less protection than was meant.",
    wrong="""
    apiVersion: gateway.envoyproxy.io/v1alpha1
    kind: SecurityPolicy
    metadata: {name: cors}
    spec:
      targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: missing}]
      cors: {allowOrigins: ["https://example.com"]}
    """,
    right="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec: {gatewayClassName: envoy, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: gateway.envoyproxy.io/v1alpha1
    kind: SecurityPolicy
    metadata: {name: cors}
    spec:
      targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
      cors: {allowOrigins: ["https://example.com"]}
    """,
)
