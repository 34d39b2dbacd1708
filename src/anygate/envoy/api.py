"""Envoy's messages, built directly on the API of the Envoy in use.

`build` takes a full message name and its fields. A sub-message is a message or a dict; a repeated field is
any iterable; a map is a dict; an enum is its name or number; `{}` sets an empty sub-message. A field that
is None is left out, in a nested dict too, but None is no item of a list. A Duration takes a `timedelta`, a
wrapper its own constructor (`uint32`), an extension slot a `typed` message. An unknown field raises
ValueError, a wrong type TypeError. Messages are copied when they are put into another, so build inside out
and keep big lists for last.

    ROUTER = "envoy.extensions.filters.http.router.v3.Router"
    MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

    listener = build(
        "envoy.config.listener.v3.Listener",
        name="web",
        address={"socket_address": {"address": "127.0.0.1", "port_value": 8080}},
        per_connection_buffer_limit_bytes=uint32(52_428_800),
        filter_chains=[
            {
                "filters": [
                    {
                        "name": "http",
                        "typed_config": typed(
                            MANAGER,
                            stat_prefix="web",
                            rds={"route_config_name": "web", "config_source": {"ads": {}}},
                            request_timeout=timedelta(seconds=15),
                            http_filters=[{"name": "router", "typed_config": typed(ROUTER)}],
                        ),
                    }
                ]
            }
        ],
    )
    body = serialise(listener)

The classes are made at run time, so a message is `Any` to the type checker. `constraints.check` checks the
values.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from anygate.envoy.descriptors import pool

REDACTED = "[redacted]"
_PREFIX = "type.googleapis.com/"
_STRUCT = "google.protobuf.Struct"
_ANY = "google.protobuf.Any"
_SENSITIVE = "udpa.annotations.sensitive"
_TYPED_STRUCTS = {"xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct"}


@cache
def message(name: str) -> Any:
    """Return the class of a message by its full name, such as `envoy.config.route.v3.Route`."""
    try:
        return GetMessageClass(pool().FindMessageTypeByName(name))
    except KeyError:
        raise LookupError(f"this Envoy has no message {name}") from None


def build(name: str, /, **fields: Any) -> Any:
    """Build a message from its full name and its fields; a field that is None is left out."""
    return message(name)(**fields)


def typed(name: str, /, **fields: Any) -> Any:
    """Build a message and pack it for an extension slot such as `typed_config`."""
    return any_of(message(name)(**fields))


def any_of(packed: Message) -> Any:
    """Pack a message into a google.protobuf.Any."""
    return message(_ANY)(
        type_url=_PREFIX + packed.DESCRIPTOR.full_name, value=packed.SerializeToString(deterministic=True)
    )


def unpack(packed: Any) -> Any:
    """Return the message inside a google.protobuf.Any."""
    return message(type_name(packed.type_url)).FromString(packed.value)


def type_url(name: str) -> str:
    """Return the type URL of a message name."""
    return _PREFIX + name


def type_name(url: str) -> str:
    """Return the message name in a type URL."""
    return url.rpartition("/")[2]


def duration(span: timedelta | None) -> Any:
    """Return a Duration, or None for None. Fields take a `timedelta` as well."""
    if span is None:
        return None
    made = message("google.protobuf.Duration")()
    made.FromTimedelta(span)
    return made


def uint32(value: int | None) -> Any:
    """Return a UInt32Value, or None for None."""
    return None if value is None else message("google.protobuf.UInt32Value")(value=value)


def uint64(value: int | None) -> Any:
    """Return a UInt64Value, or None for None."""
    return None if value is None else message("google.protobuf.UInt64Value")(value=value)


def bool_value(value: bool | None) -> Any:
    """Return a BoolValue, or None for None."""
    return None if value is None else message("google.protobuf.BoolValue")(value=value)


def double(value: float | None) -> Any:
    """Return a DoubleValue, or None for None."""
    return None if value is None else message("google.protobuf.DoubleValue")(value=value)


def struct(values: Mapping[str, Any]) -> Any:
    """Return a google.protobuf.Struct of a mapping of JSON values."""
    made = message("google.protobuf.Struct")()
    made.update(values)
    return made


def serialise(built: Message) -> bytes:
    """Return the bytes of a message: the same message always gives the same bytes."""
    return built.SerializeToString(deterministic=True)


def to_json(built: Message) -> dict[str, Any]:
    """Return a message as a JSON value with Envoy's field names. It may hold secrets; `redact` does not."""
    from google.protobuf import json_format  # only dumps need it

    return json_format.MessageToDict(built, preserving_proto_field_name=True, descriptor_pool=pool())


def from_json(name: str, value: Mapping[str, Any]) -> Any:
    """Return the message of a JSON value; an unknown field raises ValueError, also inside an Any."""
    from google.protobuf import json_format

    try:
        return json_format.ParseDict(dict(value), message(name)(), descriptor_pool=pool())
    except json_format.ParseError as problem:
        raise ValueError(str(problem)) from problem


def redact(built: Message) -> dict[str, Any]:
    """Return a message as a JSON value where everything that Envoy's API calls sensitive is `[redacted]`.

    Entries of maps are ordered by key: the runtime's own order changes from one process to the next.
    """
    shown = to_json(built)
    _hide(shown, built.DESCRIPTOR.full_name)
    return shown


@cache
def declaration(name: str) -> Any:
    """Return the DescriptorProto of a message, whose options carry the extensions of Envoy's API.

    `descriptor.GetOptions()` would not do: it knows the default pool only, and costs 40 ms of imports.
    """
    made = message("google.protobuf.DescriptorProto")()
    message(name).DESCRIPTOR.CopyToProto(made)
    return made


def map_entries(name: str) -> set[str]:
    """Return the full names of the types that stand for an entry of a map field of a message."""
    return {f"{name}.{nested.name}" for nested in declaration(name).nested_type if nested.options.map_entry}


class _Inner(NamedTuple):
    type_name: str
    is_map: bool
    sensitive: bool


@cache
def _inside(name: str) -> dict[str, _Inner]:
    """Tell which fields of a message to look into, by both of their names."""
    found: dict[str, _Inner] = {}
    sensitive = pool().FindExtensionByName(_SENSITIVE)
    entries = map_entries(name)
    for field, declared in zip(message(name).DESCRIPTOR.fields, declaration(name).field, strict=True):
        hidden = bool(declared.options.Extensions[sensitive])
        inner = field.message_type
        is_map = inner is not None and inner.full_name in entries
        if is_map:
            inner = inner.fields_by_name["value"].message_type
        if hidden or inner is not None:
            entry = _Inner(inner.full_name if inner is not None else "", is_map, hidden)
            found[field.name] = found[field.json_name] = entry
    return found


def _hide(shown: Any, name: str) -> None:
    """Blank the sensitive fields in the JSON form of a message (or a list of them) of the type `name`."""
    if isinstance(shown, list):
        for item in shown:
            _hide(item, name)
    if not isinstance(shown, dict):
        return
    if name == _ANY:
        packed = type_name(shown.get("@type", ""))
        if packed:
            _hide(shown.get("value") if packed == _ANY else shown, packed)
        return
    if name in _TYPED_STRUCTS:
        _hide_typed_struct(shown)
        return
    if name == _STRUCT:
        _order_struct(shown)
        return
    fields = _inside(name)
    for key in shown.keys() & fields.keys():
        inner = fields[key]
        if inner.sensitive:
            shown[key] = _blank(shown[key])
        elif inner.is_map:
            shown[key] = dict(sorted(shown[key].items()))
            _hide(list(shown[key].values()), inner.type_name)
        else:
            _hide(shown[key], inner.type_name)


def _order_struct(shown: Any) -> None:
    """Order the keys of a Struct, whose JSON form is the mapping itself, all the way down."""
    for value in shown.values() if isinstance(shown, dict) else shown:
        if isinstance(value, dict | list):
            _order_struct(value)
    if isinstance(shown, dict):
        ordered = sorted(shown.items())
        shown.clear()
        shown.update(ordered)


def _hide_typed_struct(shown: dict[str, Any]) -> None:
    try:
        _hide(shown.get("value"), type_name(shown.get("type_url", "")))
    except LookupError:  # of an unknown type, anything may be a secret
        shown["value"] = REDACTED


def _blank(value: Any) -> Any:
    """Replace every value and keep the shape, which shows what kind of secret was there."""
    if isinstance(value, dict):
        return {key: inner if key == "@type" else _blank(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_blank(item) for item in value]
    return REDACTED
