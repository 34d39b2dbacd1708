"""`anygate links`: what it writes, deletes and leaves alone, and how it says so."""

import json
import os
import shutil
import stat
from pathlib import Path

import pytest
import yaml

from anygate.cli.app import main
from anygate.cli.new import find_template

STACK = """
domain: lab.example.org
components:
- {name: shop, type: fastapi}
- {name: charts, type: grafana}
links:
- {link: apisix-fastapi, subdomain: shop}
- {link: apisix-grafana, subdomain: charts}
"""
WITHOUT_CHARTS = STACK.replace("- {link: apisix-grafana, subdomain: charts}\n", "")
FILES = ["helm/helm-values-apisix.yaml", "route/fastapi.yaml", "route/grafana.yaml", "route/kustomization.yaml"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stack.yaml").write_text(STACK)
    return tmp_path


def run(*options: str, output: str = "route/") -> int:
    return main(["links", "stack.yaml", "-o", output, *options])


def snapshot(folder: Path) -> dict[str, tuple[str, int]]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "stack.yaml"]
    return {str(path.relative_to(folder)): (path.read_text(), path.stat().st_mtime_ns) for path in files}


def test_writes_every_file_and_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    assert sorted(snapshot(folder)) == FILES
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [f"wrote {name}" for name in FILES]
    resources = yaml.safe_load((folder / "route/kustomization.yaml").read_text())["resources"]
    assert resources == ["fastapi.yaml", "grafana.yaml"]
    assert stat.S_IMODE((folder / "route/fastapi.yaml").stat().st_mode) & 0o400


def test_a_second_run_touches_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run()
    before = snapshot(folder)
    capsys.readouterr()
    assert run() == 0
    assert snapshot(folder) == before
    assert capsys.readouterr().err == "up to date: 6 objects in 3 files\n"


def test_files_of_removed_links_are_deleted_and_others_never(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run()
    foreign = {"route/custom.yaml": "mine", "route/loki.yaml": "kind: mine\n", "route/notes.txt": "# managed by"}
    for name, text in foreign.items():
        (folder / name).write_text(text)
    (folder / "stack.yaml").write_text(WITHOUT_CHARTS)
    capsys.readouterr()
    assert run() == 0
    left = snapshot(folder)
    assert sorted(left) == sorted([*(name for name in FILES if "grafana" not in name), *foreign])
    assert {name: left[name][0] for name in foreign} == foreign
    printed = capsys.readouterr().err
    assert "deleted route/grafana.yaml\n" in printed
    assert "route/loki.yaml:1:1: warning[stack-foreign-file-kept]" in printed
    assert run("--no-prune") == 0


def test_without_pruning_nothing_is_deleted(folder: Path) -> None:
    run()
    (folder / "stack.yaml").write_text(WITHOUT_CHARTS)
    assert run("--no-prune") == 0
    assert sorted(snapshot(folder)) == FILES


def test_a_foreign_file_in_the_way(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "route").mkdir()
    (folder / "route/grafana.yaml").write_text("kind: mine\n")
    assert run() == 1
    assert sorted(snapshot(folder)) == ["route/grafana.yaml"]
    printed = capsys.readouterr().err
    assert "route/grafana.yaml:1:1: error[stack-foreign-file]" in printed
    assert "--force" in printed
    assert run("--force") == 0
    assert sorted(snapshot(folder)) == FILES


def test_a_file_that_is_no_text_is_foreign(folder: Path) -> None:
    (folder / "route").mkdir()
    (folder / "route/grafana.yaml").write_bytes(b"\xff\xfe\x00\xd8")
    assert run() == 1
    assert run("--force") == 0


@pytest.mark.parametrize("options", [(), ("--check",), ("--diff",), ("--force",)])
def test_nothing_is_written_when_anything_is_wrong(
    folder: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    (folder / "stack.yaml").write_text(STACK.replace("subdomain: charts", "subdomain: charts, cors: maybe"))
    assert run(*options) == 1
    assert snapshot(folder) == {}
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "stack.yaml:8:51: error[stack-wrong-type]" in printed.err
    assert printed.err.endswith("found 1 error\nnothing was written\n")


def test_strict(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "stack.yaml").write_text(STACK.replace("subdomain: charts", "subdomain: charts, whitelist: true"))
    assert run("--strict") == 1
    assert snapshot(folder) == {}
    assert "warning[stack-whitelist-default]" in capsys.readouterr().err
    assert run() == 0


def test_check(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--check") == 1
    assert snapshot(folder) == {}
    assert "route/grafana.yaml: is missing\n" in capsys.readouterr().err
    run()
    assert run("--check") == 0
    before = snapshot(folder)
    (folder / "stack.yaml").write_text(WITHOUT_CHARTS.replace("subdomain: shop", "subdomain: store"))
    capsys.readouterr()
    assert run("--check") == 1
    assert snapshot(folder) == before
    assert capsys.readouterr().err.splitlines() == [
        "route/fastapi.yaml: differs",
        "route/grafana.yaml: is to be deleted",
        "route/kustomization.yaml: differs",
        "not up to date",
        "hint: run `anygate links` without --check",
    ]


def test_diff(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run()
    (folder / "stack.yaml").write_text(WITHOUT_CHARTS)
    before = snapshot(folder)
    capsys.readouterr()
    assert run("--diff") == 0
    assert snapshot(folder) == before
    shown = capsys.readouterr().out
    assert "--- a/route/grafana.yaml\n+++ /dev/null\n" in shown
    assert "-resources: [fastapi.yaml, grafana.yaml]\n+resources: [fastapi.yaml]\n" in shown
    assert run("--diff", "--check") == 1
    run()
    capsys.readouterr()
    assert run("--diff") == 0
    assert capsys.readouterr().out == ""


def test_where_the_overlay_goes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("--helm", "values.yaml", output="deep/er/route") == 0
    assert (folder / "values.yaml").exists()
    assert run(output=str(folder / "out" / "route")) == 0
    assert (folder / "out/helm/helm-values-apisix.yaml").exists()
    (folder / "here/route").mkdir(parents=True)
    monkeypatch.chdir(folder / "here/route")
    assert main(["links", "../../stack.yaml", "-o", "."]) == 0
    assert (folder / "here/helm/helm-values-apisix.yaml").exists()
    assert (folder / "here/route/fastapi.yaml").exists()


def test_a_secret_from_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = STACK.replace("{name: charts, type: grafana}", "{name: logs, type: loki}")
    text = text.replace("apisix-grafana, subdomain: charts", "apisix-loki, subdomain: logs, api_key: {env: A_KEY}")
    (folder / "stack.yaml").write_text(text)
    monkeypatch.delenv("A_KEY", raising=False)
    assert run() == 1
    monkeypatch.setenv("A_KEY", "k-1")
    assert run() == 0
    assert "key: k-1\n" in (folder / "route/loki.yaml").read_text()


def test_the_context(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--dump-context", "-", "--check") == 1
    found = json.loads(capsys.readouterr().out)
    names = ["__ingress", "__gateway", "__gateway_link", "__ai_gateway", "__ai_gateway_link", "__stream"]
    assert list(found) == names
    assert [one["host"] for one in found["__ingress"]] == ["charts.lab.example.org", "shop.lab.example.org"]
    assert run("--dump-context", "context.json") == 0
    assert json.loads((folder / "context.json").read_text()) == found


def test_other_ways_of_writing(folder: Path) -> None:
    assert run("--layout", "stacktic", "--controller", "1.8", "--ai-mode", "ai-proxy") == 0
    assert "ingressClassName" not in (folder / "route/fastapi.yaml").read_text()


def test_a_change_of_layout_moves_files(folder: Path) -> None:
    text = STACK.replace("grafana", "prometheus")
    (folder / "stack.yaml").write_text(text)
    run()
    assert (folder / "route/prometheus.yaml").exists()
    assert run("--layout", "stacktic") == 0
    assert not (folder / "route/prometheus.yaml").exists()
    assert (folder / "route/prometheus_ingress.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "name a stack file"),
        (["stack.yaml"], 2, "name the folder of the route files with -o"),
        ([".", "-o", "route"], 2, ". is a folder"),
        (["none.yaml", "-o", "route"], 3, "none.yaml: no such file"),
        (["stack.yaml", "-o", "route", "--layout", "x"], 2, "layout"),
        (["stack.yaml", "-o", "stack.yaml"], 3, "not a directory"),
    ],
)
def test_wrong_usage(arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["links", *arguments]) == code
    assert said in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "route").mkdir(mode=0o500)
    assert run() == 3
    assert "permission denied" in capsys.readouterr().err
    assert list((folder / "route").iterdir()) == []


def test_nothing_is_left_when_writing_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.write_bytes

    def fail(path: Path, content: bytes) -> int:
        if "kustomization" in path.name:
            raise OSError(28, "No space left on device")
        return real(path, content)

    monkeypatch.setattr(Path, "write_bytes", fail)
    assert run() == 3
    assert snapshot(folder) == {}


def test_standard_input(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (folder / "stack.yaml").open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert main(["links", "-", "-o", "route"]) == 0
    assert sorted(snapshot(folder)) == FILES


PARTS = ["", "--with ports", "--with oidc", "--with gateway", "--with ai", "--hostname x.example -n apps"]
PARTS.append(" ".join(PARTS[1:5]))


@pytest.mark.parametrize("options", PARTS)
def test_a_stack_to_start_from(folder: Path, options: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "stack", "shop", *options.split()]) == 0
    text = capsys.readouterr().out
    (folder / "stack.yaml").write_text(text)
    assert run("--strict" if "ai" not in options else "--diff") == 0
    assert "warning" not in capsys.readouterr().err
    uncommented = text.replace("  # whitelist", "  whitelist").replace("  # ip_w", "  ip_w")
    for name in ("websocket", "proxy_rewrite", "apisix_timeout", "additional_domain"):
        uncommented = uncommented.replace(f"  # {name}:", f"  {name}:")
    (folder / "stack.yaml").write_text(uncommented)
    shutil.rmtree(folder / "route", ignore_errors=True)
    assert run("--strict") == 0
    written = yaml.safe_load_all((folder / "route/fastapi.yaml").read_text())
    assert (
        "api.example.net"
        in next(one for one in written if one["kind"] == "ApisixRoute")["spec"]["http"][0]["match"]["hosts"]
    )


def test_the_parts_of_that_stack_are_all_tried() -> None:
    assert {f"--with {part}" for part in find_template("stack").parts} <= set(PARTS)


def test_its_rules_have_pages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rule", "stack-cidr"]) == 0
    assert "Right:\n    domain: lab.example.org\n" in capsys.readouterr().out
