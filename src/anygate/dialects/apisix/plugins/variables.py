"""Texts in which plugins name variables of nginx and APISIX: `$remote_addr`, `${arg_name}`.

https://apisix.apache.org/docs/apisix/apisix-variable/
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.plugins.plugin import Surroundings
from anygate.dialects.apisix.plugins.variable_findings import VARIABLE
from anygate.manifests.sensitive import Sensitive
from anygate.model.text import Kind, SecretValue, Text, Value, Variable
from anygate.model.tls import Opaque

CALLER = "x-consumer-username"
"""The header in which authentication says who calls; what clients send in it does not get that far."""

_NAMED: Mapping[str, Variable] = MappingProxyType(
    {
        "remote_addr": Variable(kind="client_address"),
        "remote_port": Variable(kind="client_port"),
        "server_addr": Variable(kind="server_address"),
        "server_port": Variable(kind="server_port"),
        "host": Variable(kind="host"),
        "hostname": Variable(kind="host"),
        "uri": Variable(kind="path"),
        "document_uri": Variable(kind="path"),
        "request_uri": Variable(kind="target"),
        "args": Variable(kind="query_string"),
        "query_string": Variable(kind="query_string"),
        "request_method": Variable(kind="method"),
        "scheme": Variable(kind="scheme"),
        "server_protocol": Variable(kind="protocol"),
        "status": Variable(kind="status"),
        "upstream_addr": Variable(kind="endpoint"),
        "upstream_status": Variable(kind="status"),
        "request_id": Variable(kind="header", name="x-request-id"),
        "consumer_name": Variable(kind="header", name=CALLER),
        "content_type": Variable(kind="header", name="content-type"),
        "content_length": Variable(kind="header", name="content-length"),
    }
)
_PREFIXES: tuple[tuple[str, Kind], ...] = (("http_", "header"), ("arg_", "query"))
_NO_WORD = re.compile(r"[^\w.-]", re.ASCII)
"""What has a meaning where Envoy is told a name, among others."""

_REFERENCE = re.compile(r"(\\\$)|\$\{(\w+)\}|\$(\w+)")


def find_variable(name: str) -> Variable | None:
    """The variable of a name without `$`, or None where nothing tells it."""
    if name in _NAMED:
        return _NAMED[name]
    for prefix, kind in _PREFIXES:
        rest = name.removeprefix(prefix)
        if rest and rest != name:
            return Variable(kind=kind, name=rest.lower().replace("_", "-") if kind == "header" else rest)
    return None


def read_text(written: str, surroundings: Surroundings, path: FieldPath = ()) -> Value:
    """A text with its variables; one without any stays a string. Unknown ones are empty, which is said."""
    parts: list[str | Variable] = []
    end = 0
    for found in _REFERENCE.finditer(written):
        parts.append(written[end : found.start()])
        end = found.end()
        name = found[2] or found[3]
        variable = find_variable(name) if name else None
        if variable is not None:
            parts.append(variable)
        elif name:
            surroundings.note(VARIABLE, f"nothing tells ${name} here, so it is empty", path)
        else:
            parts.append("$")
    parts.append(written[end:])
    return _join(parts)


def hide(text: Value, surroundings: Surroundings, path: FieldPath) -> Value:
    """A text whose literal parts are secrets of the model, which no dump shows; `path` is where it stands."""
    owner, here = surroundings.owner, surroundings.origin
    place = _NO_WORD.sub(lambda found: f"~{ord(found[0]):x}", ".".join(map(str, path)))
    label = f"apisix/text/{owner.kind}/{owner.namespace}/{owner.name}/{here.path}/{place}"

    def keep(at: int, part: str) -> SecretValue:
        value = Sensitive(part.encode())
        return SecretValue(secret=surroundings.add_secret(Opaque(origin=here, name=f"{label}/{at}", value=value)))

    parts = text.parts if isinstance(text, Text) else (text,)
    made = (keep(at, part) if isinstance(part, str) else part for at, part in enumerate(parts) if part)
    return Text(parts=tuple(made)) if text else text


def _join(parts: list[str | Variable]) -> Value:
    joined: list[str | Variable] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part:
            joined.append(part)
    if any(isinstance(part, Variable) for part in joined):
        return Text(parts=tuple(joined))
    return "".join(part for part in joined if isinstance(part, str))
