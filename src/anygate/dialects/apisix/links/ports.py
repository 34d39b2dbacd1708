"""The ports of a component: `name:port:protocol[:stream]`, one per line."""

import re

from anygate.diagnostics import Related, Span
from anygate.dialects.apisix.links.entry import Entry, Line
from anygate.dialects.apisix.links.rules.ports import DUPLICATE_PORT, PORT_SPEC
from anygate.dialects.apisix.links.stack import Port

_NAME = re.compile(r"(?=[0-9-]*[a-z])[a-z0-9](?:-?[a-z0-9])*")
_FORM = 'write it "name:port:protocol" or "name:port:protocol:stream", such as http:8000:TCP'
_FIELDS = ("name", "port", "protocol", "stream")


def read_ports(entry: Entry, *, streams_only: bool = False) -> tuple[tuple[Port, ...], bool]:
    """The ports, and whether all of them could be read. `streams_only` makes every port one."""
    rows: list[tuple[Line, list[str]]] = []
    sound = True
    if isinstance(entry.value, list):
        for item in entry.items():
            fields = _read_item(item)
            sound = sound and fields is not None
            rows += [(Line(":".join(fields), item.span), fields)] if fields else []
    else:
        lines = entry.lines() if isinstance(entry.value, str) else None
        if lines is None:
            entry.refuse(PORT_SPEC, "expected lines of ports, or a list", hint=_FORM)
            return (), False
        rows = [(line, [part.strip() for part in line.text.split(":")]) for line in lines]
    read = [_read_port(entry, line, fields, streams_only=streams_only) for line, fields in rows]
    ports = tuple(port for port in read if port is not None)
    return ports, _check_distinct(entry, ports) and sound and None not in read


def _read_item(item: Entry) -> list[str] | None:
    """An item of a list: a line, or a mapping of its fields."""
    if isinstance(item.value, str):
        return [part.strip() for part in item.value.split(":")]
    if not isinstance(item.value, dict):
        item.refuse(PORT_SPEC, "expected a port", hint=_FORM)
        return None
    item.check_keys(_FIELDS)
    values = {name: item.value.get(name) for name in _FIELDS}
    stream = item.get("stream")
    is_stream = stream is not None and stream.flag()
    fields = [str(values["name"] or ""), str(values["port"] or ""), str(values["protocol"] or "TCP")]
    return [*fields, "stream"] if is_stream else fields


def _read_port(entry: Entry, line: Line, fields: list[str], *, streams_only: bool) -> Port | None:
    problem = _find_problem(fields)
    if problem:
        entry.refuse(PORT_SPEC, f'{problem} in "{line.text[:80]}"', span=line.span, hint=_FORM)
        return None
    name, number, protocol, *stream = fields
    return Port(name, int(number), protocol.upper(), bool(stream) or streams_only, line.span)


def _find_problem(fields: list[str]) -> str:
    if len(fields) not in (3, 4):
        return f"expected 3 or 4 fields, found {len(fields)}"
    name, number, protocol, *stream = fields
    if len(name) > 15 or not _NAME.fullmatch(name):
        return f'"{name[:40]}" is not a port name of 1 to 15 lower-case letters, digits and "-"'
    if not (number.isascii() and number.isdecimal() and len(number) < 6 and 1 <= int(number) <= 65535):
        return f'"{number[:40]}" is not a port number from 1 to 65535'
    if protocol.upper() not in ("TCP", "UDP"):
        return f'the protocol "{protocol[:40]}" is neither TCP nor UDP'
    if stream and stream[0] != "stream":
        return f'the last field is "{stream[0][:40]}", which can only be "stream"'
    return ""


def _check_distinct(entry: Entry, ports: tuple[Port, ...]) -> bool:
    names: dict[str, Span] = {}
    numbers: dict[tuple[int, str], Span] = {}
    sound = True
    for port in ports:
        number = (port.number, port.protocol)
        if port.name in names:
            sound = _refuse_second(entry, f'the port name "{port.name}" is used twice', port.span, names[port.name])
        elif number in numbers:
            sound = _refuse_second(entry, f"port {number[0]}/{number[1]} is used twice", port.span, numbers[number])
        names.setdefault(port.name, port.span)
        numbers.setdefault(number, port.span)
    return sound


def _refuse_second(entry: Entry, message: str, span: Span, first: Span) -> bool:
    hint = "a Service has each name and each number with a protocol once"
    entry.refuse(DUPLICATE_PORT, message, span=span, hint=hint, related=[Related("first used here", first)])
    return False
