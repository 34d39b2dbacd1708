"""Every field of the model is written or named as a loss, or a table says in a sentence why nothing is lost."""

import sys
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "envoy"))

from full_model import full_model
from model_changes import SAMPLES, at, find_places, hints, others, places, replaced

from anygate.dialects.gateway_api.write import write_model
from anygate.dialects.gateway_api.write.not_carried import HARMLESS, MOVED, NOT_CARRIED, UNSAFE
from anygate.model import backend as b
from anygate.model import limits
from anygate.model import listener as l
from anygate.model import route as r
from anygate.model import tls as t
from anygate.model.inference import Inference, Provider
from anygate.model.listener import Stage
from anygate.model.match import HttpMatch, PathMatch
from anygate.model.mcp import Mcp, McpAccess
from anygate.model.origin import Origin
from anygate.model.root import Model

HELD_BACK = (Inference, Provider, Mcp, McpAccess, Stage, Origin)
LOST = {**NOT_CARRIED, **UNSAFE, **MOVED}
CLOSING = (
    *("HttpMatch.source_cidrs", "HttpMatch.client_certificate", "HttpMatch.percent", "HttpMatch.body"),
    *("HttpMatch.is_read", "LimitSelector.distinct_text"),
)
"""Conditions for want of which a row is left out, so that the rest of it shows in the others only."""


def structs(kind: Any, found: dict[type, None]) -> dict[type, None]:
    """Every struct in a value of a type, without what only comes with what is lost as a whole."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in (*found, *HELD_BACK):
        found[kind] = None
        for name, inner in get_type_hints(kind).items():
            if f"{kind.__name__}.{name}" not in (*LOST, *HARMLESS):
                structs(inner, found)
    for inner in get_args(kind):
        structs(inner, found)
    return found


FIELDS = sorted(
    f"{one.__name__}.{name}"
    for one in structs(Model, {})
    for name in one.__struct_fields__  # type: ignore[attr-defined]
    if name != "origin"
)


@cache
def sayable() -> Model:
    """The full model without what has no words, since that would hide what stands beside it."""

    def reduce(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(reduce(one) for one in value)
        if not isinstance(value, msgspec.Struct) or isinstance(value, HELD_BACK):
            return value
        changes = {}
        for field in msgspec.structs.fields(value):
            name, has_default = f"{type(value).__name__}.{field.name}", field.default is not msgspec.NODEFAULT
            lost = name in LOST or name in HARMLESS or name in CLOSING
            changes[field.name] = field.default if lost and has_default else reduce(getattr(value, field.name))
        return msgspec.structs.replace(value, **changes)

    # Its first two routes take the same requests, so that one of them is never asked.
    routes = ("gateways", 0, "listeners", 0, "servers", 0, "routes")
    return with_others(reduce(replaced(full_model(), routes, at(full_model(), routes)[1:])))


def with_others(model: Model) -> Model:
    """The model with what it has only in the form of Services and in which only some of its fields say anything."""
    node = Origin("VirtualNode", "default", "node")
    first = model.gateways[0].listeners[0].servers[0].routes[0]
    split = b.PassiveCheck(split_local_errors=True)
    tls = t.ClientTls(origin=node, sni="a.example.com", authorities="trusted", certificate="files")
    kept = {one.name: msgspec.structs.replace(one, origin=node) for one in model.backends}
    added = {
        "other-zones": msgspec.structs.replace(kept["zones"], name="other-zones"),
        "other-tls": msgspec.structs.replace(kept["named"], name="other-tls", tls=tls),
        "other-trust": msgspec.structs.replace(
            kept["named"],
            name="other-trust",
            tls=t.ClientTls(
                origin=node,
                sni="a.example.com",
                system_authorities=True,
                names=(t.NameMatch(kind="dns", value="a.example.com"),),
            ),
        ),
        "other-named": msgspec.structs.replace(kept["named"], name="other-named"),
        "other-hashed": msgspec.structs.replace(kept["maglev"], name="other-hashed"),
        "other-split": msgspec.structs.replace(
            kept["mirror"], name="other-split", connection=b.Connection(passive_check=split)
        ),
    }
    hashed = (r.HashPolicy(kind="cookie", name="c", ttl=timedelta(seconds=1)),)
    faults = limits.Faults(origin=node, grpc_status=14)
    rules = tuple(
        r.HttpRule(
            origin=node,
            name=name,
            matches=(HttpMatch(origin=node, path=PathMatch(kind="prefix", value=f"/{name}")),),
            action=r.Forward(origin=node, targets=(r.BackendTarget(origin=node, backend=name),)),
            hash_policies=hashed if name == "other-hashed" else (),
            faults=faults if name == "other-hashed" else None,
        )
        for name in added
    )
    # Only the new route, so that a change is quick to see.
    route = msgspec.structs.replace(first, name="others", hostnames=("others.example",), rules=rules)
    server = l.Server(origin=node, name="others", protocol="http", routes=(route,))
    listener = l.Listener(origin=node, name="others", port=2080, transport="tcp", servers=(server,))
    gateway = l.Gateway(origin=node, name="others", listeners=(listener,))
    return msgspec.structs.replace(
        model, gateways=(*model.gateways, gateway), backends=(*model.backends, *added.values())
    )


def written(model: Model) -> tuple[list[dict[str, Any]], set[tuple[str, str]]]:
    """The objects with what is left to people, and what was lost."""
    made = write_model(model)
    errands = {"errands": [f"{one.object}: {one.text}" for one in made.errands]}
    return [*(one.value for one in made.documents), errands], {(one.rule.id, one.message) for one in made.losses}


@cache
def plain() -> tuple[list[dict[str, Any]], set[tuple[str, str]]]:
    return written(sayable())


@cache
def sayable_places() -> dict[str, list[tuple[Any, ...]]]:
    return find_places(sayable())


def variants(field: str) -> Iterator[Model]:
    """The model with other values of a field, at each place of its struct."""
    struct, _, name = field.partition(".")
    for path in sayable_places().get(struct, ()):
        node = at(sayable(), path)
        value = getattr(node, name)
        for other in (*SAMPLES.get(field, ()), *others(hints(type(node))[name], value)):
            if other != value:
                yield replaced(sayable(), (*path, name), other)


@pytest.mark.parametrize("field", [one for one in FIELDS if one not in (*LOST, *HARMLESS)])
def test_a_field_is_written_or_named(field: str) -> None:
    assert any(written(one) != plain() for one in variants(field))


@pytest.mark.parametrize("field", [one for one in FIELDS if one in LOST])
def test_a_lost_field_is_named(field: str) -> None:
    message = LOST[field]
    assert message not in {text for _, text in plain()[1]}
    assert any(message in {text for _, text in written(one)[1]} for one in variants(field))


def test_no_field_is_listed_twice() -> None:
    assert len({**LOST, **HARMLESS}) == len(NOT_CARRIED) + len(UNSAFE) + len(MOVED) + len(HARMLESS)


def test_tables_name_real_fields() -> None:
    real = {
        f"{kind}.{name}" for kind, found in places().items() for name in at(full_model(), found[0]).__struct_fields__
    }
    assert set(LOST) | set(HARMLESS) <= real
