"""Every field of every kind is honoured or named: taking one away, or changing it, changes something one can see.

That is the model, a status or a diagnostic. A field that a diagnostic names counts as a whole: nothing inside it is
looked at.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from pydantic import ValidationError

from anygate.compiler import read_sources
from anygate.diagnostics import Report, SourceFile
from anygate.dialects.gateway_api.kinds import KINDS
from anygate.model.origin import Origin

HERE = Path(__file__).parent
WIRED: list[dict[str, Any]] = list(yaml.safe_load_all((HERE / "wired.yaml").read_text()))
DEFAULTS = (HERE.parents[2] / "golden" / "gateway_api" / "_defaults.yaml").read_text()
Path_ = tuple[str | int, ...]

SILENT = {
    "BackendLBPolicy spec.loadBalancing.type": "the block beside it says the same",
    "Backend spec.tls.wellKnownCACertificates": "without a word about trust the same authorities are asked",
    "BackendTLSPolicy spec.targetRefs.0.sectionName": "the Service has one port; a golden case has more",
    "Gateway spec.infrastructure.parametersRef": "names an EnvoyProxy, whose own fields are named",
}
"""Fields that may change without anything to see, each with a reason."""


def essence(value: Any) -> Any:
    """The model without positions, which move whenever text does."""
    if isinstance(value, Origin):
        return value.object
    if isinstance(value, msgspec.Struct):
        return {name: essence(getattr(value, name)) for name in value.__struct_fields__}
    return [essence(one) for one in value] if isinstance(value, tuple | list) else value


def sources_of(documents: list[dict[str, Any]]) -> list[SourceFile]:
    own = "\n---\n".join(json.dumps(one) for one in documents)
    names = {(one["kind"], one["metadata"]["name"]) for one in documents}
    kept = [one for one in DEFAULTS.split("\n---\n") if _identity(one) not in names]
    return [SourceFile("defaults.yaml", "\n---\n".join(kept)), SourceFile("own.yaml", own)]


def outcome(documents: list[dict[str, Any]]) -> tuple[Any, ...]:
    report = Report()
    read = read_sources(sources_of(documents), report)
    found = sorted((one.rule, one.message, one.path, str(one.object)) for one in report.diagnostics)
    statuses = {str(ref): (str(one.verdict), one.status) for ref, one in read.outcomes.items()}
    return essence(read.model), statuses, found


@cache
def _identity(text: str) -> tuple[str, str]:
    document = yaml.safe_load(text)
    return document["kind"], document["metadata"]["name"]


@cache
def untouched() -> tuple[Any, ...]:
    return outcome(WIRED)


@cache
def named() -> frozenset[tuple[str, Path_]]:
    report = Report()
    read_sources(sources_of(WIRED), report)
    return frozenset((str(one.object), one.path) for one in report.diagnostics)


def fields(document: dict[str, Any]) -> Iterator[Path_]:
    """Every field of an object's spec that no diagnostic names as a whole."""
    metadata = document["metadata"]
    ref = f"{document['kind']}/{metadata.get('namespace', 'default')}/{metadata['name']}"

    def walk(value: Any, path: Path_) -> Iterator[Path_]:
        children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, child in children:
            at = (*path, key)
            if (ref, at) in named():
                continue
            if isinstance(key, str):
                yield at
            yield from walk(child, at)

    yield from walk(document["spec"], ("spec",))


def without(document: dict[str, Any], path: Path_) -> dict[str, Any]:
    changed = deepcopy(document)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return changed


def means_the_same(document: dict[str, Any], changed: dict[str, Any]) -> bool:
    """Whether a field that was taken away held its default."""
    group, _, _ = document["apiVersion"].rpartition("/")
    model = KINDS[group, document["kind"]].model
    try:
        return bool(model.model_validate(document).spec == model.model_validate(changed).spec)
    except ValidationError:
        return False


def test_the_wired_objects_have_no_errors() -> None:
    report = Report()
    read_sources(sources_of(WIRED), report)
    errors = [str(one) for one in report.diagnostics if one.severity == "error"]
    assert errors == []


@pytest.mark.parametrize(
    "number", range(len(WIRED)), ids=lambda number: f"{WIRED[number]['kind']}/{WIRED[number]['metadata']['name']}"
)
def test_every_field_is_honoured_or_named(number: int) -> None:
    document = WIRED[number]
    silent = []
    for path in fields(document):
        changed = without(document, path)
        if means_the_same(document, changed):
            continue
        if outcome([*WIRED[:number], changed, *WIRED[number + 1 :]]) == untouched():
            text = ".".join(str(step) for step in path)
            if f"{document['kind']} {text}" not in SILENT:
                silent.append(text)
    assert silent == []
