"""The diagnostics about how objects are written; each page is shown by `anygate rule ID`."""

from anygate.diagnostics import Rule, Severity
from anygate.dialects.app_mesh.examples import (
    ALL,
    GATEWAY,
    MESH,
    NODE,
    NODE_SPEC,
    ROUTE,
    SERVICE,
    join,
    render_gateway,
    render_node,
    render_object,
    render_route,
    render_router,
)

OTHER_NAME = Rule(
    "mesh-other-name",
    Severity.NOTE,
    what="A field has the name that the API of App Mesh, CloudFormation or an older version gives it.",
    why="It is read as the field that it stands for; the controller of App Mesh ignores it.",
    wrong=render_node(NODE_SPEC + "virtualNodeName: items"),
    right=render_node(NODE_SPEC + "awsName: items"),
)

OTHER_SHAPE = Rule(
    "mesh-other-shape",
    Severity.NOTE,
    what="A field is written in a way that App Mesh does not have, but whose meaning is plain.",
    why="It is read as meant; the controller of App Mesh refuses or ignores it.",
    wrong=render_route("""
    httpRoute:
      match: {path: /items}
      action: {target: {virtualService: {virtualServiceRef: {name: items}}}}
    """),
    right=render_route("""
    httpRoute:
      match: {path: {exact: /items}}
      action: {target: {virtualService: {virtualServiceRef: {name: items}}}}
    """),
)

EXPLICIT_OWNER = Rule(
    "mesh-explicit-owner",
    Severity.NOTE,
    what="An object names its mesh or its gateway in a field that the controller of App Mesh fills by itself.",
    why="It belongs to what it names; the controller refuses to create an object with this field.",
    wrong=render_node(NODE_SPEC + "meshRef: {name: shop}"),
    right=ALL,
)

ASSUMED_OWNER = Rule(
    "mesh-assumed-owner",
    Severity.NOTE,
    what="Nothing says to which mesh or gateway an object belongs, and there is only one.",
    why="It is taken to belong to that one; in a cluster selectors decide, and may decide otherwise.",
    wrong=join(render_object("Mesh", "shop", "awsName: shop"), NODE, SERVICE, GATEWAY, ROUTE),
    right=ALL,
)

ROUTE_OBJECT = Rule(
    "mesh-route-object",
    Severity.NOTE,
    what="A route of a VirtualRouter is an object of its own.",
    why="It is read as one of the router's routes; no cluster has the kind Route in this API.",
    wrong=render_router("")
    + "---\n"
    + render_object(
        "Route",
        "all",
        """
    virtualRouterRef: {name: items}
    httpRoute:
      match: {prefix: /}
      action: {weightedTargets: [{virtualNodeRef: {name: items}, weight: 1}]}
    """,
    ),
    right=render_router("""
    routes:
    - name: all
      httpRoute:
        match: {prefix: /}
        action: {weightedTargets: [{virtualNodeRef: {name: items}, weight: 1}]}
    """),
)

OLDER_SHAPE = Rule(
    "mesh-older-shape",
    Severity.NOTE,
    what="An object is of the first controller's API, v1beta1.",
    why="It is read as what v1beta2 has for it; the second controller does not know it.",
    wrong=join(
        render_object("Mesh", "shop", "namespaceSelector: {}", version="v1beta1"), NODE, SERVICE, GATEWAY, ROUTE
    ),
    right=ALL,
)

MADE_SERVICE = Rule(
    "mesh-made-service",
    Severity.NOTE,
    what="A gateway route names a VirtualService that no manifest defines, but exactly one node has that name.",
    why="A VirtualService is made for the node; in a cluster the gateway route would wait for one forever.",
    wrong=join(
        MESH,
        NODE,
        GATEWAY,
        render_object(
            "GatewayRoute",
            "items",
            """
    httpRoute:
      match: {prefix: /}
      action: {target: {virtualService: {virtualServiceName: items.default.svc.cluster.local}}}
    """,
        ),
    ),
    right=ALL,
)

SHORT_NAME = Rule(
    "mesh-short-name",
    Severity.NOTE,
    what="The DNS name of a node has no dot.",
    why="App Mesh takes names as absolute; the name is read as that of a Service in the node's namespace.",
    wrong=render_node("""
    listeners: [{portMapping: {port: 8080, protocol: http}}]
    serviceDiscovery: {dns: {hostname: items}}
    """),
    right=ALL,
)

WHOLE_VALUE = Rule(
    "mesh-whole-value",
    Severity.NOTE,
    what="A regular expression has nothing but letters, so that it matches one value only.",
    why="An expression must match the whole value; whoever means a part of it writes `.*part.*`.",
    wrong=render_route("""
    httpRoute:
      match: {prefix: /, headers: [{name: user-agent, match: {regex: Mobile}}]}
      action: {target: {virtualService: {virtualServiceRef: {name: items}}}}
    """),
    right=render_route("""
    httpRoute:
      match: {prefix: /, headers: [{name: user-agent, match: {regex: .*Mobile.*}}]}
      action: {target: {virtualService: {virtualServiceRef: {name: items}}}}
    """),
)

RESERVED = Rule(
    "mesh-reserved-name",
    Severity.WARNING,
    what="A service's name or a path starts as App Mesh's own names and paths do.",
    why="It works here; App Mesh refuses it.",
    wrong=render_route("""
    httpRoute:
      match: {prefix: /aws-appmesh/}
      action: {target: {virtualService: {virtualServiceRef: {name: items}}}, rewrite: {prefix: {value: /}}}
    """),
    right=render_route("""
    httpRoute:
      match: {prefix: /appmesh/}
      action: {target: {virtualService: {virtualServiceRef: {name: items}}}, rewrite: {prefix: {value: /}}}
    """),
)

NOT_HONOURED = Rule(
    "mesh-not-honoured",
    Severity.WARNING,
    what="A field is accepted and has no effect here.",
    why="The manifest asks for something that nothing does.",
    wrong=render_gateway("""
    namespaceSelector: {}
    listeners:
    - portMapping: {port: 8080, protocol: http}
      healthCheck: {protocol: http, unhealthyThreshold: 2, intervalMillis: 5000, timeoutMillis: 2000}
    """),
    right=ALL,
)

SIDECAR_ONLY = Rule(
    "mesh-sidecar-only",
    Severity.NOTE,
    what="A field is about the proxy beside a workload, or about the workload, and that does not run here.",
    why="It says nothing about what the gateways of the mesh do; `anygate run --node NAME` runs the proxy of a node.",
    wrong=render_node(NODE_SPEC + "logging: {accessLog: {file: {path: /dev/stdout}}}"),
    right=ALL,
)
