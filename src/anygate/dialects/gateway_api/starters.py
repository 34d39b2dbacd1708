"""The starting manifests of this dialect's kinds, and of the Kubernetes kinds that they need."""

from importlib.resources import files

from anygate.dialects.template import Template

_FILES = files("anygate.dialects.gateway_api") / "templates"
_NAME = "${name}"


def _route(kind: str, purpose: str, *short: str, port: str = "8080", **options: str) -> Template:
    """A route that goes to a Service of its own name."""
    options = {"gateway": "web", **options, "service": _NAME, "port": port}
    return Template(kind, purpose, _FILES / f"{kind.lower()}.yaml", short, options)


TEMPLATES = (
    Template(
        "GatewayClass",
        "a class of Gateways and its controller",
        _FILES / "gatewayclass.yaml",
        ("gc",),
        namespaced=False,
    ),
    Template(
        "Gateway",
        "where traffic enters: ports, protocols, hosts",
        _FILES / "gateway.yaml",
        ("gw", "gtw"),
        options={"class": "envoy", "hostname": "*.example.com", "port": "80", "certificate": "${name}-tls"},
        parts=("https", "tls", "tcp", "udp"),
    ),
    _route("HTTPRoute", "HTTP requests to Services", "hr", "http", hostname="shop.example.com", path="/"),
    _route("GRPCRoute", "gRPC calls to Services", "gr", "grpc", hostname="grpc.example.com", port="9000"),
    _route("TLSRoute", "TLS connections to Services, unopened", "tls", hostname="secure.example.com", port="8443"),
    _route("TCPRoute", "TCP connections to a Service", "tcp", port="9000"),
    _route("UDPRoute", "datagrams to a Service", "udp", port="9053"),
    Template(
        "ReferenceGrant",
        "lets another namespace refer to this one",
        _FILES / "referencegrant.yaml",
        ("refgrant", "rg"),
        options={"from": "default", "service": "shop"},
    ),
    Template(
        "BackendTLSPolicy",
        "TLS towards a Service",
        _FILES / "backendtlspolicy.yaml",
        ("btlspolicy",),
        options={"service": _NAME, "hostname": "shop.internal.example.com"},
    ),
    Template(
        "Service",
        "a name for endpoints; with --address, where they are",
        _FILES / "service.yaml",
        ("svc", "endpointslice"),
        options={"port": "8080", "address": "127.0.0.1"},
        derived={"slice": "${name}-1"},
        parts=("udp",),
    ),
    Template(
        "Secret",
        "a self-signed certificate for HTTPS listeners",
        _FILES / "secret.yaml",
        ("certificate", "cert"),
        options={"hostname": "*.example.com"},
    ),
    Template(
        "Backend",
        "endpoints outside the cluster (Envoy Gateway)",
        _FILES / "backend.yaml",
        ("be",),
        options={"hostname": "api.example.com", "port": "8080"},
        parts=("tls",),
    ),
    Template(
        "ClientTrafficPolicy",
        "how a Gateway treats clients (Envoy Gateway)",
        _FILES / "clienttrafficpolicy.yaml",
        ("ctp",),
        options={"gateway": "web"},
    ),
    Template(
        "BackendTrafficPolicy",
        "retries, timeouts, limits (Envoy Gateway)",
        _FILES / "backendtrafficpolicy.yaml",
        ("btp",),
        options={"route": _NAME},
    ),
    Template(
        "SecurityPolicy",
        "authentication and authorization (Envoy Gateway)",
        _FILES / "securitypolicy.yaml",
        ("sp",),
        options={"route": _NAME},
        derived={"users": "${name}-users", "keys": "${name}-keys"},
        parts=("basic", "api-key", "jwt", "cors", "authorization"),
        default_part="basic",
    ),
    Template(
        "HTTPRouteFilter",
        "what standard filters cannot say (Envoy Gateway)",
        _FILES / "httproutefilter.yaml",
        ("hrf",),
        derived={"secret": "${name}-credential"},
        parts=("direct-response", "rewrite", "credential"),
        default_part="direct-response",
    ),
)
"""Every template, in the order in which `new` lists them."""
