"""The worked examples of the specification, and the exact bytes that are written for them.

`expected/` is what the specification prints; it leaves out labels, annotations, the marker and some certificates, and
lays its YAML out by hand. `written/` is every byte: `ANYGATE_UPDATE=1` writes it again, and the diff is the review.
"""

import os
from pathlib import Path

import pytest
import yaml
from stacks import diagnose, find, in_order, make, read_objects, strip

from anygate.diagnostics import Report, SourceFile
from anygate.dialects.apisix.links.generate import MARKER, generate

FOLDER = Path(__file__).parent / "worked"
CASES = sorted(path.name for path in FOLDER.iterdir())
UPDATE = bool(os.environ.get("ANYGATE_UPDATE"))
LEFT_OUT = {
    "multi_port": ["myapp-tls", "myapp-grpc-tls"],
    "gateway": ["public-api-tls"],
    "ai_gateway": ["llm-1-tls", "llm-openai-tls"],
    "stale_files": ["flow-upstream"],
}


def read(case: str) -> str:
    text = (FOLDER / case / "stack.yaml").read_text()
    return text.replace("ctl:50000", "ctl:50001") if case == "stream_collision" else text


def write(case: str) -> dict[str, str]:
    made = make(read(case))
    return {f"route/{name}": text for name, text in made.routes.items()} | {"helm/helm-values-apisix.yaml": made.helm}


@pytest.mark.parametrize("case", CASES)
def test_what_the_specification_prints(case: str) -> None:
    written, left_out = write(case), []
    for path in sorted((FOLDER / case / "expected").rglob("*.yaml")):
        name = str(path.relative_to(FOLDER / case / "expected"))
        expected = read_objects(path.read_text())
        if "apiVersion" not in expected[0]:
            assert in_order(read_objects(written[name])) == in_order(expected)
            continue
        found = [strip(one) for one in read_objects(written[name])]
        printed = [one["metadata"]["name"] for one in expected]
        left_out += [one["metadata"]["name"] for one in found if one["metadata"]["name"] not in printed]
        same = [one for one in found if one["metadata"]["name"] in printed]
        assert in_order(same) == in_order(expected)
    assert left_out == LEFT_OUT.get(case, [])


@pytest.mark.parametrize("case", CASES)
def test_every_byte(case: str) -> None:
    written, folder = write(case), FOLDER / case / "written"
    if UPDATE:
        for name, text in written.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    recorded = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.yaml")}
    assert written == recorded


def test_the_overlay_is_the_printed_one_byte_for_byte() -> None:
    printed = (FOLDER / "multi_port" / "expected" / "helm" / "helm-values-apisix.yaml").read_text()
    head, _, rest = make(read("multi_port")).helm.partition("\n")
    assert head.startswith(MARKER)
    assert rest == printed


def test_without_route_all_only_the_first_port_is_routed() -> None:
    made = make(read("multi_port").replace("route_all: true", "route_all: false"))
    names = [one["metadata"]["name"] for one in read_objects(made.routes["image_base.yaml"])]
    assert names == ["myapp-upstream", "myapp-route", "myapp-tls"]
    assert yaml.safe_load(made.helm)["service"]["stream"] == {"enabled": False, "tcp": [], "udp": []}


def test_a_stream_port_belongs_to_one_component() -> None:
    text = (FOLDER / "stream_collision" / "stack.yaml").read_text()
    [found] = diagnose(text)
    assert found.rule == "stack-stream-port-taken"
    assert found.message == "stream port 50000 (ctl) is already used by ci (agent)"
    assert found.path == ("components", 1, "ports")
    assert found.span is not None
    assert text.splitlines()[found.span.line - 1][found.span.column - 1 :] == "ctl:50000:TCP:stream"
    assert generate(SourceFile("stack.yaml", text), Report()) is None


def test_streams_stand_beside_their_service() -> None:
    made = make(read("stream_collision"))
    objects = read_objects(made.routes["image_base.yaml"])
    own = [one for one in objects if one["metadata"]["namespace"] == "edge" and "resolver" in one["metadata"]["name"]]
    assert [one["metadata"]["name"] for one in own] == [
        "resolver",
        "resolver-dns-stream",
        "resolver-dnstcp-stream",
        "resolver-ctl-stream",
    ]
    assert own[0]["spec"]["portLevelSettings"] == [{"port": 50001, "scheme": "tcp"}]
    route = find(made, "image_base.yaml", "ApisixRoute", "resolver-route")
    assert route["http"][0]["match"]["hosts"] == ["resolver.lab.example.org"]


def test_the_warnings_of_the_examples() -> None:
    assert {case: [one.rule for one in diagnose(read(case))] for case in CASES} == {
        "ai_gateway": ["stack-ai-limit-inert", "stack-ai-limit-inert"],
        "dashboard": [],
        "gateway": ["stack-inline-secret"],
        "multi_port": [],
        "stale_files": [],
        "stream_collision": [],
    }


def test_the_variables_of_the_examples() -> None:
    gateway = make(read("gateway")).context
    assert [one["name"] for one in gateway["__gateway"]] == ["public-api"]
    assert gateway["__gateway"][0]["api_key"] == "<redacted>"
    assert [(one["component"], one["weight"]) for one in gateway["__gateway_link"]] == [
        ("orders-v1", 90),
        ("orders-v2", 10),
    ]
    ai = make(read("ai_gateway")).context
    assert ai["__ai_gateway"][0]["api_key"] == "secret llm-client-key"
    assert sorted((one["component"], one["model"], one["provider"]) for one in ai["__ai_gateway_link"]) == [
        ("openai", "", "openai"),
        ("qwen", "", ""),
        ("qwen", "qwen-7b", ""),
    ]
    ports = make(read("multi_port")).context
    assert [(one["host"], one["port"], one["scheme"]) for one in ports["__ingress"]] == [
        ("myapp.stack-5.domain.io", 8000, "http"),
        ("grpc-myapp.stack-5.domain.io", 9090, "grpc"),
    ]
    assert [one["ingress_port"] for one in ports["__stream"]] == [50000]
