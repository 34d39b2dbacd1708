"""Reads a multipart form as RFC 7578 writes it, whatever the bytes."""

import re
from dataclasses import dataclass

_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^\s;]+))', re.IGNORECASE)
_NAME = re.compile(r'[; ]name="([^"]*)"')
_FILE = re.compile(r'[; ]filename="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a form."""

    filename: str
    media: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form; a repeated one has several values."""

    texts: dict[str, list[str]]
    files: dict[str, Upload]

    def first(self, name: str) -> str | None:
        """Return the first value of a text field."""
        values = self.texts.get(name)
        return values[0] if values else None


def read_form(content_type: str, body: bytes) -> Form | None:
    """Return the form in `body`, or nothing when it is none."""
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/form-data") or found is None:
        return None
    mark = b"--" + (found[1] or found[2]).encode("latin-1", "replace")
    _, *sections = (b"\r\n" + body).split(b"\r\n" + mark)
    if not sections or not sections[-1].startswith(b"--"):
        return None
    form = Form({}, {})
    for section in sections[:-1]:
        head, gap, content = section.partition(b"\r\n\r\n")
        if not gap:
            return None
        _add(form, head.decode("utf-8", "replace"), content)
    return form


def _add(form: Form, head: str, content: bytes) -> None:
    headers = dict(line.lower().split(":", 1) for line in head.split("\r\n") if ":" in line)
    disposition = next((line for line in head.split("\r\n") if line.lower().startswith("content-disposition")), "")
    name = _NAME.search(disposition)
    if name is None:
        return
    file = _FILE.search(disposition)
    if file is not None:
        media = headers.get("content-type", "application/octet-stream").strip()
        form.files[name[1]] = Upload(file[1], media, content)
    else:
        form.texts.setdefault(name[1], []).append(content.decode("utf-8", "replace"))
