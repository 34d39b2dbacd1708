"""`--node`: commands that look at the sidecar of a VirtualNode instead of gateways."""

import json
from pathlib import Path

import pytest

from anygate.cli.app import main
from anygate.dialects.app_mesh.examples import ALL, NODE_SPEC, join, render_object

BACKENDS = "backends: [{virtualService: {virtualServiceRef: {name: items}}}]"
MANIFESTS = join(
    *(ALL, render_object("VirtualNode", "shop", NODE_SPEC.replace("items", "shop") + BACKENDS)),
    render_object("VirtualService", "stray", "provider: {virtualNode: {virtualNodeRef: {name: shop}}}"),
)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("mesh.yaml").write_text(MANIFESTS)
    return "mesh.yaml"


@pytest.mark.parametrize(
    ("url", "listener", "status"),
    [
        ("http://items.default:8080/a", "VirtualNode/default/shop/egress/15001", None),
        ("http://items.default:15001/a", "VirtualNode/default/shop/egress/15001", None),
        ("http://stray.default:15001/a", "VirtualNode/default/shop/egress/15001", 404),
        ("http://127.0.0.1:15000/a", "VirtualNode/default/shop/ingress/15000", None),
        ("http://shop.example:8080/a", "VirtualNode/default/shop/ingress/15000", None),
    ],
)
def test_explain_finds_the_way_through_a_sidecar(
    path: str, capsys: pytest.CaptureFixture[str], url: str, listener: str, status: int | None
) -> None:
    assert main(["explain", "--node", "default/shop", "--format", "json", path, url]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["steps"][0]["name"], found["decision"].get("status")) == (listener, status)


def test_check_names_the_nearest_node(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--node", "shp", path]) == 1
    told = capsys.readouterr().out
    assert "there is no VirtualNode shp" in told
    assert 'did you mean "shop"?' in told
    assert main(["check", "--node", "shop", path]) == 0


def test_a_node_of_manifests_without_a_mesh_is_named_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty.yaml"
    empty.write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: default}\n")
    assert main(["check", "--node", "shop", str(empty)]) == 1
    assert "there is no VirtualNode shop" in capsys.readouterr().out


def test_run_needs_manifests_for_its_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--node", "shop"]) == 2
    assert "name the manifests" in capsys.readouterr().err
