"""The diagnostics about what objects mean together; each page is shown by `anygate rule ID`."""

from anygate.diagnostics import Rule, Severity
from anygate.dialects.app_mesh.examples import (
    ALL,
    GATEWAY,
    MESH,
    NODE,
    NODE_SPEC,
    ROUTE,
    ROUTE_SPEC,
    SERVICE,
    join,
    render_gateway,
    render_node,
    render_object,
    render_route,
    render_router,
    render_service,
)

NOT_FOUND = Rule(
    "mesh-not-found",
    Severity.ERROR,
    what="An object refers to one that no manifest of its mesh defines.",
    why="It is left out, as App Mesh does not activate it either; everything else is served.",
    wrong=render_service("provider: {virtualNode: {virtualNodeRef: {name: itmes}}}"),
    right=ALL,
)

DEPENDS = Rule(
    "mesh-depends-on-refused",
    Severity.ERROR,
    what="An object refers to one that was refused.",
    why="It is left out too, as App Mesh does not activate it either; everything else is served.",
    wrong=render_service("provider: {virtualNode: {virtualNodeRef: {name: itmes}}}"),
    right=ALL,
)

NO_OWNER = Rule(
    "mesh-no-owner",
    Severity.ERROR,
    what="An object belongs to no mesh or gateway, or selectors give it several.",
    why="App Mesh refuses such objects; here they are left out.",
    wrong=join(
        MESH,
        render_object("Mesh", "other", "namespaceSelector: {}"),
        NODE,
        SERVICE,
        GATEWAY,
        ROUTE,
    ),
    right=ALL,
)

OWNER_EXCLUDES = Rule(
    "mesh-owner-excludes",
    Severity.WARNING,
    what="A gateway route names a gateway whose selectors do not select it.",
    why="It is served there, as it says; in a cluster the selectors decide.",
    wrong=join(
        MESH,
        NODE,
        SERVICE,
        render_object(
            "VirtualGateway",
            "web",
            """
    namespaceSelector: {}
    gatewayRouteSelector: {matchLabels: {gateway: web}}
    listeners: [{portMapping: {port: 8080, protocol: http}}]
    """,
        ),
        render_object("GatewayRoute", "items", ROUTE_SPEC + "virtualGatewayRef: {name: web}"),
    ),
    right=ALL,
)

NAME_TAKEN = Rule(
    "mesh-name-taken",
    Severity.ERROR,
    what="Two objects of a kind have the same AWS name in a mesh, an object two AWS names, or a route's name is taken.",
    why="App Mesh never activates the second object, and nobody can tell which one a reference means.",
    wrong=join(ALL, render_object("VirtualService", "other", "awsName: items.default")),
    right=ALL,
)

PORT = Rule(
    "mesh-port",
    Severity.ERROR,
    what="A port is not one of a listener, or has to be named because there are several listeners.",
    why="Nobody can tell which listener is meant; App Mesh refuses it.",
    wrong=render_route("""
    httpRoute:
      match: {prefix: /, port: 9090}
      action: {target: {virtualService: {virtualServiceRef: {name: items}}}}
    """),
    right=ALL,
)

ROUTE_TYPE = Rule(
    "mesh-route-type",
    Severity.ERROR,
    what="A route is of another protocol than the listener that it is for.",
    why="App Mesh refuses such routes, and no request would come to it.",
    wrong=render_route("""
    grpcRoute:
      match: {serviceName: shop.Items}
      action: {target: {virtualService: {virtualServiceRef: {name: items}}}}
    """),
    right=ALL,
)

_TARGETS = """
routes:
- name: all
  httpRoute:
    match: {{prefix: /}}
    action: {{weightedTargets: [{{virtualNodeRef: {{name: items}}, weight: {weight}}}{more}]}}
"""

NO_WEIGHT = Rule(
    "mesh-no-weight",
    Severity.ERROR,
    what="All targets of a route have the weight 0.",
    why="No request could go anywhere; the router is left out.",
    wrong=render_router(_TARGETS.format(weight=0, more="")),
    right=render_router(_TARGETS.format(weight=1, more="")),
)

WEIGHT_SUM = Rule(
    "mesh-weight-sum",
    Severity.NOTE,
    what="The weights of a route add up to more than 100.",
    why="They work here, in proportion to each other; App Mesh refuses the route.",
    wrong=render_router(_TARGETS.format(weight=100, more=", {virtualNodeRef: {name: items}, weight: 1}")),
    right=render_router(_TARGETS.format(weight=99, more=", {virtualNodeRef: {name: items}, weight: 1}")),
)

SECRET = Rule(
    "mesh-secret-unavailable",
    Severity.ERROR,
    what="A certificate or authority lies where it cannot be had: in AWS Certificate Manager, or at an SDS server.",
    why="What needs it is left out, not served without TLS. An AppMeshSettings may say what stands for it here.",
    wrong=render_gateway("""
    namespaceSelector: {}
    listeners:
    - portMapping: {port: 8080, protocol: http}
      tls: {mode: STRICT, certificate: {acm: {certificateARN: "arn:aws:acm:us-west-2:1:certificate/1"}}}
    """),
    right=render_gateway("""
    namespaceSelector: {}
    listeners:
    - portMapping: {port: 8080, protocol: http}
      tls: {mode: STRICT, certificate: {file: {certificateChain: /tls/chain.pem, privateKey: /tls/key.pem}}}
    """),
)

PREFIX_REMOVED = Rule(
    "mesh-prefix-removed",
    Severity.NOTE,
    what="A gateway route for a prefix has no rewrite, so that the prefix becomes `/`.",
    why="That is the default of App Mesh, and surprises many: the service never sees the prefix.",
    wrong=render_route("""
    httpRoute:
      match: {prefix: /items}
      action: {target: {virtualService: {virtualServiceRef: {name: items}}}}
    """),
    right=render_route("""
    httpRoute:
      match: {prefix: /items}
      action:
        target: {virtualService: {virtualServiceRef: {name: items}}}
        rewrite: {prefix: {defaultPrefix: DISABLED}}
    """),
)

HIDDEN = Rule(
    "mesh-hidden-by-host",
    Severity.WARNING,
    what="A gateway has routes for a host and routes without one on the same listener.",
    why="Requests for the host are never tried on the routes without one; so it was in App Mesh.",
    wrong=join(
        ALL,
        render_object(
            "GatewayRoute",
            "other",
            """
    httpRoute:
      match: {hostname: {exact: other.example.com}}
      action: {target: {virtualService: {virtualServiceRef: {name: items}}}}
    """,
        ),
    ),
    right=ALL,
)

TIE = Rule(
    "mesh-tie",
    Severity.WARNING,
    what="Two routes take the same requests, and only their names say which one is asked first.",
    why="App Mesh does not promise any order between them; priorities do.",
    wrong=join(ALL, render_object("GatewayRoute", "other", ROUTE_SPEC)),
    right=join(ALL, render_object("GatewayRoute", "other", "priority: 1\n" + ROUTE_SPEC.strip("\n"))),
)

SHADOWED = Rule(
    "mesh-shadowed",
    Severity.WARNING,
    what="A route is asked after one that takes all of its requests.",
    why="The lower priority number comes first, however little its route asks for; so it was in App Mesh.",
    wrong=join(
        ALL,
        render_object("GatewayRoute", "everything", "priority: 1\n" + ROUTE_SPEC.strip("\n")),
    ),
    right=ALL,
)

DEAD = Rule(
    "mesh-dead-route",
    Severity.NOTE,
    what="A route of a router cannot take any request of a gateway route, or another takes all before it.",
    why="Both ask for different values of a header, a parameter or the method, or for paths that exclude each other;"
    " or they are for bytes, which only the first can take.",
    wrong=render_router("""
    routes:
    - name: never
      httpRoute:
        match: {prefix: /, headers: [{name: a, match: {exact: one}}, {name: a, match: {exact: two}}]}
        action: {weightedTargets: [{virtualNodeRef: {name: items}, weight: 1}]}
    """),
    right=render_router(_TARGETS.format(weight=1, more="")),
)

NOT_FLATTENED = Rule(
    "mesh-not-flattened",
    Severity.NOTE,
    what="The paths of a gateway route and of a router's route cannot be put together as one condition.",
    why="Envoy asks the routes one after the other instead, as App Mesh did: nothing behaves otherwise, but the access "
    "log, which has one line for a request, shows the second stage where it would show the node.",
    wrong=render_router("""
    routes:
    - name: pattern
      httpRoute:
        match: {path: {regex: "/a.*"}}
        action: {weightedTargets: [{virtualNodeRef: {name: items}, weight: 1}]}
    """).replace("match: {prefix: /}", 'match: {path: {regex: ".*b"}}'),
    right=render_router("""
    routes:
    - name: pattern
      httpRoute:
        match: {path: {regex: "/a.*"}}
        action: {weightedTargets: [{virtualNodeRef: {name: items}, weight: 1}]}
    """),
)

CAPPED = Rule(
    "mesh-timeout-capped",
    Severity.NOTE,
    what="A node's listener has a timeout that is shorter than that of a route to it.",
    why="The proxy beside the node would enforce it; there is none here, so the route does.",
    wrong=render_node("""
    listeners:
    - portMapping: {port: 8080, protocol: http}
      timeout: {http: {perRequest: {unit: s, value: 5}}}
    serviceDiscovery: {dns: {hostname: items.default.svc.cluster.local}}
    """),
    right=ALL,
)

POOL = Rule(
    "mesh-pool-moved",
    Severity.NOTE,
    what="Bounds of connections or requests hold in another place than in App Mesh.",
    why="A node's bounds are kept by each gateway towards the node, a gateway listener's towards each node by itself.",
    wrong=render_node("""
    listeners:
    - portMapping: {port: 8080, protocol: http}
      connectionPool: {http: {maxConnections: 10}}
    serviceDiscovery: {dns: {hostname: items.default.svc.cluster.local}}
    """),
    right=ALL,
)

LOG_FORMAT = Rule(
    "mesh-log-format",
    Severity.ERROR,
    what="The format of an access log has an operator that Envoy does not know, or not with these arguments.",
    why="Envoy would refuse the whole listener for it; it is served, and nothing is written down.",
    wrong=render_gateway("""
    namespaceSelector: {}
    listeners: [{portMapping: {port: 8080, protocol: http}}]
    logging: {accessLog: {file: {path: /dev/stdout, format: {text: "%STATUS%\\n"}}}}
    """),
    right=render_gateway("""
    namespaceSelector: {}
    listeners: [{portMapping: {port: 8080, protocol: http}}]
    logging: {accessLog: {file: {path: /dev/stdout, format: {text: "%RESPONSE_CODE%\\n"}}}}
    """),
)

CLOUD_MAP = Rule(
    "mesh-cloud-map",
    Severity.NOTE,
    what="The addresses of a node are in AWS Cloud Map.",
    why="It cannot be asked here. In its place are the EndpointSlices of Services that select the node's pods, by its "
    "podSelector or else the attributes; without any, SERVICE.NAMESPACE of Cloud Map is looked up in DNS.",
    wrong=render_node("""
    listeners: [{portMapping: {port: 8080, protocol: http}}]
    serviceDiscovery: {awsCloudMap: {namespaceName: shop.local, serviceName: items}}
    """),
    right=ALL,
)

NO_DISCOVERY = Rule(
    "mesh-no-listener",
    Severity.ERROR,
    what="A node without listeners is the target of a route.",
    why="It only calls others; nobody can tell where requests for it would go.",
    wrong=render_node("backends: []"),
    right=render_node(NODE_SPEC),
)
