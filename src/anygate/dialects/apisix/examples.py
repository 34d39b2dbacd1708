"""The manifests that the pages of this dialect's rules are made of."""

from textwrap import dedent, indent

_HEAD = "apiVersion: {api}\nkind: {kind}\nmetadata: {{name: {name}}}\n"
_APISIX = "apisix.apache.org/v2"

SERVICE = """apiVersion: v1
kind: Service
metadata: {name: items}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: items-1, labels: {kubernetes.io/service-name: items}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [127.0.0.1]}]
"""
RULE = """
http:
- name: items
  match: {paths: ["/*"]}
  backends: [{serviceName: items, servicePort: 80}]
"""


def render_object(kind: str, name: str, spec: str, api: str = _APISIX) -> str:
    """An object with a spec."""
    return _HEAD.format(api=api, kind=kind, name=name) + "spec:\n" + indent(dedent(spec).strip("\n"), "  ") + "\n"


def join(*objects: str) -> str:
    """A stream of objects."""
    return "---\n".join(objects)


INGRESS = render_object(
    "Ingress",
    "items",
    """
rules:
- http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: items, port: {number: 80}}}}]}
""",
    "networking.k8s.io/v1",
)
ROUTE = render_object("ApisixRoute", "items", RULE)
ALL = join(SERVICE, ROUTE)
"""A route with nothing to remark on."""


def render_rule(more: str, *objects: str) -> str:
    """The route with more lines in its rule, and more objects."""
    lines = indent(dedent(more).strip("\n"), "  ")
    return join(SERVICE, render_object("ApisixRoute", "items", RULE.strip("\n") + "\n" + lines), *objects)


def render_consumer(own: str, *others: str) -> str:
    """The route with plugins that want the key of a consumer, who has a plugin of its own."""
    listed = "\n".join(f"- {one}" for one in ("{name: key-auth, config: {}}", *others))
    spec = f"authParameter: {{keyAuth: {{value: {{key: secret-key}}}}}}\nplugins: [{own}]"
    return render_rule(f"plugins:\n{listed}", render_object("ApisixConsumer", "me", spec))


def render_match(match: str) -> str:
    """The route with another match."""
    return join(SERVICE, render_object("ApisixRoute", "items", RULE.replace('{paths: ["/*"]}', match)))


def render_upstream(spec: str) -> str:
    """A route to an upstream with this spec."""
    rule = """
    http:
    - name: items
      match: {paths: ["/*"]}
      upstreams: [{name: outside}]
    """
    return join(render_object("ApisixRoute", "items", rule), render_object("ApisixUpstream", "outside", spec))


NODES = "externalNodes: [{type: Domain, name: api.example.com, port: 80}]\n"
UPSTREAM = render_upstream(NODES)


TLS = render_object("ApisixTls", "items", "hosts: [a.example.com]\nsecret: {name: items-tls, namespace: default}")
"""A host whose certificate is not there."""


def render_stream(port: int, name: str = "items") -> str:
    """A route of bytes from a port."""
    return render_object(
        "ApisixRoute",
        name,
        f"""
    stream:
    - name: {name}
      protocol: TCP
      match: {{ingressPort: {port}}}
      backend: {{serviceName: items, servicePort: 80}}
    """,
    )
