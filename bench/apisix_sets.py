"""APISIX manifests of any size: ApisixRoutes with a host of their own and two rules each, over 100 Services."""

SERVICES = 100

_SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: shop-{number}}}
spec: {{ports: [{{port: 8080}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: shop-{number}, labels: {{kubernetes.io/service-name: shop-{number}}}}}
addressType: IPv4
ports: [{{port: 9000}}]
endpoints: [{{addresses: [127.0.0.1]}}]
"""
_ROUTE = """\
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {{name: shop-{number}}}
spec:
  http:
  - name: items
    match: {{hosts: [shop-{number}.example.com], paths: ["/items/*", /cart]}}
    backends:
    - {{serviceName: shop-{service}, servicePort: 8080, weight: 2}}
    - {{serviceName: shop-{other}, servicePort: 8080, weight: 1}}
  - name: all
    match:
      hosts: [shop-{number}.example.com]
      paths: ["/*"]
      methods: [GET, POST]
      exprs: [{{subject: {{scope: Query, name: page}}, op: GreaterThan, value: "1"}}]
    backends: [{{serviceName: shop-{service}, servicePort: 8080}}]
"""


def render_routes(size: int) -> str:
    """As many ApisixRoutes in one file, with the Services that they share."""
    shared = min(size, SERVICES)
    services = (_SERVICE.format(number=number) for number in range(shared))
    routes = (
        _ROUTE.format(number=number, service=number % shared, other=(number + 1) % shared) for number in range(size)
    )
    return "---\n".join((*services, *routes))
