"""Changes to single fields of a model in which everything occurs: what a test of exhaustiveness tries one by one."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from full_model import full_model

from anygate.manifests.sensitive import Sensitive
from anygate.model.origin import Origin

SAMPLES: dict[str, Any] = {
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
    "HttpMatch.percent": (50.0,),
    "LimitAnswer.status": (503,),
    "LimitAnswer.error_status": (503,),
    "Compression.level": (1,),
    "RequestId.header": ("x-id",),
    "Rewrite.method": ("POST",),
    "AnswerEdit.statuses": (((400, 499),),),
    "Opaque.value": (Sensitive(b"other:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="), Sensitive(b'{"client": "new"}')),
}
"""Values where any other string would be refused."""


@cache
def hints(struct: type) -> dict[str, Any]:
    return get_type_hints(struct)


def structs(kind: Any, found: dict[type, None]) -> dict[type, None]:
    """Every struct that can occur in a value of a type."""
    is_struct = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    if is_struct and kind not in found and kind is not Origin:
        found[kind] = None
        for inner in hints(kind).values():
            structs(inner, found)
    for inner in get_args(kind):
        structs(inner, found)
    return found


def find_places(model: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Where each type occurs in a model, as paths of fields and positions."""
    found: dict[str, list[tuple[Any, ...]]] = {}

    def visit(value: Any, path: tuple[Any, ...]) -> None:
        if isinstance(value, tuple):
            for position, item in enumerate(value):
                visit(item, (*path, position))
        elif isinstance(value, msgspec.Struct) and not isinstance(value, Origin):
            found.setdefault(type(value).__name__, []).append(path)
            for name in value.__struct_fields__:
                visit(getattr(value, name), (*path, name))

    visit(model, ())
    return found


@cache
def places() -> dict[str, list[tuple[Any, ...]]]:
    """Where each type occurs in the full model."""
    return find_places(full_model())


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step] if isinstance(step, int) else getattr(value, step)
    return value


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    step, *rest = path
    if isinstance(step, int):
        return (*value[:step], replaced(value[step], tuple(rest), new), *value[step + 1 :])
    return msgspec.structs.replace(value, **{step: replaced(getattr(value, step), tuple(rest), new)})


def others(kind: Any, value: Any) -> Iterator[Any]:
    """Other values of a field's type."""
    arguments = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        for each in arguments:
            yield from [None] if each is NoneType else others(each, value)
    elif get_origin(kind) is Literal:
        yield from arguments
    elif get_origin(kind) is tuple and arguments[-1] is Ellipsis:
        yield ()
        yield from ((sample,) for sample in others(arguments[0], None))
    elif get_origin(kind) is tuple:
        yield tuple(next(others(each, None)) for each in arguments)
    elif issubclass(kind, msgspec.Struct):
        for path in places().get(kind.__name__, ())[:1]:
            sample = at(full_model(), path)
            yield sample
            for name, inner in hints(kind).items():
                if inner is not Origin:
                    yield from (msgspec.structs.replace(sample, **{name: each}) for each in others(inner, None))
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
