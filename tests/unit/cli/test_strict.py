"""`--strict`: App Mesh manifests are refused where its controller refused them, whatever the manifests say."""

from pathlib import Path

import pytest

from anygate.cli.app import main

EXAMPLES = Path(__file__).parents[3] / "examples" / "app-mesh"
WALKTHROUGH = str(EXAMPLES / "products")
TOLERANT = """
apiVersion: anygate.dev/v1alpha1
kind: AppMeshSettings
metadata: {name: zz-tolerant}
spec: {mode: tolerant}
"""


def test_check_refuses_what_the_controller_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", WALKTHROUGH]) == 0
    assert "error" not in capsys.readouterr().out
    assert main(["check", "--strict", WALKTHROUGH]) == 1
    printed = capsys.readouterr().out
    assert "error[mesh-explicit-owner]: create may not specify read-only field: spec.meshRef" in printed
    assert 'error[mesh-other-name]: unknown field "virtualGatewayName"' in printed
    assert "command line" not in printed


def test_check_takes_what_the_controller_took(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--strict", str(EXAMPLES / "catalog")]) == 0
    assert capsys.readouterr().err == "no mistakes in 11 objects of 2 files\n"


def test_the_command_line_has_the_last_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(TOLERANT)
    assert main(["check", WALKTHROUGH, str(settings)]) == 0
    assert main(["check", "--strict", WALKTHROUGH, str(settings)]) == 1
    capsys.readouterr()


def test_explain_sees_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    url = "http://127.0.0.1:8080/products/items"
    assert main(["explain", WALKTHROUGH, url]) == 0
    assert "product-service-v1" in capsys.readouterr().out
    assert main(["explain", "--strict", WALKTHROUGH, url]) == 1
    assert "product-service-v1" not in capsys.readouterr().out
