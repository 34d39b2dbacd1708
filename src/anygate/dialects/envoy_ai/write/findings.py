"""What a conversion can lose of rules for models; each page is shown by `anygate rule ID`.

The examples are manifests to convert, and are tried by tests of their own.
"""

from anygate.diagnostics import Rule, Severity

_NANTIAN = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec: {gatewayClassName: nantian, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: chat}
spec:
  parentRefs: [{name: web}]
  rules:
  - matches: [{path: {value: PATH}}]
    backendRefs: [{group: gateway.nantian.dev, kind: AIService, name: gpt}]
---
apiVersion: gateway.nantian.dev/v1alpha1
kind: AIService
metadata: {name: gpt}
spec: {provider: openai, model: gpt-4o, auth: AUTH}
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {token: put-your-key-here}
"""

_NATIVE = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec: {gatewayClassName: envoy, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {name: chat}
spec: {parentRefs: [{name: web}], rules: [{backendRefs: [{name: gpt}]}]}
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIServiceBackend
metadata: {name: gpt}
spec: {schema: {name: SCHEMA}, backendRef: {group: gateway.envoyproxy.io, kind: Backend, name: gpt}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: gpt}
spec: {endpoints: [{fqdn: {hostname: api.example.com, port: 443}}]}
"""


def _nantian(auth: str = "{secret: key}", path: str = "/v1") -> str:
    return _NANTIAN.replace("AUTH", auth).replace("PATH", path)


def _native(schema: str = "OpenAI") -> str:
    return _NATIVE.replace("SCHEMA", schema)


MODEL_ROUTING = Rule(
    "convert-model-routing",
    Severity.ERROR,
    what="Where requests for a model go, or what else goes there, cannot be said in an AIGatewayRoute.",
    why="It takes requests at the paths of the AI APIs, and tells them apart by headers and by the model only.",
    wrong=_nantian(path="/chat"),
    right=_nantian(),
    external=True,
)

MODEL_PATHS = Rule(
    "convert-model-paths",
    Severity.WARNING,
    what="An AIGatewayRoute takes requests at the paths of all AI APIs, also where the source takes only some.",
    why="What was not found before goes to the model now. It also answers GET /v1/models with a list of its models.",
    wrong=_nantian(),
    right=_native(),
    external=True,
)

MODEL_CREDENTIAL = Rule(
    "convert-model-credential",
    Severity.ERROR,
    what="A credential for a model's provider has no place in a BackendSecurityPolicy.",
    why="Requests would go to the provider without it.",
    wrong=_nantian("{type: query, parameter: key, secret: key}"),
    right=_nantian(),
    external=True,
)

MODEL_SETTING = Rule(
    "convert-model-setting",
    Severity.WARNING,
    what="A setting of a rule for models, or of a provider, has no place in the kinds of Envoy AI Gateway.",
    why="Requests still go where they went; what the setting changed is as the implementation has it.",
    wrong=_nantian("{type: none}"),
    right=_nantian(),
    external=True,
)

MODEL_OURS = Rule(
    "convert-model-ours",
    Severity.WARNING,
    what="What is written is understood by anygate, and by no release of Envoy AI Gateway.",
    why="A cluster refuses the object, and the routes that need it.",
    wrong=_native("Gemini"),
    right=_native(),
    external=True,
)
