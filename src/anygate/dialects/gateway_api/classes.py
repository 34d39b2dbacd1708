"""GatewayClass: every class is ours, whichever controller it names, for there is no other controller here."""

from anygate.diagnostics import ObjectRef, Rule, Severity
from anygate.dialects.gateway_api.context import ENVOY_GATEWAY, GATEWAY_API, Context, Fault
from anygate.dialects.gateway_api.findings import UNSUPPORTED
from anygate.dialects.gateway_api.kinds.gatewayclass import GatewayClass
from anygate.dialects.gateway_api.kinds.references import ParametersReference
from anygate.dialects.gateway_api.status import note

CLASS_NOT_FOUND = Rule(
    "gatewayclass-not-found",
    Severity.NOTE,
    what="A Gateway names a GatewayClass that is not among those of the manifests.",
    why="Here the Gateway runs all the same; in a cluster the class must exist and name a running controller.",
    wrong="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: GatewayClass
    metadata: {name: envoy}
    spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec: {gatewayClassName: envoi, listeners: [{name: http, port: 80, protocol: HTTP}]}
    """,
    right="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: GatewayClass
    metadata: {name: envoy}
    spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec: {gatewayClassName: envoy, listeners: [{name: http, port: 80, protocol: HTTP}]}
    """,
)


def read_classes(context: Context) -> None:
    """Accept every GatewayClass, and say which Gateways name a class that is not here."""
    known = set()
    for item in context.index.all(GATEWAY_API, "GatewayClass"):
        assert isinstance(item, GatewayClass)
        known.add(item.name)
        section = context.status.object(item.ref)
        reference = item.spec.parameters_ref
        if reference is not None and (reference.group, reference.kind) != (ENVOY_GATEWAY, "EnvoyProxy"):
            text = f"parameters of kind {reference.kind} are not supported"
            fault = Fault(UNSUPPORTED, "InvalidParameters", text, "use an EnvoyProxy")
            context.refuse(section, "Accepted", fault, item.manifest, ("spec", "parametersRef"))
        elif reference is not None and context.index.get(*_parameters(reference)) is None:
            text = f"parametersRef names no EnvoyProxy called {reference.name}"
            fault = Fault(UNSUPPORTED, "InvalidParameters", text)
            context.refuse(section, "Accepted", fault, item.manifest, ("spec", "parametersRef"))
        note(section, "Accepted", True, "Accepted")
    for gateway in context.index.all(GATEWAY_API, "Gateway"):
        if known and gateway.spec.gateway_class_name not in known:
            context.add(
                CLASS_NOT_FOUND,
                f"there is no GatewayClass {gateway.spec.gateway_class_name}",
                gateway.manifest,
                ("spec", "gatewayClassName"),
            )


def _parameters(reference: ParametersReference) -> ObjectRef:
    return ObjectRef(reference.group, reference.kind, reference.namespace or "default", reference.name)
