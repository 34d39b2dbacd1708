"""`anygate explain`: the command line around the explanation."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from anygate.cli.app import main
from anygate.cli.explain import complete_url, split_arguments
from anygate.errors import UsageError

MANIFESTS = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec: {gatewayClassName: envoy, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {ports: [{port: 8080}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec: {parentRefs: [{name: web}], hostnames: [shop.example.com], rules: [{backendRefs: [{name: shop, port: 8080}]}]}
"""
URL = "http://shop.example.com/cart"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("shop.yaml").write_text(MANIFESTS)
    return "shop.yaml"


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["explain", *words, "--format", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert isinstance(answer, dict)
    return answer


APISIX = """
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: shop}
spec:
  http: [{name: all, match: {hosts: [shop.test], paths: [/*]}, backends: [{serviceName: shop, servicePort: 80}]}]
"""


def test_the_usual_port_stands_for_the_only_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "apisix.yaml").write_text(APISIX)
    found = ask(capsys, str(tmp_path / "apisix.yaml"), "http://shop.test/cart")
    assert found["decision"]["kind"] == "forward"
    assert found["host"] == "shop.test"
    assert found["notes"][0] == "nothing listens on port 80; port 9080, the only one for http, is taken for it"


@pytest.mark.parametrize("url", ["https://shop.test/", "http://shop.test:80/", "http://shop.test:8080/?a=:9080"])
def test_a_port_that_is_not_there(url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "apisix.yaml").write_text(APISIX)
    assert main(["explain", str(tmp_path / "apisix.yaml"), url]) == 0
    printed = capsys.readouterr().out
    assert "no answer: nothing listens on port" in printed
    assert "port 9080, http; the request goes to port" in printed


def test_of_several_ports_none_is_guessed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    more = MANIFESTS.replace("port: 80,", "port: 8888,")
    (tmp_path / "both.yaml").write_text(f"{APISIX}---\n{more.partition('---')[0]}")
    assert ask(capsys, str(tmp_path / "both.yaml"), "http://shop.test/cart")["decision"]["kind"] == "none"


def test_text(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", path, URL]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"GET {URL}\n")
    assert "HTTPRoute/default/shop" in printed.out
    assert printed.err == ""


@pytest.mark.parametrize(
    "words",
    [
        ("shop.yaml", URL),
        (URL, "shop.yaml"),
        ("shop.example.com/cart", "shop.yaml"),
        ("shop.yaml", "/cart", "-H", "Host: shop.example.com"),
    ],
)
def test_url_in_any_place(path: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, *words)["url"] == URL


def test_curl_flags(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, "-sk", "-XPUT", path, URL)["method"] == "PUT"
    assert ask(capsys, "-I", path, URL)["method"] == "HEAD"
    assert ask(capsys, "-d", "a=1", "-d", "-b", path, URL)["method"] == "POST"
    assert ask(capsys, "--request", "DELETE", "--data", "x", path, URL)["method"] == "DELETE"
    answer = ask(capsys, path, "http://127.0.0.1/", "-H", "Host: shop.example.com", "-H", "x: y")
    assert answer["host"] == "shop.example.com"


def test_body_of_a_file(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("body").write_text("a=1\n")
    assert ask(capsys, "-d", "@body", path, URL)["method"] == "POST"
    assert main(["explain", "-d", "@nothing", path, URL]) == 3
    assert capsys.readouterr().err == "error: nothing: no such file or directory\n"


def test_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(MANIFESTS.encode())))
    assert ask(capsys, "-", URL)["decision"]["kind"] == "forward"
    assert main(["explain", "-", "-d", "@-", URL]) == 2
    assert "standard input cannot be both" in capsys.readouterr().err


def test_endpoints_are_assumed_and_said(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer = ask(capsys, path, URL)
    assert answer["decision"]["kind"] == "forward"
    assert [note.partition(" ")[0] for note in answer["notes"]] == ["Service/default/shop/8080"]


def test_mistakes_do_not_prevent_it(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.yaml").write_text(MANIFESTS.split("---")[1].replace("shop", "other").replace("spec", "spce"))
    assert main(["explain", path, "bad.yaml", URL]) == 1
    printed = capsys.readouterr()
    assert "error[unknown-field]" in printed.err
    assert "no-endpoints" not in printed.err
    assert "HTTPRoute/default/shop" in printed.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name the URL"),
        (("shop.yaml",), "name the URL"),
        (("missing.yaml",), "name the URL"),
        ((URL,), "name a file or folder"),
        (("shop.yaml", URL, "https://x"), "more than one argument may be the URL"),
        (("shop.yaml", "a.example.com", "b.example.com"), "write http:// in front"),
    ],
)
def test_ambiguous(path: str, arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        split_arguments(arguments)


def test_missing_file(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "missing.yaml", URL]) == 3
    assert "missing.yaml: no such file" in capsys.readouterr().err


def test_path_without_host() -> None:
    assert complete_url("/cart", ["host: shop.example.com"]) == "http://shop.example.com/cart"
    with pytest.raises(UsageError, match="names no host\nhint: write http://HOST/cart"):
        complete_url("/cart", ["x: y"])
