"""The model in a multipart form (RFC 7578): only the bytes of its part change."""

import re

from anygate.providers.refusal import Refused

_BOUNDARY = re.compile(r'(?i)^multipart/form-data\b.*?;\s*boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))')
_DISPOSITION = re.compile(rb"(?im)^content-disposition:([^\r\n]*)")
_PARAMETER = re.compile(rb';\s*([\w*]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]*))')
_FOLD = re.compile(rb"\r\n[ \t]+")


def read_form_model(body: bytes, content_type: str) -> str:
    """The model that a form asks for, empty when it names none; raises Refused."""
    spans = _find_models(body, _read_boundary(content_type))
    return body[slice(*spans[0])].decode("utf-8", "replace").strip() if spans else ""


def rewrite_form(body: bytes, content_type: str, model: str) -> bytes:
    """The form with another model in it, in each part of that name, or in a new first part when there is none."""
    boundary = _read_boundary(content_type)
    spans = _find_models(body, boundary)
    value = model.encode()
    if not spans:
        start = _find_delimiter(body, boundary, 0)
        part = b'--%b\r\ncontent-disposition: form-data; name="model"\r\n\r\n%b\r\n' % (boundary, value)
        return b"".join((body[:start], part, body[start:]))
    out, at = [], 0
    for start, end in spans:
        out += [body[at:start], value]
        at = end
    return b"".join((*out, body[at:]))


def _read_boundary(content_type: str) -> bytes:
    match = _BOUNDARY.match(content_type.strip())
    if match is None:
        raise Refused(400, "malformed request: the body is not a multipart form with a boundary")
    return (match[1] or match[2]).encode("latin-1", "replace")


def _find_models(body: bytes, boundary: bytes) -> list[tuple[int, int]]:
    """Start and end of the content of every part that is called `model` and is not a file."""
    spans = []
    delimiter = len(boundary) + 2
    at = _find_delimiter(body, boundary, 0)
    while body[at + delimiter : at + delimiter + 2] != b"--":
        line_end = body.index(b"\r\n", at + delimiter)
        head_end = body.find(b"\r\n\r\n", line_end)
        if head_end < 0:
            raise _malformed()
        at = _find_delimiter(body, boundary, head_end + 2)
        if _is_model(body[line_end + 2 : head_end]):
            if at - 2 < head_end + 4:
                raise _malformed()
            spans.append((head_end + 4, at - 2))
    return spans


def _find_delimiter(body: bytes, boundary: bytes, start: int) -> int:
    """Where the next line that consists of the boundary begins."""
    wanted = b"--" + boundary
    at = start
    while True:
        at = body.find(wanted, at)
        if at < 0:
            raise _malformed()
        after = body[at + len(wanted) : at + len(wanted) + 200]
        starts_line = at == 0 or body[at - 2 : at] == b"\r\n"
        if starts_line and (after.startswith(b"--") or after.lstrip(b" \t").startswith(b"\r\n")):
            return at
        at += 1


def _is_model(headers: bytes) -> bool:
    disposition = _DISPOSITION.search(_FOLD.sub(b" ", headers))
    if disposition is None:
        return False
    parameters = {match[1].lower(): match[2] or match[3] for match in _PARAMETER.finditer(disposition[1])}
    return parameters.get(b"name") == b"model" and b"filename" not in parameters and b"filename*" not in parameters


def _malformed() -> Refused:
    return Refused(400, "malformed request: the multipart form is cut short or broken")
