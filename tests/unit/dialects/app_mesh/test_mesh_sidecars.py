"""Sidecars as the model has them; golden cases have the whole of them."""

from anygate.cli.settings_source import make_settings
from anygate.compiler import read_sources
from anygate.diagnostics import Report, SourceFile
from anygate.dialects.app_mesh.examples import ALL, GATEWAY, MESH, NODE, NODE_SPEC, ROUTE, SERVICE, join, render_object
from anygate.model import Model
from anygate.model.backend import Backend
from anygate.model.listener import Listener

CALLS = "backends: [{virtualService: {virtualServiceRef: {name: %s}}}]"


def read(text: str, *nodes: str) -> Model:
    report = Report()
    found = read_sources([SourceFile("in.yaml", text), *make_settings(nodes=nodes)], report)
    assert [str(one) for one in report.diagnostics if one.severity == "error"] == []
    return found.model


def listeners(model: Model) -> dict[str, Listener]:
    return {one.name: one for gateway in model.gateways for one in gateway.listeners}


def backend(model: Model, start: str) -> Backend:
    (found,) = (one for one in model.backends if one.name.startswith(start))
    return found


def test_sidecars_run_instead_of_gateways() -> None:
    assert [one.name for one in read(ALL).gateways] == ["VirtualGateway/default/web"]
    assert [one.name for one in read(ALL, "items").gateways] == ["VirtualNode/default/items"]


def test_a_router_of_the_first_api_has_the_port_of_its_first_target() -> None:
    service = render_object(
        "VirtualService",
        "items.default",
        "{meshName: shop, routes: [{name: all, http: {match: {prefix: /}, action: {weightedTargets: "
        "[{virtualNodeName: items, weight: 1}]}}}]}",
        version="v1beta1",
    )
    node = render_object("VirtualNode", "shop", CALLS.replace("Ref: {name: %s}", "Name: items.default"))
    model = read(join(MESH, NODE, service, node), "shop")
    (found,) = listeners(model).values()
    assert (found.port, found.local_port, found.loopback) == (8080, 15001, True)


def test_a_workload_is_on_the_loopback_of_the_family_that_its_mesh_prefers() -> None:
    six = MESH.replace(
        "namespaceSelector: {}", "namespaceSelector: {}\n  meshServiceDiscovery: {ipPreference: IPv6_ONLY}"
    )
    for mesh, host in ((MESH, "127.0.0.1"), (six, "::1")):
        model = read(join(mesh, NODE, SERVICE, GATEWAY, ROUTE), "items")
        assert backend(model, "cds_ingress").groups[0].endpoints[0].host == host


def test_a_backend_says_which_sidecar_is_in_front_of_it() -> None:
    text = join(ALL, render_object("VirtualNode", "shop", CALLS % "items"))
    assert backend(read(text, "shop"), "cds_egress").behind == ""
    both = read(text, "shop", "items")
    assert backend(both, "cds_egress").behind in listeners(both)


def test_a_policy_of_a_backend_replaces_the_default_as_a_whole() -> None:
    defaults = "backendDefaults: {clientPolicy: {tls: {validation: {trust: {file: {certificateChain: /ca.pem}}}}}}\n"
    for policy, is_encrypted in (("", True), (", clientPolicy: {}", False)):
        calls = (CALLS % "items").replace("}}}]", "}" + policy + "}}]")
        model = read(join(ALL, render_object("VirtualNode", "shop", defaults + calls)), "shop")
        assert (backend(model, "cds_egress").tls is not None) == is_encrypted


def test_bounds_are_kept_by_the_sidecar_where_it_runs_and_else_by_its_clients() -> None:
    pool = NODE_SPEC.replace("protocol: http}", "protocol: http}\n  connectionPool: {http: {maxConnections: 7}}")
    node = render_object("VirtualNode", "items", pool)
    text = join(MESH, node, SERVICE, render_object("VirtualNode", "shop", CALLS % "items"))

    def kept(model: Model, start: str) -> bool:
        bounds = backend(model, start).connection.circuit_breaker
        return bounds is not None and bounds.connections == 7

    assert kept(read(text, "shop"), "cds_egress")
    both = read(text, "shop", "items")
    assert (kept(both, "cds_egress"), kept(both, "cds_ingress")) == (False, True)
