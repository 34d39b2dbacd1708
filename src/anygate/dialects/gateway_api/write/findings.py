"""What a conversion to Gateway API can lose; each page is shown by `anygate rule ID`.

The examples are manifests to convert, and are tried by tests of their own.
"""

from anygate.diagnostics import Rule, Severity

_MESH = """
apiVersion: appmesh.k8s.aws/v1beta2
kind: Mesh
metadata: {name: shop}
spec: {namespaceSelector: {}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualGateway
metadata: {name: web}
spec: {namespaceSelector: {}, listeners: [{portMapping: {port: 80, protocol: http}LISTENER}]}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {name: items}
spec:
  listeners: [{portMapping: {port: 80, protocol: http}}]
  serviceDiscovery: {dns: {hostname: items.default.svc.cluster.local, responseType: ENDPOINTS}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualService
metadata: {name: items}
spec: {provider: {virtualNode: {virtualNodeRef: {name: items}}}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: GatewayRoute
metadata: {name: items}
spec:
  httpRoute:
    match: MATCH
    action: {target: {virtualService: {virtualServiceRef: {name: items}}}}
"""

_CALLS = """---
apiVersion: appmesh.k8s.aws/v1beta2
kind: GatewayRoute
metadata: {name: calls-NUMBER}
spec:
  priority: NUMBER
  grpcRoute:
    match: {serviceName: shop.Items, metadata: [METADATA]}
    action:
      target: {virtualService: {virtualServiceRef: {name: items}}}
      rewrite: {hostname: {defaultTargetHostname: DISABLED}}
"""

_GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec: {gatewayClassName: envoy, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: v1
kind: Service
metadata: {name: items}
spec: {ports: [{port: 80}]}
"""

_ROUTE = """---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: items}
spec:
  parentRefs: [{name: web}]
  rules:
  - backendRefs: [{name: items, port: 80}]
"""

_SERVERS = """---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: MCPRoute
metadata: {name: tools}
spec:
  parentRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
  backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: tools}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: tools}
spec: {endpoints: [{fqdn: {hostname: tools.example, port: 80}}]}
"""

_TLS = ", tls: {mode: MODE, certificate: {file: {certificateChain: /tls.crt, privateKey: /tls.key}}}"


_APISIX = """
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: items}
spec:
  http:
  - name: items
    match: {paths: [/items]}
    backends: [{serviceName: items, servicePort: 80}]
    plugins: [{name: NAME, enable: true, config: CONFIG}]
---
apiVersion: v1
kind: Service
metadata: {name: items}
spec: {ports: [{port: 80}]}
"""


_PLUGIN = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec: {gatewayClassName: nantian, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: items}
spec: {parentRefs: [{name: web}], rules: [{backendRefs: [{name: items, port: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: items}
spec: {ports: [{port: 80}]}
---
apiVersion: gateway.nantian.dev/v1alpha1
kind: WasmPlugin
metadata: {name: audit}
spec:
  wasm: {url: "https://plugins.example.com/audit.wasm", sha256: DIGEST}
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: items}]
""".replace("DIGEST", "60e153599f1440820dc3a55c57eefc230ff4028662f622a90108103a14f5dd0a")


def _apisix(plugin: str, config: str) -> str:
    return _APISIX.replace("NAME", plugin).replace("CONFIG", config)


def _mesh(match: str = "{path: {exact: /items}}", listener: str = "") -> str:
    return _MESH.replace("MATCH", match).replace("LISTENER", listener)


def _calls(*metadata: list[str]) -> str:
    """A mesh with routes for gRPC calls, asked in this order."""
    head, _, _ = _mesh().replace("protocol: http}", "protocol: grpc}").rpartition("---\n")
    routes = (
        _CALLS.replace("NUMBER", str(number)).replace("METADATA", ", ".join(one)) for number, one in enumerate(metadata)
    )
    return head + "".join(routes)


PREFIX = Rule(
    "convert-prefix",
    Severity.WARNING,
    what="A prefix that ends in the middle of a path element becomes one of whole elements.",
    why="A PathPrefix of the Gateway API is `/items` and what is below it, not `/items2`. With --exact it becomes a "
    "regular expression, and nothing differs.",
    wrong=_mesh("{prefix: /items}"),
    right=_mesh(),
    external=True,
)

CONDITION = Rule(
    "convert-condition",
    Severity.ERROR,
    what="A condition of a route cannot be said in the Gateway API.",
    why="Without the condition the route would take other requests, so it would be left out.",
    wrong=_mesh("{prefix: /, headers: [{name: x, match: {regex: a.*}}, {name: x, match: {regex: .*b}}]}"),
    right=_mesh(),
    external=True,
)

ORDER = Rule(
    "convert-order",
    Severity.ERROR,
    what="Two routes take the same requests, and the Gateway API would ask them in another order.",
    why="It asks the more specific match first, and knows no priority; what could be said by further matches was.",
    wrong=_calls(["{name: x, match: {regex: a.*}}"], ["{name: x, match: {regex: .*b}}", "{name: z}"]),
    right=_calls(["{name: x, match: {exact: a}}"], ["{name: x, match: {exact: b}}", "{name: z}"]),
    external=True,
)

SECURITY = Rule(
    "convert-security",
    Severity.ERROR,
    what="A setting that keeps requests out or connections safe cannot be carried over as it is.",
    why="The converted manifests would let through what the source refuses, or trust what it does not.",
    wrong=_apisix("limit-conn", "{conn: 1, burst: 2, default_conn_delay: 0.1, key: remote_addr}"),
    right=_apisix("ip-restriction", "{whitelist: [10.0.0.0/8]}"),
    external=True,
)

REWRITE = Rule(
    "convert-rewrite",
    Severity.ERROR,
    what="What becomes of a request's path, host, method or query cannot be said in the Gateway API.",
    why="It would reach the backend, or the client would be sent elsewhere, as another one than before.",
    wrong=_apisix("proxy-rewrite", "{uri: /new/$arg_a}"),
    right=_apisix("proxy-rewrite", "{uri: /new}"),
    external=True,
)

LISTENER = Rule(
    "convert-listener",
    Severity.WARNING,
    what="A port takes both plaintext and TLS, which no listener of the Gateway API does.",
    why="Only TLS is taken there; clients that still speak plaintext need a port of their own.",
    wrong=_mesh(listener=_TLS.replace("MODE", "PERMISSIVE")),
    right=_mesh(listener=_TLS.replace("MODE", "STRICT")),
    external=True,
)

SETTING = Rule(
    "convert-setting",
    Severity.WARNING,
    what="A setting has no place in the Gateway API or in Envoy Gateway's policies.",
    why="Requests still go where they went; what the setting changed is as the implementation has it.",
    wrong=_mesh().replace(
        "spec: {namespaceSelector: {}, listeners",
        "spec: {namespaceSelector: {}, logging: {accessLog: {file: {path: /dev/stdout}}}, listeners",
    ),
    right=_mesh(),
    external=True,
)

BACKENDS = Rule(
    "convert-backends",
    Severity.WARNING,
    what="Backends of one rule come to be treated alike, or one of them is missing.",
    why="A BackendTrafficPolicy holds for a rule with all its backends, so that of the first one is taken for all; "
    "what could not be resolved is left out, and its share goes to the others.",
    wrong=_GATEWAY + _ROUTE.replace("80}]", "80}, {name: elsewhere, port: 80}]"),
    right=_GATEWAY + _ROUTE,
    external=True,
)

PLUGIN = Rule(
    "convert-plugin",
    Severity.WARNING,
    what="A plugin becomes one of an EnvoyExtensionPolicy, which Envoy Gateway runs and anygate does not.",
    why="What the plugin refuses passes where nobody runs it. Where its code has no URL it cannot be written at all.",
    wrong=_PLUGIN,
    right=_GATEWAY,
    external=True,
)

MODELS = Rule(
    "convert-models",
    Severity.ERROR,
    what="A rule for MCP servers has no place in the Gateway API itself.",
    why="It needs an MCPRoute of Envoy AI Gateway, which is not written; the rule is left out.",
    wrong=_GATEWAY + _SERVERS,
    right=_GATEWAY + _ROUTE,
    external=True,
)
