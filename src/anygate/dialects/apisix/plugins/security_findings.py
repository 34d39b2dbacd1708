"""The diagnostics of plugins that guard routes."""

from anygate.diagnostics import Rule, Severity

_ROUTE = """
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {{name: web}}
spec:
  http:
    - name: web
      match: {{paths: ["/*"]}}
      backends: [{{serviceName: web, servicePort: 80}}]
      plugins: [{plugin}]
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{ports: [{{port: 80}}]}}
"""
_CONSUMER = """
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: ann}
spec: {authParameter: {keyAuth: {value: {key: a-key-of-hers}}}}
"""


def _with(plugin: str) -> str:
    return _ROUTE.format(plugin=plugin) + _CONSUMER


GUARD_UNSUPPORTED = Rule(
    "apisix-guard-unsupported",
    Severity.ERROR,
    what="A plugin that guards a route asks for something that Envoy cannot do.",
    why="The route answers 503, as it must not run without its guard; all other routes are served.",
    wrong=_with("{name: key-auth, config: {anonymous_consumer: nobody}}"),
    right=_with("{name: key-auth, config: {}}"),
)

OPENID_SECRET = Rule(
    "apisix-openid-secret",
    Severity.ERROR,
    what="An openid-connect plugin lacks the secret of its client, or that of its sessions.",
    why="APISIX does not take the plugin then. The route answers 503, as it must not run without its guard.",
    wrong=_with("{name: openid-connect, config: {client_id: web, discovery: 'https://sso.example.org/d'}}"),
    right=_with(
        "{name: openid-connect, secretRef: login, config: {client_id: web, discovery: 'https://sso.example.org/d'}}"
    )
    + """
---
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {client_secret: the-one-of-the-client, session.secret: at-least-16-characters}
""",
)

NO_CONSUMER = Rule(
    "apisix-no-consumer",
    Severity.WARNING,
    what="A route wants a credential of a kind that no ApisixConsumer has.",
    why="Every request to it is answered with 401.",
    wrong=_with("{name: basic-auth, config: {}}"),
    right=_with("{name: key-auth, config: {}}"),
)

SAME_CREDENTIAL = Rule(
    "apisix-same-credential",
    Severity.WARNING,
    what="Two consumers have the same key or user name.",
    why="A request does not tell which of them it comes from; here it is always the first by id.",
    wrong=_with("{name: key-auth, config: {}}") + _CONSUMER.replace("ann", "bob"),
    right=_with("{name: key-auth, config: {}}"),
)

_HIDDEN = """
---
apiVersion: v1
kind: Secret
metadata: {{name: hidden}}
stringData: {{{entry}}}
"""


def _hiding(plugin: str, entry: str) -> str:
    return _ROUTE.format(plugin=f"{{name: {plugin}, secretRef: hidden}}") + _HIDDEN.format(entry=entry)


SECRET_SHOWN = Rule(
    "apisix-secret-shown",
    Severity.WARNING,
    what="A plugin takes a value from a Secret for something that Envoy is told openly.",
    why="The administration interface of Envoy shows it; it hides headers, credentials and answers of fault-injection.",
    wrong=_hiding("response-rewrite", "body: open-sesame"),
    right=_hiding("response-rewrite", "headers.X-Word: open-sesame"),
)
