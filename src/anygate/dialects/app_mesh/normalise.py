"""What of an object is written in another way than App Mesh has it: every such place with a remark.

The kinds take these shapes and give them one meaning; here they are only named. Pure functions. With `strict`, what
is accepted only here is an error.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from anygate.diagnostics import Diagnostic, FieldPath, Report, Rule, Severity
from anygate.dialects.app_mesh import shape_findings as findings
from anygate.dialects.app_mesh.kinds import (
    backendgroup,
    gatewayroute,
    matches,
    mesh,
    references,
    tls,
    virtualgateway,
    virtualnode,
    virtualrouter,
    virtualservice,
)
from anygate.dialects.app_mesh.kinds.values import LEGACY_VERSIONS
from anygate.manifests.kind import Kind, Node

_AWS_NAME, _MESH_REF = "awsName", "meshRef.name"
_OTHER_NAMES: Mapping[tuple[type[Node], str], str] = {
    (mesh.MeshSpec, "mesh_name"): _AWS_NAME,
    (mesh.MeshSpec, "service_discovery_type"): "serviceDiscovery of each node",
    (virtualnode.VirtualNodeSpec, "virtual_node_name"): _AWS_NAME,
    (virtualnode.VirtualNodeSpec, "mesh_name"): _MESH_REF,
    (virtualrouter.VirtualRouterSpec, "virtual_router_name"): _AWS_NAME,
    (virtualrouter.VirtualRouterSpec, "mesh_name"): _MESH_REF,
    (virtualrouter.RouteSpec, "mesh_name"): _MESH_REF,
    (virtualrouter.RouteSpec, "virtual_router_name"): "virtualRouterRef.name",
    (virtualservice.VirtualServiceSpec, "virtual_service_name"): _AWS_NAME,
    (virtualservice.VirtualServiceSpec, "mesh_name"): _MESH_REF,
    (virtualservice.VirtualServiceSpec, "virtual_router"): "a VirtualRouter",
    (virtualservice.VirtualServiceSpec, "routes"): "the routes of a VirtualRouter",
    (virtualgateway.VirtualGatewaySpec, "virtual_gateway_name"): _AWS_NAME,
    (virtualgateway.VirtualGatewaySpec, "mesh_name"): _MESH_REF,
    (gatewayroute.GatewayRouteSpec, "gateway_route_name"): _AWS_NAME,
    (gatewayroute.GatewayRouteSpec, "virtual_gateway_name"): "virtualGatewayRef.name",
    (gatewayroute.GatewayRouteSpec, "mesh_name"): _MESH_REF,
    (references.ServiceReference, "virtual_service_name"): "virtualServiceRef by the service's AWS name",
    (references.NodeReference, "virtual_node"): "virtualNodeRef.name",
    (references.NodeReference, "virtual_node_name"): "virtualNodeRef.name",
    (references.RouterReference, "virtual_router_name"): "virtualRouterRef.name",
    (virtualnode.Dns, "host_name"): "hostname",
    (virtualnode.ServiceDiscovery, "cloud_map"): "awsCloudMap",
    (virtualrouter.RetryPolicy, "per_retry_timeout_millis"): "perRetryTimeout",
    **{(virtualrouter.RouteFields, name): f"{name}Route" for name in ("http", "http2", "grpc", "tcp")},
    (tls.AcmCertificate, "old_certificate_arn"): "certificateARN",
    (tls.AcmTrust, "old_certificate_authority_arns"): "certificateAuthorityARNs",
    (backendgroup.BackendGroupSpec, "camel_virtualservices"): "virtualservices",
}
"""Fields by other names, and what they are read as."""

_OWNERS = ("mesh_ref", "virtual_gateway_ref")
_ARNS = {f"virtual_{kind}_arn": f"virtual_{kind}_ref" for kind in ("service", "node", "router")}
"""References by ARN, and those by name beside them."""

_RESERVED_NAMES = ("aws.app-mesh", "aws.appmesh")
_RESERVED_PREFIXES = ("/aws-app-mesh", "/aws-appmesh")
_PATTERN_LETTERS = frozenset(".*+?()[]{}|^$\\")


def normalise(kind: Kind, strict: bool = False) -> tuple[Diagnostic, ...]:
    """The remarks on how an object is written, those of its reading first."""
    notes = _Notes(kind, strict)
    if kind.manifest.version in LEGACY_VERSIONS:
        notes.add(findings.OLDER_SHAPE, f"{kind.manifest.version} is read as v1beta2", "apiVersion")
        return notes.all
    if kind.manifest.kind == "Mesh" and kind.manifest.value["metadata"].get("namespace"):
        notes.add(findings.OTHER_SHAPE, "a Mesh belongs to no namespace", "metadata", "namespace")
    if kind.manifest.kind == "Route":
        router = kind.spec.virtual_router_ref.name if kind.spec.virtual_router_ref else kind.spec.virtual_router_name
        text = f"the route is read as one of VirtualRouter {router}"
        notes.add(findings.ROUTE_OBJECT, text, "kind", hint="put it into the router's spec.routes")
    if kind.manifest.kind == "VirtualService":
        _look_at_service_name(kind, notes)
    for node, path in _walk(kind.spec, ("spec",)):
        _look_at_names(node, path, notes)
        _look_at_shape(node, path, notes)
    return notes.all


def is_refused(remarks: tuple[Diagnostic, ...]) -> bool:
    """Whether a remark says that the object must not be used."""
    return any(remark.severity is Severity.ERROR for remark in remarks)


class _Notes:
    """Remarks on one object, after those of its reading."""

    def __init__(self, kind: Kind, strict: bool) -> None:
        self._kind = kind
        self._strict = strict and kind.manifest.version not in LEGACY_VERSIONS
        self._report = Report()
        self._report.extend(kind.remarks)

    def add(self, rule: Rule, message: str, *path: str | int, hint: str = "", refusal: str = "") -> None:
        """Note the field at `path`; `refusal` is what a cluster says about it."""
        self._report.add(
            rule,
            (refusal or message) if self._strict else message,
            self._kind.span(path),
            path=path,
            object=self._kind.ref,
            hint=hint,
            severity=Severity.ERROR if self._strict and rule is not findings.WHOLE_VALUE else None,
        )

    def is_text(self, path: FieldPath) -> bool:
        """Whether text was written at `path`."""
        value: Any = self._kind.manifest.value
        for step in path:
            value = value[step]
        return isinstance(value, str)

    def has_mapping(self, path: FieldPath) -> bool:
        """Whether a mapping was written at `path`."""
        value: Any = self._kind.manifest.value
        for step in path:
            value = value[step]
        return isinstance(value, dict)

    @property
    def all(self) -> tuple[Diagnostic, ...]:
        return self._report.diagnostics


def _walk(value: Any, path: FieldPath) -> Iterator[tuple[Node, FieldPath]]:
    """Every node of a spec with its place."""
    if isinstance(value, tuple):
        for index, one in enumerate(value):
            yield from _walk(one, (*path, index))
    elif isinstance(value, Node):
        yield value, path
        for name in value.model_fields_set:
            child = getattr(value, name)
            if isinstance(child, Node | tuple):
                yield from _walk(child, (*path, field_name(type(value), name)))


@cache
def field_name(model: type[Node], name: str) -> str:
    """The name of a field in a manifest."""
    return model.model_fields[name].alias or name


def _look_at_names(node: Node, path: FieldPath, notes: _Notes) -> None:
    for name in sorted(node.model_fields_set):
        if getattr(node, name) is None:
            continue
        alias = field_name(type(node), name)
        known = _meaning(type(node), name)
        if known is not None:
            text = f"{alias} is read as {known}"
            notes.add(findings.OTHER_NAME, text, *path, alias, refusal=f'unknown field "{alias}"')
        elif name in _OWNERS and not isinstance(node, virtualrouter.RouteSpec):
            owner = "mesh" if name == "mesh_ref" else "gateway"
            refusal = f"create may not specify read-only field: spec.{alias}"
            notes.add(
                findings.EXPLICIT_OWNER, f"the object belongs to the {owner} named here", *path, alias, refusal=refusal
            )
        elif name in _ARNS and getattr(node, _ARNS[name]) is not None:
            notes.add(findings.OTHER_SHAPE, f"{alias} holds, not the reference beside it", *path, alias)


@cache
def _meaning(model: type[Node], name: str) -> str | None:
    """What a field by another name is read as."""
    keys = ((one, name) for one in model.__mro__ if issubclass(one, Node))
    return next((_OTHER_NAMES[key] for key in keys if key in _OTHER_NAMES), None)


def _look_at_shape(node: Node, path: FieldPath, notes: _Notes) -> None:
    if isinstance(node, matches.PathMatch | gatewayroute.PrefixRewrite | gatewayroute.PathRewrite):
        if notes.is_text(path):
            word = "value" if isinstance(node, gatewayroute.PrefixRewrite) else "exact"
            notes.add(findings.OTHER_SHAPE, f"text alone is read as {word}", *path)
    elif isinstance(node, matches.HeaderValue | matches.ParameterValue) and node.present is not None:
        text = "present is read as a condition without match" + ("" if node.present else ", inverted")
        notes.add(findings.OTHER_SHAPE, text, *path, "present")
    elif isinstance(node, matches.ParameterValue) and node.exact is None:
        (name,) = node.model_fields_set
        notes.add(findings.OTHER_SHAPE, f"App Mesh has no {name} for query parameters", *path, name)
    elif isinstance(node, matches.QueryMatch) and node.invert:
        notes.add(findings.OTHER_SHAPE, "App Mesh has no invert for query parameters", *path, "invert")
    elif isinstance(node, gatewayroute.HostnameMatch) and node.suffix and node.suffix.removeprefix("*")[:1] != ".":
        notes.add(findings.OTHER_SHAPE, "App Mesh never matches a suffix within a label", *path, "suffix")
    elif isinstance(node, gatewayroute.HttpGatewayRoute) and node.rewrite is not None:
        notes.add(findings.OTHER_SHAPE, "rewrite is read as action.rewrite", *path, "rewrite")
    elif isinstance(node, virtualnode.CloudMap) and node.attributes and notes.has_mapping((*path, "attributes")):
        notes.add(findings.OTHER_SHAPE, "a mapping is read as a list of key and value", *path, "attributes")
    elif isinstance(node, gatewayroute.HttpGatewayMatch | virtualrouter.HttpMatch):
        if (node.prefix or "").startswith(_RESERVED_PREFIXES):
            notes.add(findings.RESERVED, "App Mesh keeps paths that start so for itself", *path, "prefix")
        if getattr(node, "scheme", None) is not None and path[-2] == "httpRoute":
            notes.add(findings.OTHER_SHAPE, "App Mesh documents scheme for http2Route only", *path, "scheme")
    elif isinstance(node, tls.ListenerTls) and node.validation is not None and node.validation.trust.acm is not None:
        place = ("validation", "trust", "acm")
        notes.add(findings.OTHER_SHAPE, "App Mesh has no authorities of AWS for listeners", *path, *place)
    if isinstance(node, virtualnode.Dns | virtualnode.CloudMap) and node.ip_preference is not None:
        notes.add(findings.OTHER_SHAPE, "only App Mesh's API has ipPreference here", *path, "ipPreference")
    if "port" in node.model_fields_set and getattr(node, "port", None) == 0:
        notes.add(findings.OTHER_SHAPE, "port 0 is read as no port", *path, "port")
    if "regex" in node.model_fields_set:
        _look_at_regex(node, path, notes)


def _look_at_service_name(kind: Kind, notes: _Notes) -> None:
    own = kind.spec.aws_name or kind.spec.virtual_service_name or ""
    if (own or f"{kind.name}.{kind.namespace}").startswith(_RESERVED_NAMES):
        field = "awsName" if kind.spec.aws_name else "virtualServiceName"
        path = ("spec", field) if own else ("metadata", "name")
        notes.add(findings.RESERVED, "App Mesh keeps names that start so for itself", *path)


def _look_at_regex(node: Node, path: FieldPath, notes: _Notes) -> None:
    regex = getattr(node, "regex", None)
    if isinstance(regex, str) and not _PATTERN_LETTERS & set(regex):
        notes.add(
            findings.WHOLE_VALUE,
            f"the expression only matches the whole value {regex!r}",
            *path,
            "regex",
            hint=f"write .*{regex}.* for a value that contains it",
        )
