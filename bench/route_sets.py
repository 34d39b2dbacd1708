"""Makes manifests of any size: one Gateway, an HTTPRoute for each number, and the Services that the routes share.

Each route has a hostname of its own and two rules with three matches each, so N routes are 6N rows in Envoy.
"""

from collections.abc import Iterator
from pathlib import Path

GATEWAY_PORT = 8080
SERVICES = 100
"""How many Services there are at most, each with an EndpointSlice."""

_GATEWAY = """\
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{name: envoy}}
spec: {{controllerName: gateway.envoyproxy.io/gatewayclass-controller}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: web}}
spec:
  gatewayClassName: envoy
  listeners:
  - name: http
    port: {port}
    protocol: HTTP
"""

_ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: shop-{number}
spec:
  parentRefs:
  - name: web
  hostnames:
  - shop-{number}.example.com
  rules:
  - matches:
    - path: {{type: PathPrefix, value: /items}}
    - path: {{type: Exact, value: {changed}}}
      method: GET
    - path: {{type: PathPrefix, value: /search}}
      headers:
      - name: x-version
        value: "2"
    backendRefs:
    - name: shop-{service}
      port: 8080
  - matches:
    - path: {{type: PathPrefix, value: /admin}}
    - path: {{type: PathPrefix, value: /orders}}
      method: POST
    - path: {{type: Exact, value: /}}
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier:
        set:
        - name: x-shop
          value: shop-{number}
    backendRefs:
    - name: shop-{service}
      port: 8080
"""

_BACKEND = """\
apiVersion: v1
kind: Service
metadata:
  name: shop-{number}
spec:
  ports:
  - name: http
    port: 8080
    targetPort: {target}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: shop-{number}-1
  labels:
    kubernetes.io/service-name: shop-{number}
addressType: IPv4
ports:
- name: http
  port: {target}
endpoints:
- addresses: [127.0.0.1]
  conditions:
    ready: true
"""


def render_gateway(port: int = GATEWAY_PORT) -> str:
    """The Gateway that all routes attach to, and its class."""
    return _GATEWAY.format(port=port)


def render_route(number: int, *, changed: str = "/cart") -> str:
    """One route. `changed` is a path that a second version of the route may differ in."""
    return _ROUTE.format(number=number, service=number % SERVICES, changed=changed)


def render_backend(number: int, *, target: int = 9000) -> str:
    """One Service with its EndpointSlice."""
    return _BACKEND.format(number=number, target=target)


def render_file(count: int, *, port: int = GATEWAY_PORT, target: int = 9000) -> str:
    """Everything as the text of one file."""
    backends = (render_backend(number, target=target) for number in range(min(count, SERVICES)))
    routes = (render_route(number) for number in range(count))
    return "---\n".join((render_gateway(port), *backends, *routes))


def render_folder(count: int, *, port: int = GATEWAY_PORT, target: int = 9000) -> Iterator[tuple[str, str]]:
    """Everything as file names and texts, one file for each route."""
    yield "gateway.yaml", render_gateway(port)
    for number in range(min(count, SERVICES)):
        yield f"service-{number:05}.yaml", render_backend(number, target=target)
    for number in range(count):
        yield f"shop-{number:05}.yaml", render_route(number)


def write_folder(folder: Path, files: Iterator[tuple[str, str]]) -> None:
    """Write files into a folder that exists."""
    for name, text in files:
        (folder / name).write_text(text)
