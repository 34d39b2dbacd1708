"""What `anygate convert` makes of each feature of App Mesh that the Gateway API has no words of its own for."""

from pathlib import Path

import pytest

from anygate.cli.app import main
from anygate.dialects.app_mesh.examples import (
    ALL,
    NODE_SPEC,
    join,
    render_gateway,
    render_node,
    render_object,
    render_route,
    render_router,
)

TARGET = "action: {target: {virtualService: {virtualServiceRef: {name: items}}}}"
ACTION = "action: {weightedTargets: [{virtualNodeRef: {name: items}, weight: 1}]}"


def route(match: str, more: str = "") -> str:
    return f"{more}\nhttpRoute:\n  match: {match} # here\n  {TARGET}\n"


def gateway(listener: str, more: str = "") -> str:
    return (
        f"namespaceSelector: {{}}\nlisteners:\n- portMapping: {{port: 8080, protocol: http}} # here\n{listener}{more}"
    )


def tls(mode: str, certificate: str) -> str:
    return f"  tls:\n    mode: {mode}\n    certificate: {{{certificate}}}\n"


FILES = "file: {certificateChain: /tls.crt, privateKey: /tls.key}"
SAYS = [
    ("convert-prefix", render_route(route("{prefix: /items}"))),
    ("convert-prefix", render_route(route("{prefix: /items/}"))),
    (
        "convert-condition",
        render_route(route("{prefix: /, headers: [{name: x, match: {regex: a.*}}, {name: x, match: {regex: .*b}}]}")),
    ),
    ("convert-listener", render_gateway(gateway(tls("PERMISSIVE", FILES)))),
    ("convert-setting", render_gateway(gateway("", "logging: {accessLog: {file: {path: /dev/stdout}}}\n"))),
    ("convert-setting", render_node(NODE_SPEC.replace("http}", "http} # here"))),
    (
        "convert-mesh",
        ALL.replace("spec:\n  namespaceSelector: {}", "spec:\n  egressFilter: {type: DROP_ALL} # here", 1),
    ),
    ("convert-mesh", render_node(NODE_SPEC + "podSelector: {matchLabels: {app: items}} # here\n")),
    (
        "convert-mesh",
        render_node(NODE_SPEC + "backends: [{virtualService: {virtualServiceRef: {name: items}}}] # here\n"),
    ),
    (
        "convert-mesh",
        join(ALL, render_object("BackendGroup", "all", "virtualservices: [{name: items}] # here")),
    ),
]


@pytest.mark.parametrize(("rule", "manifests"), SAYS, ids=[f"{at}-{rule}" for at, (rule, _) in enumerate(SAYS)])
def test_a_loss_is_named_at_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rule: str, manifests: str
) -> None:
    (tmp_path / "in.yaml").write_text(manifests)
    main(["convert", str(tmp_path / "in.yaml"), "--to", "gateway-api", "--allow-lossy"])
    line = next(number for number, text in enumerate(manifests.splitlines(), 1) if "# here" in text)
    told = [text for text in capsys.readouterr().err.splitlines() if f"[{rule}]" in text]
    assert any(f"in.yaml:{line}:" in text for text in told), told


EXACT = [
    # A numeric priority, kept by the order of rules or by further matches.
    (render_route("priority: 7" + route("{path: {exact: /a}}")), "type: Exact"),
    # No fall-through: what a router does not take is not found.
    (
        render_router(f"routes:\n- name: a\n  httpRoute:\n    match: {{path: {{exact: /a}}}}\n    {ACTION}"),
        "statusCode: 404",
    ),
    (render_route(route("{path: {exact: /a}, headers: [{name: x, match: {range: {start: 7, end: 12}}}]}")), "[7-9]"),
    (render_route(route("{path: {exact: /a}, headers: [{name: x, match: {prefix: v.}}]}")), "v\\..*"),
    (
        render_route(route("{path: {exact: /a}, headers: [{name: x, invert: true, match: {exact: v}}]}")),
        "statusCode: 404",
    ),
    (ALL, "numRetries: 2"),
    (ALL, "request: 15s"),
    (
        render_node(NODE_SPEC.replace("http}\n", "http}\n  connectionPool: {http: {maxConnections: 9}}\n")),
        "maxConnections: 9",
    ),
    (
        render_node(
            NODE_SPEC.replace(
                "http}\n",
                "http}\n  outlierDetection: {maxServerErrors: 6, maxEjectionPercent: 50, "
                "interval: {unit: s, value: 5}, baseEjectionDuration: {unit: s, value: 9}}\n",
            )
        ),
        "consecutive5XxErrors: 6",
    ),
    (
        render_node(
            NODE_SPEC.replace(
                "http}\n",
                "http}\n  healthCheck: {protocol: http, path: /health, healthyThreshold: 2, unhealthyThreshold: 2, "
                "intervalMillis: 5000, timeoutMillis: 2000}\n",
            )
        ),
        "path: /health",
    ),
]


@pytest.mark.parametrize(("manifests", "written"), EXACT, ids=[written for _, written in EXACT])
def test_a_feature_is_carried(tmp_path: Path, capsys: pytest.CaptureFixture[str], manifests: str, written: str) -> None:
    (tmp_path / "in.yaml").write_text(manifests)
    assert main(["convert", str(tmp_path / "in.yaml"), "--to", "gateway-api"]) == 0
    assert written in capsys.readouterr().out


def test_a_refused_certificate_stops_the_conversion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One from ACM is nowhere outside of AWS, and its port is not served instead."""
    (tmp_path / "in.yaml").write_text(
        render_gateway(gateway(tls("STRICT", "acm: {certificateARN: 'arn:aws:acm:eu-west-1:1:certificate/a'}")))
    )
    assert main(["convert", str(tmp_path / "in.yaml"), "--to", "gateway-api"]) == 1
    assert "nothing was written" in capsys.readouterr().err


def test_a_policy_of_clients_becomes_one_of_the_backend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = "backendDefaults: {clientPolicy: {tls: {validation: {trust: {file: {certificateChain: /ca.pem}}}}}}\n"
    (tmp_path / "in.yaml").write_text(render_gateway(gateway("", policy)))
    assert main(["convert", str(tmp_path / "in.yaml"), "--to", "gateway-api", "--report", "-"]) == 0
    told = capsys.readouterr()
    assert "kind: BackendTLSPolicy" in told.out
    assert "hostname: items.default.svc.cluster.local" in told.out
    assert "--from-file=ca.crt=/ca.pem" in told.err


def test_calls_of_grpc_become_a_route_for_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = """
    grpcRoute:
      match: {serviceName: shop.Items}
      action:
        target: {virtualService: {virtualServiceRef: {name: items}}}
        rewrite: {hostname: {defaultTargetHostname: DISABLED}}
    """
    text = render_route(call).replace("protocol: http", "protocol: grpc")
    (tmp_path / "in.yaml").write_text(text)
    assert main(["convert", str(tmp_path / "in.yaml"), "--to", "gateway-api"]) == 0
    told = capsys.readouterr().out
    assert "kind: GRPCRoute" in told
    assert "service: shop.Items" in told
    assert "appProtocol: kubernetes.io/h2c" in told
