"""Every field of every kind is honoured or named: taking one away changes something one can see, and raises nothing.

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
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from anygate.compiler import read_sources
from anygate.diagnostics import Report, SourceFile
from anygate.dialects.envoy_ai.kinds import KINDS
from anygate.model.origin import Origin

HERE = Path(__file__).parent
WIRED: list[dict[str, Any]] = list(yaml.safe_load_all((HERE / "wired.yaml").read_text()))
OWN = [number for number, one in enumerate(WIRED) if (one["apiVersion"].rpartition("/")[0], one["kind"]) in KINDS]
Path_ = tuple[str | int, ...]

_OWN_NAMESPACE = "it is the object's own namespace"
_ONE_LISTENER = "its name and its port are each enough to tell which listener it is"
SILENT = {
    "AIGatewayRoute spec.parentRefs.0.namespace": _OWN_NAMESPACE,
    "AIGatewayRoute spec.parentRefs.0.sectionName": _ONE_LISTENER,
    "AIGatewayRoute spec.parentRefs.0.port": _ONE_LISTENER,
    "AIServiceBackend spec.backendRef.namespace": _OWN_NAMESPACE,
    "BackendSecurityPolicy spec.gcpCredentials.workloadIdentityFederationConfig.oidcExchangeToken.oidc"
    ".clientSecret.namespace": _OWN_NAMESPACE,
}
"""Fields that may change without anything to see, each with a reason."""


def essence(value: Any) -> Any:
    """The model without positions, which move whenever text does."""
    if isinstance(value, Origin):
        return value.object
    if isinstance(value, msgspec.Struct):
        return {name: essence(getattr(value, name)) for name in value.__struct_fields__}
    return [essence(one) for one in value] if isinstance(value, tuple | list) else value


def outcome(documents: list[dict[str, Any]]) -> tuple[Any, ...]:
    report = Report()
    read = read_sources([SourceFile("own.yaml", "\n---\n".join(map(json.dumps, documents)))], report)
    found = sorted((one.rule, one.message, one.path, str(one.object)) for one in report.diagnostics)
    statuses = {str(ref): (str(one.verdict), one.status) for ref, one in read.outcomes.items()}
    return essence(read.model), statuses, found


@cache
def untouched() -> tuple[Any, ...]:
    return outcome(WIRED)


@cache
def named() -> frozenset[tuple[str, Path_]]:
    return frozenset((ref, path) for _, _, path, ref in untouched()[2])


def name(document: dict[str, Any]) -> str:
    metadata = document["metadata"]
    return f"{document['kind']}/{metadata['namespace']}/{metadata['name']}"


def fields(document: dict[str, Any]) -> Iterator[Path_]:
    """Every field of an object's spec that no diagnostic names as a whole."""

    def walk(value: Any, path: Path_) -> Iterator[Path_]:
        children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, child in children:
            at = (*path, key)
            # A remark on a rule or on one of its backends says nothing about their fields.
            if (name(document), at) in named() and isinstance(key, str):
                continue
            if isinstance(key, str):
                yield at
            yield from walk(child, at)

    yield from walk(document["spec"], ("spec",))


def without(document: dict[str, Any], *paths: Path_) -> dict[str, Any]:
    changed = deepcopy(document)
    for path in paths:
        place: Any = changed
        for step in path[:-1]:
            place = place.get(step) if isinstance(place, dict) else place[step]
            if place is None:
                break
        else:
            place.pop(path[-1], None)
    return changed


def means_the_same(document: dict[str, Any], changed: dict[str, Any]) -> bool:
    """Whether a field that was taken away held its default."""
    group, _, version = document["apiVersion"].rpartition("/")
    model = KINDS[group, document["kind"]].resolve_model(version)
    assert model is not None
    try:
        return bool(model.model_validate(document).spec == model.model_validate(changed).spec)
    except ValidationError:
        return False


def test_the_wired_objects_have_no_errors() -> None:
    report = Report()
    read_sources([SourceFile("wired.yaml", (HERE / "wired.yaml").read_text())], report)
    assert [str(one) for one in report.diagnostics if one.severity == "error"] == []


@pytest.mark.parametrize("number", OWN, ids=lambda number: name(WIRED[number]))
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


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_fields_may_be_missing(data: st.DataObject) -> None:
    documents = []
    for number, document in enumerate(WIRED):
        known = list(fields(document)) if number in OWN else []
        gone = data.draw(st.lists(st.sampled_from(known), max_size=3)) if known else []
        # A list's items keep their places, so that no path means something else once another is gone.
        documents.append(without(document, *gone))
    outcome(documents)
