"""Stack files in the place of manifests: every command takes them, and says what is wrong at their lines."""

import io
from pathlib import Path

import pytest

from anygate.cli.app import main
from anygate.diagnostics import Report, SourceFile
from anygate.dialects.apisix.links.expand import expand_stack
from anygate.dialects.apisix.stack_files import is_stack
from anygate.loading import LoadCache, load_manifests

STACK = """domain: lab.test
apisix: {tls_secret: null}
components:
- {name: shop, type: fastapi}
- {name: charts, type: grafana}
links:
- {link: apisix-fastapi, subdomain: shop, ip_whitelist: 10.0.0.0/8}
- link: apisix-grafana
  subdomain: charts
  extra_plugins:
  - {name: limit-conn, config: {conn: -1, burst: 0, key: remote_addr, default_conn_delay: 1}}
"""
SOUND = STACK.partition("  extra_plugins")[0]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stack.yaml").write_text(SOUND)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (SOUND, True),
        ("links: []\n", True),
        ("components: []\ndomain: a.test\n", True),
        ("components: []\n", False),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: |\n    links: []\n", False),
        ("kind: Thing\nlinks: []\n", False),
        ("a:\n  links: []\n", False),
        ('"links": []\n', True),
        ('{"links": [], "x": 1,}', True),
        ('\n{"components": [{"name": "a", "domain": "b"}],\n\t"domain": "a.test"}', True),
        ("{domain: a.test, components: []}", True),
        ('{"components": [{"domain": "b"}]}', False),
        ('{"a": {"links": []}, "b": "\\"links\\": ["}', False),
        ('{"apiVersion": "v1", "kind": "ConfigMap", "links": []}', False),
        ("# links:\n", False),
        ("links: []\n---\napiVersion: v1\nkind: Secret\n", True),
        ("apiVersion: v1\nkind: Secret\n---\ncomponents: []\ndomain: a.test\n", True),
    ],
)
def test_a_stack_is_known_by_its_shape(text: str, wanted: bool) -> None:
    assert is_stack(SourceFile("any.yaml", text)) is wanted


def test_a_sound_stack_has_no_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--strict", "stack.yaml"]) == 0
    assert capsys.readouterr().err == "no mistakes in 4 objects of 1 file\n"


def test_findings_stand_at_the_link_and_name_the_object(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "stack.yaml").write_text(STACK)
    assert main(["check", "stack.yaml"]) == 1
    printed = capsys.readouterr().out
    assert "\nstack.yaml:8:3: " in f"\n{printed}"
    assert " of ApisixRoute/ingress-apisix/charts-route\n" in printed
    assert "8 | - link: apisix-grafana\n" in printed


JSON = """{
	"domain": "lab.test",
	"apisix": {"tls_secret": null},
	"components": [{"name": "shop", "type": "fastapi"}],
	"links": [
		{"link": "apisix-fastapi", "subdomain": "shop", "ip_whitelist": "10.0.0.0/8"}
	]
}
"""


def test_a_stack_in_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "stack.json").write_text(JSON)
    assert main(["check", "--strict", "stack.json"]) == 0
    assert capsys.readouterr().err == "no mistakes in 2 objects of 1 file\n"
    assert main(["links", "stack.json", "-o", "route"]) == 0
    (folder / "same.yaml").write_text(SOUND.partition("- link: apisix-grafana")[0])
    assert main(["links", "same.yaml", "-o", "route", "--check"]) == 0
    assert main(["explain", "stack.json", "http://shop.lab.test:9080/"]) == 0
    assert "route ApisixRoute/ingress-apisix/shop-route stack.json:6:3" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"subdomain":', '"subdomains":', 'stack.json:6:30: error[stack-unknown-field]: unknown field "subdomains"'),
        ('"10.0.0.0/8"', '["10.0.0.0/8", "10.0.0/8"]', "stack.json:6:82: error[stack-cidr]"),
        ('"fastapi"}', '"fastapi"', "stack.json:4:51: error[yaml-syntax]"),
        ('"10.0.0.0/8"}', '"10.0.0.0/8"', "stack.json:"),
    ],
)
def test_mistakes_in_json_stand_at_their_place(
    folder: Path, old: str, new: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "stack.json").write_text(JSON.replace(old, new))
    assert main(["check", "stack.json"]) == 1
    printed = capsys.readouterr().out
    assert said in printed
    assert "not-an-object" not in printed


def test_objects_go_to_other_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "stack.yaml").write_text(f"{SOUND}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\n")
    assert main(["check", "stack.yaml"]) == 1
    printed = capsys.readouterr().out
    assert "stack.yaml:11:1: error[stack-shape]: expected one document, found a second one" in printed
    assert "hint: a stack is one mapping; objects go to other files" in printed


def test_a_stack_of_any_class_is_served_here(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "stack.yaml").write_text(SOUND.replace("null}", "null, ingress_class: edge}"))
    assert main(["check", "--strict", "stack.yaml"]) == 0
    assert main(["links", "stack.yaml", "-o", "route"]) == 0
    assert "ingressClassName: edge" in (folder / "route/fastapi.yaml").read_text()
    capsys.readouterr()
    assert main(["check", "route"]) == 0
    assert "warning[apisix-class]: it is ignored: its class is edge" in capsys.readouterr().out


def test_mistakes_of_the_stack_are_those_of_links(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "stack.yaml").write_text(SOUND.replace("subdomain: charts", "subdomains: charts"))
    assert main(["check", "stack.yaml"]) == 1
    printed = capsys.readouterr().out
    assert 'stack.yaml:9:3: error[stack-unknown-field]: unknown field "subdomains"' in printed


def test_explain_leads_to_the_link(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "stack.yaml", "http://shop.lab.test:9080/"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "route ApisixRoute/ingress-apisix/shop-route stack.yaml:7:3" in printed
    assert "ip-restriction denies clients outside 10.0.0.0/8" in printed


def test_diff_tells_stacks_apart(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "other.yaml").write_text(SOUND.replace("10.0.0.0/8", "10.0.0.0/9"))
    assert main(["diff", "stack.yaml", "other.yaml"]) == 1
    assert "10.0.0.0/9" in capsys.readouterr().out
    assert main(["diff", "stack.yaml", "stack.yaml"]) == 0


def test_diff_of_a_stack_and_its_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["links", "stack.yaml", "-o", "route"]) == 0
    assert main(["diff", "stack.yaml", "route"]) == 0


def test_what_was_written_is_read_as_a_whole(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["links", "stack.yaml", "-o", "all/route"]) == 0
    assert (folder / "all/helm/helm-values-apisix.yaml").exists()
    assert main(["check", "all"]) == 0
    assert "error" not in capsys.readouterr().out


def test_convert(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "stack.yaml", "--to", "gateway-api", "--allow-lossy"]) == 0
    assert "shop.lab.test" in capsys.readouterr().out


def test_generated_files_beside_a_stack_are_not_read_twice(capsys: pytest.CaptureFixture[str]) -> None:
    main(["links", "stack.yaml", "-o", "route"])
    capsys.readouterr()
    assert main(["check", "."]) == 0
    assert capsys.readouterr().err == "no mistakes in 4 objects of 1 file\n"


def test_standard_input(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    (made,) = load_manifests(["-"], report, stdin=io.BytesIO(SOUND.encode()))
    assert (made.name, report.diagnostics) == ("-", ())


def test_secrets_of_the_environment_are_in_no_finding() -> None:
    text = SOUND.replace("apisix: {", "apisix: {gateways: [{name: g, subdomain: g, api_key: {env: KEY}}], ")
    text = text.replace("links:\n", "- {name: a, type: external_source_code}\nlinks:\n")
    text += "- {link: gateway-external_source_code}\n"
    report = Report()
    made = expand_stack(SourceFile("stack.yaml", text), {"KEY": "a-secret-value"}, report)
    assert report.diagnostics == ()
    assert made is not None
    assert "a-secret-value" in made.text
    assert "a-secret-value" not in made.made_of
    assert "a-secret-value" not in repr(made)


def test_a_stack_that_did_not_change_is_expanded_once() -> None:
    cache = LoadCache()
    first, second = (load_manifests(["stack.yaml"], Report(), cache=cache) for _ in range(2))
    assert first[0] is second[0]
    Path("stack.yaml").write_text(STACK)
    (third,) = load_manifests(["stack.yaml"], Report(), cache=cache)
    assert third is not first[0]
    assert "limit-conn" in third.text
