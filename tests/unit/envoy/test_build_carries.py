"""Every field of the model reaches Envoy, or the builder says in a sentence why not."""

from functools import cache

import pytest
from full_model import full_model
from model_changes import SAMPLES, at, hints, others, places, replaced, structs

from anygate.envoy.build import Built, build
from anygate.envoy.filters import NOT_CARRIED as FILTERS_NOT_CARRIED
from anygate.envoy.not_carried import NOT_CARRIED
from anygate.envoy.placement import Placement
from anygate.model.root import Model

PLACEMENT = Placement(egress="/run/egress", adapters=("/run/adapter",), services="/run/services", mcp=("/run/mcp",))


FIELDS = sorted(f"{struct.__name__}.{name}" for struct in structs(Model, {}) for name in struct.__struct_fields__)  # type: ignore[attr-defined]


@cache
def _built(model: Model) -> Built:
    return build(model, PLACEMENT)


def test_the_full_model_is_accepted_whole() -> None:
    assert _built(full_model()).refused == ()


def test_the_full_model_holds_every_type() -> None:
    assert {name.partition(".")[0] for name in FIELDS} <= set(places())


def test_tables_name_real_fields() -> None:
    assert set(NOT_CARRIED) | set(FILTERS_NOT_CARRIED) <= set(FIELDS)


@pytest.mark.parametrize("field", [name for name in FIELDS if not name.endswith(".origin")])
def test_a_field_reaches_envoy_or_is_listed(field: str) -> None:
    struct, _, name = field.partition(".")
    if field not in FILTERS_NOT_CARRIED:
        assert _changes_something(struct, name) != (field in NOT_CARRIED)


def _changes_something(struct: str, name: str) -> bool:
    plain = full_model()
    for path in places()[struct]:
        node = at(plain, path)
        kind = hints(type(node))[name]
        value = getattr(node, name)
        for other in (*SAMPLES.get(f"{struct}.{name}", ()), *others(kind, value)):
            if other == value:
                continue
            if build(replaced(plain, (*path, name), other), PLACEMENT) != _built(plain):
                return True
    return False
