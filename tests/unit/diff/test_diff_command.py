"""`anygate diff`: what is printed, and how it exits.

A case is a folder with `old.yaml` and `new.yaml`; `ANYGATE_UPDATE=1` rewrites its `diff.txt`.
"""

import io
import json
import os
from pathlib import Path

import pytest

from anygate.cli.app import main

CASES = sorted(path for path in (Path(__file__).parent / "cases").iterdir() if path.is_dir())
OLD, NEW = (str(Path(__file__).parent / "cases" / "routes" / name) for name in ("old.yaml", "new.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_text(case: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(case)
    assert main(["diff", "old.yaml", "new.yaml"]) == 1
    printed = capsys.readouterr()
    text = printed.out + printed.err
    golden = case / "diff.txt"
    if os.environ.get("ANYGATE_UPDATE"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_no_difference(capsys: pytest.CaptureFixture[str]):
    assert main(["diff", OLD, OLD]) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_json_has_all_that_the_text_has(capsys: pytest.CaptureFixture[str]):
    assert main(["diff", OLD, NEW, "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert main(["diff", OLD, NEW]) == 1
    text = capsys.readouterr().out
    assert len(found["entries"]) == text.count("\n\n") + 1
    for entry in found["entries"]:
        assert entry["title"] in text
        assert all(aspect["name"] in text and aspect["new"] in text for aspect in entry["aspects"])


def test_mistakes_are_said_and_exit_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    broken = tmp_path / "broken.yaml"
    broken.write_text(
        Path(NEW).read_text().replace("listeners: [", "listners: [{name: http}], listeners: [", 1) + "\n---\na: ["
    )
    assert main(["diff", OLD, str(broken)]) == 2
    assert "error" in capsys.readouterr().err


def test_standard_input_is_one_side(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(Path(OLD).read_bytes())))
    assert main(["diff", "-", OLD]) == 0
    assert main(["diff", "-", "-"]) == 2
    assert "standard input cannot be both" in capsys.readouterr().err


def test_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["diff", OLD, str(tmp_path / "nowhere.yaml")]) == 3
    assert main(["diff", OLD]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err


def test_help_says_how_it_exits(capsys: pytest.CaptureFixture[str]):
    assert main(["diff", "--help"]) == 0
    text = capsys.readouterr().out
    assert "diff [OPTIONS] OLD NEW" in text
    assert "Exits with 0" in text


APISIX = """
apiVersion: v1
kind: Service
metadata: {{name: shop}}
spec: {{ports: [{{port: 80}}]}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {{name: shop}}
spec:
  http:
  - name: all
    match: {{hosts: [shop.test, other.test], paths: [/*]}}
    backends: [{{serviceName: shop, servicePort: 80}}]
---
apiVersion: apisix.apache.org/v2
kind: ApisixTls
metadata: {{name: shop}}
spec: {{hosts: [shop.test], secret: {{name: one, namespace: default}}}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixTls
metadata: {{name: other}}
spec: {{hosts: [other.test], secret: {{name: {other}, namespace: default}}}}
"""


def test_certificates_of_names_that_share_a_port_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = []
    for name in ("one", "two"):
        assert main(["new", "certificate", name, "--hostname", f"{name}.test"]) == 0
        secrets.append(capsys.readouterr().out)
    for name, other in (("old", "one"), ("new", "two")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "in.yaml").write_text("---\n".join((APISIX.format(other=other), *secrets)))
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    assert main(["diff", old, old]) == 0
    assert main(["diff", old, new]) == 1
    printed = capsys.readouterr().out
    assert "~ listener other.test:9443" in printed
    assert "shop.test:9443" not in printed
