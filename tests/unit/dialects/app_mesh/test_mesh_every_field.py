"""Every field of every kind is honoured or named: taking one away, or changing it, changes something one can see.

That is the model, a status or a diagnostic. A field that a diagnostic names counts as a whole: nothing inside it is
looked at.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import yaml
from pydantic import ValidationError

from anygate.compiler import read_sources
from anygate.diagnostics import Report, SourceFile
from anygate.dialects.app_mesh.kinds import KINDS
from anygate.manifests.kind import Node
from anygate.model.origin import Origin

WIRED: dict[str, list[dict[str, Any]]] = {
    name: list(yaml.safe_load_all((Path(__file__).parent / f"{name}.yaml").read_text()))
    for name in ("wired", "wired_sidecars", "wired_otherwise")
}
SPECS = [(name, number) for name, found in WIRED.items() for number, one in enumerate(found) if one.get("spec")]
Path_ = tuple[str | int, ...]

_SELECTS = "without it everything is selected, and so is all there is; golden cases have what is not"
SILENT = {
    "Mesh spec.namespaceSelector.matchLabels": _SELECTS,
    "Mesh spec.namespaceSelector.matchLabels.mesh": _SELECTS,
    "VirtualGateway spec.awsName": "only references by it would tell",
    "VirtualGateway spec.namespaceSelector.matchExpressions": _SELECTS,
    "VirtualGateway spec.gatewayRouteSelector": _SELECTS,
    "VirtualGateway spec.gatewayRouteSelector.matchLabels": _SELECTS,
    "VirtualGateway spec.gatewayRouteSelector.matchLabels.gateway": _SELECTS,
    "VirtualNode spec.listeners.0.healthCheck.port": "it must be that of the listener, which is its default",
    "VirtualRouter spec.listeners": "the routes and the targets name the same ports",
    "AppMeshSettings spec.mode": "the other one refuses most of what is here; it has tests of its own",
    "Mesh spec.serviceDiscoveryType": "nodes are found by DNS anyway; any other value is named",
    "VirtualService spec.virtualRouter": "the routes and the targets name the same ports",
    "VirtualService spec.virtualRouter.listeners": "the routes and the targets name the same ports",
    "VirtualService spec.virtualRouter.name": "only references by it would tell",
    "Route spec.meshRef": "no other mesh has that router",
    "BackendGroup spec.virtualservices": "the whole object is named as one for sidecars",
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
    return [SourceFile("in.yaml", "\n---\n".join(json.dumps(one) for one in documents))]


def outcome(documents: list[dict[str, Any]]) -> tuple[Any, ...]:
    report = Report()
    read = read_sources(sources_of(documents), report)
    found = sorted((one.rule, one.message, one.path, str(one.object)) for one in report.diagnostics)
    statuses = {str(ref): (str(one.verdict), one.status) for ref, one in read.outcomes.items()}
    return essence(read.model), statuses, found


@cache
def untouched(name: str) -> tuple[Any, ...]:
    return outcome(WIRED[name])


@cache
def named(name: str) -> frozenset[tuple[str, str, Path_]]:
    report = Report()
    read_sources(sources_of(WIRED[name]), report)
    return frozenset((one.object.kind, one.object.name, one.path) for one in report.diagnostics if one.object)


def fields(name: str, document: dict[str, Any]) -> Iterator[Path_]:
    """Every field of an object's spec that no diagnostic names as a whole."""

    def walk(value: Any, path: Path_) -> Iterator[Path_]:
        children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, child in children:
            at = (*path, key)
            if (document["kind"], document["metadata"]["name"], at) in named(name):
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


def fields_of(annotation: Any, found: set[tuple[str, str]], seen: set[Any]) -> None:
    """Every field of the models in an annotation, by the model that defines it."""
    if isinstance(annotation, type) and issubclass(annotation, Node) and annotation not in seen:
        seen.add(annotation)
        for name, field in annotation.model_fields.items():
            found.add(defined(annotation, name))
            fields_of(field.annotation, found, seen)
    for argument in get_args(annotation):
        fields_of(argument, found, seen)


def defined(model: type[Node], name: str) -> tuple[str, str]:
    return next((one.__name__, name) for one in reversed(model.__mro__) if name in getattr(one, "model_fields", {}))


def fields_used(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Node):
        for name in value.model_fields_set:
            yield defined(type(value), name)
            yield from fields_used(getattr(value, name))
    elif isinstance(value, tuple | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from fields_used(one)


def test_the_wired_objects_have_every_field() -> None:
    known: set[tuple[str, str]] = set()
    seen: set[Any] = set()
    used: set[tuple[str, str]] = set()
    for entry in KINDS.values():
        fields_of(entry.model.model_fields["spec"].annotation, known, seen)
    for document in (one for documents in WIRED.values() for one in documents):
        group, _, _ = document["apiVersion"].rpartition("/")
        if (group, document["kind"]) in KINDS:
            used.update(fields_used(KINDS[group, document["kind"]].model.model_validate(document).spec))
    assert sorted(known - used) == []


@pytest.mark.parametrize("name", WIRED)
def test_the_wired_objects_have_no_errors(name: str) -> None:
    report = Report()
    read_sources(sources_of(WIRED[name]), report)
    assert [str(one) for one in report.diagnostics if one.severity == "error"] == []


@pytest.mark.parametrize(
    ("name", "number"),
    SPECS,
    ids=[f"{name}/{WIRED[name][number]['kind']}/{WIRED[name][number]['metadata']['name']}" for name, number in SPECS],
)
def test_every_field_is_honoured_or_named(name: str, number: int) -> None:
    wired = WIRED[name]
    document = wired[number]
    silent = []
    for path in fields(name, document):
        changed = without(document, path)
        if means_the_same(document, changed):
            continue
        if outcome([*wired[:number], changed, *wired[number + 1 :]]) == untouched(name):
            text = ".".join(str(step) for step in path)
            if f"{document['kind']} {text}" not in SILENT:
                silent.append(text)
    assert silent == []
