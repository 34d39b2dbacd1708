"""Golden cases: a folder with `in.yaml` and everything that compiling it yields.

`ANYGATE_UPDATE=1 pytest tests/test_golden.py` rewrites them; the diff is the review. A file that would be empty is
absent. `_defaults.yaml` of a dialect is compiled along, except for objects that the case defines itself.
"""

import os
import sys
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from anygate.compiler import Result, Verdict, compile_sources
from anygate.diagnostics import Report, SourceFile
from anygate.diagnostics.render_text import render_text
from anygate.envoy.api import message, redact, type_name
from anygate.envoy.build import build
from anygate.envoy.constraints import check
from anygate.envoy.placement import Placement
from anygate.envoy.snapshot import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET, Snapshot
from anygate.envoy.upstream.files import list_credential_files
from anygate.manifests.load import parse_sources
from anygate.model.dump import render_model

ROOT = Path(__file__).parent / "golden"
sys.path.insert(0, str(ROOT.parent / "unit" / "envoy"))

from validate import validate  # noqa: E402

CASES = sorted(path.parent for path in ROOT.glob("*/*/in.yaml"))
UPDATE = bool(os.environ.get("ANYGATE_UPDATE"))
NAMES = {"listeners": LISTENER, "routes": ROUTES, "clusters": CLUSTER, "endpoints": ENDPOINTS, "secrets": SECRET}


@cache
def load_defaults(dialect: Path) -> str:
    path = dialect / "_defaults.yaml"
    return path.read_text() if path.exists() else ""


def sources_of(case: Path) -> list[SourceFile]:
    """The case's file, and those defaults that it does not define itself, each at its own line."""
    own = SourceFile("in.yaml", (case / "in.yaml").read_text())
    defined = {manifest.ref for manifest in parse_sources([own], Report())}
    kept = []
    for document in load_defaults(case.parent).split("\n---\n"):
        (manifest,) = parse_sources([SourceFile("_defaults.yaml", document)], Report())
        kept.append(document if manifest.ref not in defined else "\n" * document.count("\n"))
    return [SourceFile("_defaults.yaml", "\n---\n".join(kept)), own]


@cache
def compiled(case: Path) -> Result:
    return compile_sources(sources_of(case))


class Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


Dumper.add_representer(OrderedDict, lambda dumper, data: dumper.represent_dict(data.items()))


def dump(value: Any) -> str:
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120) if value else ""


def render_resources(snapshot: Snapshot, type_url: str) -> str:
    found = snapshot[type_url]
    kind = message(type_name(type_url))
    return dump([redact(kind.FromString(found[name].body)) for name in sorted(found)])


def render_status(result: Result) -> str:
    """What became of every object of which there is more to say than that it was accepted."""
    found = {}
    for ref, outcome in result.outcomes.items():
        if outcome.status or outcome.verdict is not Verdict.ACCEPTED:
            status = {"status": dict(outcome.status)} if outcome.status else {}
            found[str(ref)] = {"outcome": str(outcome.verdict), **status}
    return dump(found)


def rendered(case: Path) -> dict[str, str]:
    result = compiled(case)
    return {
        "model.yaml": render_model(result.model),
        **{f"envoy/{name}.yaml": render_resources(result.snapshot, type_url) for name, type_url in NAMES.items()},
        "status.yaml": render_status(result),
        "diagnostics.txt": render_text(result.diagnostics),
    }


def write(case: Path, files: Iterable[tuple[str, str]]) -> None:
    for name, text in files:
        path = case / name
        if text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        else:
            path.unlink(missing_ok=True)
    folder = case / "envoy"
    if folder.exists() and not list(folder.iterdir()):
        folder.rmdir()


def by_name(case: Path) -> str:
    return f"{case.parent.name}/{case.name}"


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_compiles_to_what_is_recorded(case: Path) -> None:
    found = rendered(case)
    if UPDATE:
        write(case, found.items())
    recorded = {name: (case / name).read_text() if (case / name).exists() else "" for name in found}
    for name, text in found.items():
        assert text == recorded[name], f"{case / name} differs; ANYGATE_UPDATE=1 rewrites it"


def with_files(result: Result, folder: Path) -> Snapshot:
    """The resources with the files that Envoy reads when it is given them."""
    files = list_credential_files(result.model)
    for file in files:
        (folder / file.name).write_bytes(file.content.reveal())
    return build(result.model, Placement(credentials=str(folder))).snapshot if files else result.snapshot


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_envoy_accepts_it(case: Path, tmp_path: Path) -> None:
    snapshot = with_files(compiled(case), tmp_path)
    for type_url in NAMES.values():
        for made in snapshot[type_url].values():
            assert list(check(message(type_name(type_url)).FromString(made.body))) == []
    assert validate(snapshot, tmp_path) == ""


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_the_order_of_files_and_documents_changes_nothing(case: Path) -> None:
    defaults, own = sources_of(case)
    documents = [
        SourceFile("in.yaml", "\n---\n".join(reversed(own.text.split("\n---\n")))),
        replace(defaults, name="zz.yaml"),
    ]
    turned = compile_sources(documents)
    straight = compiled(case)
    assert turned.outcomes.keys() == straight.outcomes.keys()
    assert [str(one.verdict) for one in turned.outcomes.values()] == [
        str(one.verdict) for one in straight.outcomes.values()
    ]
    assert {ref: one.status for ref, one in turned.outcomes.items()} == {
        ref: one.status for ref, one in straight.outcomes.items()
    }


def test_every_folder_is_a_case() -> None:
    folders = {path for path in ROOT.glob("*/*/") if path.is_dir()}
    assert folders == set(CASES)
