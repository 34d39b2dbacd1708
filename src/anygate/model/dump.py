"""The model as YAML for people: canonical, without defaults, and without a byte of a secret."""

import base64
from datetime import timedelta
from functools import cache
from typing import Any

import msgspec
import yaml

from anygate.manifests.sensitive import Sensitive
from anygate.model.origin import Origin
from anygate.model.root import Model
from anygate.model.text import Text

_UNITS = (("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))


def render_model(model: Model) -> str:
    """Render a model as YAML; the same model always gives the same text, an empty one gives none."""
    plain = to_plain(model)
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120) if plain else ""


def to_plain(value: Any) -> Any:
    """A node as mappings, lists and scalars; fields that hold their default are left out."""
    if isinstance(value, Origin):
        return render_origin(value)
    if isinstance(value, Text):
        return str(value)
    if isinstance(value, msgspec.Struct):
        return _fields_of(value)
    if isinstance(value, tuple | list):
        return [to_plain(one) for one in value]
    if isinstance(value, timedelta):
        return render_duration(value)
    if isinstance(value, Sensitive):
        return repr(value)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def render_origin(origin: Origin) -> str:
    """The object, the field and the line of an origin on one line."""
    field = f" {origin.path}" if origin.path else ""
    return f"{origin.object}{field} ({origin.place})"


def render_duration(duration: timedelta) -> str:
    """A duration as manifests write it: `1h30m`, `500ms`, `0s`."""
    left = duration // timedelta(milliseconds=1)
    if duration != timedelta(milliseconds=left):
        return f"{duration // timedelta(microseconds=1)}us"
    text = ""
    for unit, size in _UNITS:
        amount, left = divmod(left, size)
        text += f"{amount}{unit}" if amount else ""
    return text or "0s"


def _fields_of(node: msgspec.Struct) -> dict[str, Any]:
    found = {}
    if tag := _tag(type(node)):
        found["type"] = tag
    for name, default in _fields(type(node)):
        value = getattr(node, name)
        if default is msgspec.NODEFAULT or value != default:
            found[name] = to_plain(value)
    return found


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, field.default) for field in msgspec.structs.fields(kind))


_ALTERNATIVES = frozenset(
    (
        *("Forward", "Redirect", "Respond", "Continue"),
        *("Certificate", "Authorities", "Opaque"),
        *("HmacCheck", "CsrfCheck", "LdapCheck", "WolfCheck"),
        *("KeyCredential", "QueryCredential", "TokenCredential", "AwsCredential", "AzureToken", "GcpToken"),
    )
)


def _tag(kind: type[msgspec.Struct]) -> str:
    """The name of a type that stands where others could, so that a reader sees which it is."""
    return kind.__name__ if kind.__name__ in _ALTERNATIVES else ""
