"""The diagnostics about MCP routes; each page is shown by `anygate rule`."""

from anygate.diagnostics import Rule, Severity
from anygate.dialects.envoy_ai.examples import render_object

_AROUND = """
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec:
      gatewayClassName: envoy
      listeners:
      - {name: http, port: 80, protocol: HTTP}
    ---
    apiVersion: gateway.envoyproxy.io/v1alpha1
    kind: Backend
    metadata: {name: github}
    spec:
      endpoints:
      - fqdn: {hostname: mcp.github.example, port: 80}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: github}
    stringData: {apiKey: abc}
    ---"""
_PARENT = "parentRefs: [{name: web}]"
_REF = "group: gateway.envoyproxy.io, kind: Backend, name: github"


def _render(servers: str, rest: str = "") -> str:
    spec = f"{{{_PARENT}, backendRefs: [{{{servers}}}]{rest}}}"
    return _AROUND + render_object("MCPRoute", "tools", spec, "v1beta1")


_RIGHT = _render(_REF)
_KEYS = "issuer: 'https://login.example', protectedResourceMetadata: {resource: 'https://web.example/mcp'}"
_LOCAL = """jwks: {localJWKS: {inline: '{"keys":[{"kty":"oct","k":"YWJj","alg":"HS256"}]}'}}"""

EXPRESSION_INVALID = Rule(
    "mcp-expression-invalid",
    Severity.ERROR,
    what="A CEL expression of an MCP route cannot be compiled, or asks for a token that the route does not ask for.",
    why="Who may use which tool would be unknown, so that the whole route answers 500.",
    wrong=_render(_REF, ", backendSelector: {rules: [{cel: 'request.mcp.backend =='}]}"),
    right=_render(_REF, """, backendSelector: {rules: [{cel: 'request.mcp.backend == "github"'}]}"""),
)

PATTERN_INVALID = Rule(
    "mcp-pattern-invalid",
    Severity.ERROR,
    what="A selector of tools or prompts holds a text that is no regular expression of RE2.",
    why="Which tools are shown would be unknown, so that none of the server's are.",
    wrong=_render(_REF + ", toolSelector: {includeRegex: ['(list']}"),
    right=_render(_REF + ", toolSelector: {includeRegex: ['^list_']}"),
)

CREDENTIAL_NOT_FOUND = Rule(
    "mcp-credential-not-found",
    Severity.ERROR,
    what="An MCP server's key is in a Secret, or under a key of one, that no manifest defines.",
    why="The server is left out: nothing must reach it without the credential that was asked for.",
    wrong=_render(_REF + ", securityPolicy: {apiKey: {secretRef: {name: gihtub}}}"),
    right=_render(_REF + ", securityPolicy: {apiKey: {secretRef: {name: github}}}"),
)

BACKEND_ELSEWHERE = Rule(
    "mcp-backend-elsewhere",
    Severity.ERROR,
    what="An MCP route names a backend of another namespace.",
    why="MCP routes have backends of their own namespace only, as in a cluster; the server is left out.",
    wrong=_render(_REF + ", namespace: shared"),
    right=_RIGHT,
)

KEYS_MISSING = Rule(
    "mcp-keys-missing",
    Severity.ERROR,
    what="An MCP route asks for tokens and does not say where the issuer's keys are.",
    why="Keys are not looked for at the issuer here. No token could be checked, so that the route answers 500.",
    wrong=_render(_REF, f", securityPolicy: {{oauth: {{{_KEYS}}}}}"),
    right=_render(_REF, f", securityPolicy: {{oauth: {{{_KEYS}, {_LOCAL}}}}}"),
)
