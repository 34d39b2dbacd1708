"""Every field of the model reaches Envoy, or the builder says in a sentence why not."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from full_model import full_model

from anygate.envoy.build import Built, build
from anygate.envoy.filters import NOT_CARRIED as FILTERS_NOT_CARRIED
from anygate.envoy.not_carried import NOT_CARRIED
from anygate.envoy.placement import Placement
from anygate.manifests.sensitive import Sensitive
from anygate.model.origin import Origin
from anygate.model.root import Model

_SAMPLES: dict[str, Any] = {
    "Endpoint.host": ("127.0.0.9",),
    "JwtProvider.jwks": ('{"keys": []}',),
    "HttpServer.trusted_cidrs": (("10.0.0.0/8",),),
    "PathRewrite.pattern": ("[a-z]+",),
    "TlsParameters.min_version": ("1.3",),
    "TlsParameters.max_version": ("1.2",),
    "Principal.cidrs": (("10.1.0.0/16",),),
    "LimitRule.headers": (False,),
    "LimitRule.response_cost": (3,),
    "LimitSelector.cidr": ("10.1.0.0/16",),
    "BackendTarget.backend": ("mirror", ""),
    "ServerTls.certificates": (("certificate", "certificate"),),
    "ClientTls.certificate": ("certificate",),
    "ClientValidation.spki_hashes": (("NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A=",),),
    "ClientValidation.certificate_hashes": (("df" * 32,),),
    "HttpServer.client_certificate_details": (("dns",),),
    "Faults.delay_percent": (50.0,),
    "Faults.abort_percent": (50.0,),
    "Oidc.same_site": ("Strict",),
    "Provider.format": ("Anthropic",),
    "Oidc.cookie_names": ((("accessToken", "mine"),),),
    "HttpRoute.created": ("1999",),
    "HttpCheck.method": ("HEAD",),
    "Opaque.value": (Sensitive(b"other:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="), Sensitive(b'{"client": "new"}')),
}
"""Values where any other string would be refused."""

PLACEMENT = Placement(egress="/run/egress", adapters=("/run/adapter",), services="/run/services", mcp=("/run/mcp",))


@cache
def _hints(struct: type) -> dict[str, Any]:
    return get_type_hints(struct)


def _structs(kind: Any, found: dict[type, None]) -> dict[type, None]:
    """Every struct that can occur in a value of a type."""
    is_struct = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    if is_struct and kind not in found and kind is not Origin:
        found[kind] = None
        for inner in _hints(kind).values():
            _structs(inner, found)
    for inner in get_args(kind):
        _structs(inner, found)
    return found


FIELDS = sorted(f"{struct.__name__}.{name}" for struct in _structs(Model, {}) for name in struct.__struct_fields__)  # type: ignore[attr-defined]


@cache
def _built(model: Model) -> Built:
    return build(model, PLACEMENT)


@cache
def _places() -> dict[str, list[tuple[Any, ...]]]:
    """Where each type occurs in the full model, as paths of fields and positions."""
    found: dict[str, list[tuple[Any, ...]]] = {}

    def visit(value: Any, path: tuple[Any, ...]) -> None:
        if isinstance(value, tuple):
            for position, item in enumerate(value):
                visit(item, (*path, position))
        elif isinstance(value, msgspec.Struct) and not isinstance(value, Origin):
            found.setdefault(type(value).__name__, []).append(path)
            for name in value.__struct_fields__:
                visit(getattr(value, name), (*path, name))

    visit(full_model(), ())
    return found


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step] if isinstance(step, int) else getattr(value, step)
    return value


def _with(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    step, *rest = path
    if isinstance(step, int):
        return (*value[:step], _with(value[step], tuple(rest), new), *value[step + 1 :])
    return msgspec.structs.replace(value, **{step: _with(getattr(value, step), tuple(rest), new)})


def _others(kind: Any, value: Any) -> Iterator[Any]:
    """Other values of a field's type."""
    arguments = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        for each in arguments:
            yield from [None] if each is NoneType else _others(each, value)
    elif get_origin(kind) is Literal:
        yield from arguments
    elif get_origin(kind) is tuple and arguments[-1] is Ellipsis:
        yield ()
        yield from ((sample,) for sample in _others(arguments[0], None))
    elif get_origin(kind) is tuple:
        yield tuple(next(_others(each, None)) for each in arguments)
    elif issubclass(kind, msgspec.Struct):
        for path in _places().get(kind.__name__, ())[:1]:
            sample = _at(full_model(), path)
            yield sample
            for name, inner in _hints(kind).items():
                if inner is not Origin:
                    yield from (msgspec.structs.replace(sample, **{name: each}) for each in _others(inner, None))
    elif kind is timedelta:
        yield (value or timedelta(0)) + timedelta(seconds=7)
    else:
        yield from _SIMPLE[kind](value)


_SIMPLE: dict[Any, Any] = {
    bool: lambda value: (not value,),
    int: lambda value: ((value if isinstance(value, int) else 0) + 3,),
    float: lambda value: ((value or 0.0) + 2.5,),
    str: lambda value: (f"{value or ''}other", "/other"),
    bytes: lambda _: (b"other",),
    Sensitive: lambda _: (Sensitive(b"other"),),
}


def test_the_full_model_is_accepted_whole() -> None:
    assert _built(full_model()).refused == ()


def test_the_full_model_holds_every_type() -> None:
    assert {name.partition(".")[0] for name in FIELDS} <= set(_places())


def test_tables_name_real_fields() -> None:
    assert set(NOT_CARRIED) | set(FILTERS_NOT_CARRIED) <= set(FIELDS)


@pytest.mark.parametrize("field", [name for name in FIELDS if not name.endswith(".origin")])
def test_a_field_reaches_envoy_or_is_listed(field: str) -> None:
    struct, _, name = field.partition(".")
    if field not in FILTERS_NOT_CARRIED:
        assert _changes_something(struct, name) != (field in NOT_CARRIED)


def _changes_something(struct: str, name: str) -> bool:
    plain = full_model()
    for path in _places()[struct]:
        node = _at(plain, path)
        kind = _hints(type(node))[name]
        value = getattr(node, name)
        for other in (*_SAMPLES.get(f"{struct}.{name}", ()), *_others(kind, value)):
            if other == value:
                continue
            if build(_with(plain, (*path, name), other), PLACEMENT) != _built(plain):
                return True
    return False
