"""Changing single top-level fields of a JSON object without touching any other byte (spec C2, C3)."""

import re

import msgspec

from anygate.providers.json_text import parse_request, render
from anygate.providers.refusal import Refused

_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KEY = re.compile(rb'\s*("(?:[^"\\]|\\.)*")\s*:\s*')
_AFTER = re.compile(rb"\s*([,}])")
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]|[^\s"\[\]{},:]+|[\s:]+')


def rewrite_top_level(body: bytes, *, model: str | None = None, include_usage: bool = False) -> bytes:
    """The body with its `model` replaced and `stream_options.include_usage` set to true, all else byte for byte.

    Repeated keys are replaced each, so that no parser downstream can prefer an untouched one. Raises Refused when
    the body is not a JSON object.
    """
    if model is None and not include_usage:
        return body
    spans = find_spans(body)
    changes: list[tuple[int, int, bytes]] = []
    if model is not None:
        changes.extend((start, end, render(model)) for name, start, end in spans if name == "model")
    missing = b""
    if include_usage:
        found = [(start, end) for name, start, end in spans if name == "stream_options"]
        changes.extend((start, end, _add_usage(body[start:end])) for start, end in found)
        if not found:
            missing = b'"stream_options":{"include_usage":true}'
    out, at = [], 0
    for start, end, value in sorted(changes):
        out += [body[at:start], value]
        at = end
    rest = body[at:]
    if missing:
        close = rest.rindex(b"}")
        comma = b"," if spans else b""
        rest = rest[:close].rstrip() + comma + missing + rest[close:]
    return b"".join([*out, rest])


def name_model(body: bytes, model: str) -> bytes:
    """The body with a model if nothing in it looks like one; what is no object stays as it is."""
    start = body.lstrip()[:1] == b"{" and b'"model"' not in body
    if not start:
        return body
    at = body.index(b"{") + 1
    rest = body[at:]
    comma = b"" if rest.lstrip()[:1] == b"}" else b","
    return b"".join((body[:at], b'"model":', render(model), comma, rest))


def find_spans(body: bytes) -> list[tuple[str, int, int]]:
    """Name, start and end of every top-level value."""
    try:
        values = _RAW.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        parse_request(body)
        raise Refused(400, "malformed request: the body is not a JSON object") from None
    spans: list[tuple[str, int, int]] = []
    at = body.index(b"{") + 1
    while match := _KEY.match(body, at):
        name = msgspec.json.decode(match[1], type=str)
        start = match.end()
        end = start + len(memoryview(values[name]))
        after = _AFTER.match(body, end)
        if after is None or body[start:end] != bytes(values[name]):
            end = _skip_value(body, start)  # a repeated key: the decoder kept only its last value
            after = _AFTER.match(body, end)
        spans.append((name, start, end))
        if after is None or after[1] == b"}":
            break
        at = after.end()
    return spans


def _skip_value(body: bytes, start: int) -> int:
    depth = 0
    for match in _TOKEN.finditer(body, start):
        token = match[0]
        if token in (b"{", b"["):
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
        if depth == 0 and not token.isspace():
            return match.end()
    raise Refused(400, "malformed request: failed to parse JSON")


def _add_usage(value: bytes) -> bytes:
    """The options with `include_usage` true; what is not an object is replaced, as it says nothing."""
    try:
        options = _RAW.decode(value)
    except (msgspec.MsgspecError, UnicodeError):
        return b'{"include_usage":true}'
    options["include_usage"] = msgspec.Raw(b"true")
    return render(options)
