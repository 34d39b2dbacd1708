"""What of a Secret stands open in a rule that a plugin has made, where Envoy's dump of its configuration shows it."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from anygate.manifests.core import Secret
from anygate.model.origin import Origin

_TELLING = 4
"""A value that is shorter may well be part of some other text."""


def list_shown(secret: Secret, before: msgspec.Struct, made: Iterable[msgspec.Struct]) -> list[str]:
    """The keys of a Secret whose values stand in what was made of `before`, and did not stand there."""
    known, now = set(_texts(before)), {text for node in made for text in _texts(node)}
    return [key for key, value in secret.values.items() if _is_in(value.reveal().decode(errors="replace"), now - known)]


def _is_in(value: str, texts: Iterable[str]) -> bool:
    return any(value == text or (len(value) >= _TELLING and value in text) for text in texts)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode(errors="replace")
    elif isinstance(value, tuple):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, msgspec.Struct) and not isinstance(value, Origin):
        for field in value.__struct_fields__:
            yield from _texts(getattr(value, field))
