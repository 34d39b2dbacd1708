"""The manifests that the pages of this dialect's rules are made of."""

from textwrap import dedent, indent

_HEAD = "apiVersion: appmesh.k8s.aws/{version}\nkind: {kind}\nmetadata: {{name: {name}{more}}}\nspec:\n"


def render_object(kind: str, name: str, spec: str, version: str = "v1beta2", more: str = "") -> str:
    """An object of this dialect; `more` are further entries of its metadata, each after a comma."""
    text = indent(dedent(spec).strip("\n"), "  ")
    return _HEAD.format(version=version, kind=kind, name=name, more=more) + text + "\n"


def join(*objects: str) -> str:
    """A stream of objects."""
    return "---\n".join(objects)


MESH = render_object("Mesh", "shop", "namespaceSelector: {}")

NODE_SPEC = """
listeners:
- portMapping: {port: 8080, protocol: http}
serviceDiscovery: {dns: {hostname: items.default.svc.cluster.local}}
"""
NODE = render_object("VirtualNode", "items", NODE_SPEC)

SERVICE = render_object("VirtualService", "items", "provider: {virtualNode: {virtualNodeRef: {name: items}}}")

GATEWAY_SPEC = """
namespaceSelector: {}
listeners:
- portMapping: {port: 8080, protocol: http}
"""
GATEWAY = render_object("VirtualGateway", "web", GATEWAY_SPEC)

ROUTE_SPEC = """
httpRoute:
  match: {prefix: /}
  action: {target: {virtualService: {virtualServiceRef: {name: items}}}}
"""
ROUTE = render_object("GatewayRoute", "items", ROUTE_SPEC)

ALL = join(MESH, NODE, SERVICE, GATEWAY, ROUTE)
"""A mesh with nothing to remark on."""


def render_node(spec: str) -> str:
    """The whole mesh with another spec of its node."""
    return join(MESH, render_object("VirtualNode", "items", spec), SERVICE, GATEWAY, ROUTE)


def render_service(spec: str, *more: str) -> str:
    """The whole mesh with another spec of its service, and more objects."""
    return join(MESH, NODE, render_object("VirtualService", "items", spec), GATEWAY, ROUTE, *more)


def render_gateway(spec: str) -> str:
    """The whole mesh with another spec of its gateway."""
    return join(MESH, NODE, SERVICE, render_object("VirtualGateway", "web", spec), ROUTE)


def render_route(spec: str, *more: str) -> str:
    """The whole mesh with another spec of its gateway route, and more objects."""
    return join(MESH, NODE, SERVICE, GATEWAY, render_object("GatewayRoute", "items", spec), *more)


ROUTER_SPEC = """
listeners: [{portMapping: {port: 8080, protocol: http}}]
"""


def render_router(routes: str) -> str:
    """The whole mesh with a router that has these routes; its service is provided by it."""
    router = render_object("VirtualRouter", "items", ROUTER_SPEC.strip("\n") + "\n" + dedent(routes).strip("\n"))
    return render_service("provider: {virtualRouter: {virtualRouterRef: {name: items}}}", router)
