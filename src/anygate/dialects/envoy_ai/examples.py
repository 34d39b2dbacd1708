"""Manifests that the examples of this dialect's rules are made of."""

GROUP = "aigateway.envoyproxy.io"

TLS = """
      tls: {wellKnownCACertificates: System}"""

AROUND = f"""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {{name: web}}
    spec:
      gatewayClassName: envoy
      listeners:
      - {{name: http, port: 80, protocol: HTTP}}
    ---
    apiVersion: gateway.envoyproxy.io/v1alpha1
    kind: Backend
    metadata: {{name: openai}}
    spec:
      endpoints:
      - fqdn: {{hostname: api.openai.com, port: 443}}{TLS}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {{name: openai}}
    stringData: {{apiKey: abc}}
    ---
    apiVersion: v1
    kind: Service
    metadata: {{name: picker}}
    spec:
      ports: [{{port: 9002}}]
    ---"""


def render_object(kind: str, name: str, spec: str, version: str = "v1alpha1") -> str:
    """An object of this dialect as YAML."""
    return f"""
    apiVersion: {GROUP}/{version}
    kind: {kind}
    metadata: {{name: {name}}}
    spec: {spec}
"""


def render_route(spec: str, version: str = "v1alpha1") -> str:
    """A route, and the Gateway and the backend that it may name."""
    return BACKEND + "    ---" + render_object("AIGatewayRoute", "chat", spec, version)


def render_backend(spec: str) -> str:
    """A backend called openai, and what it may refer to."""
    return AROUND + render_object("AIServiceBackend", "openai", spec)


REF = "backendRef: {group: gateway.envoyproxy.io, kind: Backend, name: openai}"
NAMED_POLICY = f"backendSecurityPolicyRef: {{group: {GROUP}, kind: BackendSecurityPolicy, name: key}}"
RULES_TEXT = "rules: [{backendRefs: [{name: openai}]}]"
BACKEND = render_backend(f"{{schema: {{name: OpenAI}}, {REF}}}")
ROUTE = render_route(f"{{parentRefs: [{{name: web}}], {RULES_TEXT}}}")
KEY = "type: APIKey, apiKey: {secretRef: {name: openai}}"
TARGET = "targetRefs: [{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: openai}]"
POLICY = render_object("BackendSecurityPolicy", "key", f"{{{TARGET}, {KEY}}}")
POOL = """
    apiVersion: inference.networking.k8s.io/v1
    kind: InferencePool
    metadata: {name: llama}
    spec:
      selector: {matchLabels: {app: llama}}
      targetPorts: [{number: 8000}]
      endpointPickerRef: {name: picker, port: {number: 9002}}
"""
OLD_POOL = """
    apiVersion: inference.networking.x-k8s.io/v1alpha2
    kind: InferencePool
    metadata: {name: llama}
    spec:
      selector: {app: llama}
      targetPortNumber: 8000
      extensionRef: {name: picker}
"""
