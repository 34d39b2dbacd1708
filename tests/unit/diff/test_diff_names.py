"""Names and secrets: every field of the model that refers to something is known as that."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import msgspec

import anygate.model
from anygate.diff import names
from anygate.model.origin import Node

REFERENCE = re.compile(r"(^|_)(backends?|secrets?|certificates?|authorities|stage|members)$")
NO_REFERENCES = {
    # Headers, and the name by which somebody else knows a secret.
    *("ExtAuth.headers_to_backend", "ForwardAuth.headers_to_backend", "SocketSecret.secret"),
}


def nodes(kind: type = Node) -> Iterator[type[msgspec.Struct]]:
    for one in kind.__subclasses__():
        yield one
        yield from nodes(one)


def test_every_reference_of_the_model_is_known():
    for module in pkgutil.iter_modules(anygate.model.__path__):
        importlib.import_module(f"anygate.model.{module.name}")
    fields = {f"{kind.__name__}.{field}" for kind in nodes() for field in kind.__struct_fields__}
    assert len(fields) > 300
    known = names.BACKENDS | names.SECRETS | names.NAMES | names.PROVIDERS | {"Continue.stage"}
    assert sorted((known | names.UNORDERED) - fields) == []
    texts = {
        f"{kind.__name__}.{one.name}"
        for kind in nodes()
        for one in msgspec.structs.fields(kind)
        if one.type in (str, tuple[str, ...])
    }
    looking = {field for field in texts if REFERENCE.search(field.partition(".")[2])}
    assert sorted(looking - known - NO_REFERENCES) == []
