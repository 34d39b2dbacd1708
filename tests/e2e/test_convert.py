"""A mesh and what it is converted to, each on its own Envoy: the same requests, the same answers."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from running import Running, run_manifests, served_by

from anygate.cli.app import main
from anygate.envoy.binary import executable

EXAMPLES = Path(__file__).parents[2] / "examples"
PRODUCTS = EXAMPLES / "app-mesh" / "products"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Running]]:
    folder = tmp_path_factory.mktemp("converted")
    assert main(["convert", str(PRODUCTS), "--to", "gateway-api", "--exact", "-o", str(folder)]) == 0
    with run_manifests(path=PRODUCTS, ports=(8080,)) as source, run_manifests(path=folder, ports=(8080,)) as converted:
        yield source, converted


@pytest.mark.parametrize("headers", [{}, {"X-User-Type": "beta-tester"}, {"X-User-Type": "Beta-Tester"}])
@pytest.mark.parametrize(
    "path", ["/products/items", "/products", "/products?id=1", "/products/", "/productsX", "/other"]
)
def test_both_answer_alike(pair: tuple[Running, Running], path: str, headers: dict[str, str]) -> None:
    answers = [httpx2.get(one.url(8080) + path, headers=headers) for one in pair]
    shown = [
        (served_by(one), {key: one.json()[key] for key in ("path", "host")} if one.status_code == 200 else None)
        for one in answers
    ]
    assert shown[0] == shown[1]


EVERYWHERE = (
    "/products",
    "/products/",
    "/products/items?id=1",
    "/catalog/shoes",
    "/catalog",
    "/v1/customers",
    "/other",
)
FOR_VERSIONS = (
    "/v1/customers/",
    "/v1/customers/7?a=b",
    "/v2/customers",
    "/customers/7",
    "/customers",
    "/v3/customers/7",
)
ASKED = (
    {},
    {"X-User-Type": "beta-tester"},
    {"User-Agent": "a Mobile one"},
    {"X-Customer-Segment": "premium"},
    {"X-API-Version": "2"},
)


@pytest.mark.parametrize("name", ["products", "catalog", "api-versions"])
def test_whole_elements_answer_alike(tmp_path: Path, name: str) -> None:
    """Without --exact only prefixes that end within an element differ."""
    source = EXAMPLES / "app-mesh" / name
    assert main(["convert", str(source), "--to", "gateway-api", "-o", str(tmp_path)]) == 0
    with run_manifests(path=source, ports=(8080,)) as before, run_manifests(path=tmp_path, ports=(8080,)) as after:
        for path in (*EVERYWHERE, *FOR_VERSIONS):
            for headers in ASKED:
                assert ask(after, path, headers) == ask(before, path, headers), (path, headers)


def ask(running: Running, path: str, headers: dict[str, str]) -> tuple[object, ...]:
    answer = httpx2.get(running.url(8080) + path, headers=headers)
    seen = answer.json() if answer.status_code == 200 else {}
    return answer.status_code, served_by(answer), seen.get("path"), seen.get("host")


def test_files_of_others_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "01-gateways.yaml").write_text("mine: true\n")
    assert main(["convert", str(PRODUCTS), "--to", "gateway-api", "-o", str(tmp_path)]) == 2
    assert (tmp_path / "01-gateways.yaml").read_text() == "mine: true\n"
    assert "was not written by" in capsys.readouterr().err


def test_a_report_replaces_no_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tmp_path / "routes.yaml"
    manifest.write_text("mine: true\n")
    command = ["convert", str(PRODUCTS), "--to", "gateway-api", "-o", str(tmp_path / "new"), "--report", str(manifest)]
    assert main(command) == 2
    assert manifest.read_text() == "mine: true\n"
    assert not (tmp_path / "new").exists()


def test_nothing_is_written_where_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.yaml").write_text((EXAMPLES / "routing.yaml").read_text())
    assert main(["convert", str(tmp_path), "--to", "gateway-api", "-o", str(tmp_path / "new")]) == 2
    assert "which is read" in capsys.readouterr().err


def test_a_second_conversion_replaces_the_first(tmp_path: Path) -> None:
    for name in ("routing.yaml", "tcp-udp.yaml"):
        assert main(["convert", str(EXAMPLES / name), "--to", "gateway-api", "-o", str(tmp_path)]) == 0
    assert not [*tmp_path.glob("*http-routes.yaml")]
    assert [*tmp_path.glob("*tcp-routes.yaml")]


def test_secrets_that_were_filled_are_kept(tmp_path: Path) -> None:
    command = ["convert", str(EXAMPLES / "tls"), "--to", "envoy", "-o", str(tmp_path)]
    assert main(command) == 0
    secret = next((tmp_path / "secrets").iterdir())
    secret.write_text("filled: by hand\n")
    assert main(command) == 0
    assert secret.read_text() == "filled: by hand\n"


def test_what_is_lost_is_named_at_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(PRODUCTS), "--to", "gateway-api", "--report", "-"]) == 0
    told = capsys.readouterr()
    assert "05-gateway-routes.yaml:15:7: warning[convert-prefix]" in told.err
    assert "kubectl apply -f 01-gateways.yaml" in told.err
    assert "kind: HTTPRoute" in told.out


@pytest.mark.parametrize("name", ["app-mesh/products", "basic-auth.yaml", "api-key.yaml", "tls", "routing.yaml"])
def test_envoy_takes_its_own_configuration(tmp_path: Path, name: str) -> None:
    assert main(["convert", str(EXAMPLES / name), "--to", "envoy", "-o", str(tmp_path)]) == 0
    command = [str(executable()), "--mode", "validate", "-c", "envoy.yaml"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert "configuration 'envoy.yaml' OK" in found.stdout + found.stderr, found.stderr
    assert "[redacted]" not in (tmp_path / "envoy.yaml").read_text()


@pytest.mark.parametrize("name", ["routing.yaml", "redirects-and-rewrites.yaml", "reference-grants.yaml", "quickstart"])
def test_gateways_convert_to_what_has_no_mistakes(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(EXAMPLES / name), "--to", "gateway-api", "-o", str(tmp_path)]) == 0
    assert "warning" not in capsys.readouterr().err
    assert main(["check", str(tmp_path), "--strict"]) == 0
