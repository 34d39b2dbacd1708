"""What stands in a request's body, by the paths that conditions ask for, as the gateway finds it."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from anygate.explain.request import FORM as FORM_TYPE
from anygate.model.body_paths import EACH, FORM, Step, read_steps

_BOUNDARY = re.compile(r'[;\s]boundary="([^"]+)"|[;\s]boundary=([^;\s]+)', re.IGNORECASE)
_FIELD = re.compile(r';\s*name="([^"]*)"|;\s*name=([^;\s]+)')


class SeenBody(NamedTuple):
    """A body that was looked at: a JSON value, or the fields of a form; `is_form` for URL-encoded ones."""

    value: Any = None
    fields: Mapping[str, str] = MappingProxyType({})
    is_form: bool = False

    def find(self, name: str) -> tuple[str, ...]:
        """The texts at a path, in order."""
        if name.startswith(FORM) and not self.is_form:
            return ()
        steps = read_steps(name.removeprefix(FORM)) or ()
        if self.value is not None:
            return tuple(_collect(self.value, steps))
        return (self.fields[str(steps[0])],) if len(steps) == 1 and steps[0] in self.fields else ()


def see_body(body: bytes, kind: str) -> SeenBody:
    """Look at a body of a content type; in one that cannot be read nothing is found."""
    lower = kind.lower()
    if "application/json" in lower:
        return SeenBody(_decode_json(body))
    if FORM_TYPE in lower:
        return SeenBody(fields=_read_form(body), is_form=True)
    return SeenBody(fields=_read_parts(body, kind)) if "multipart/form-data" in lower else SeenBody()


def _decode_json(body: bytes) -> Any:
    try:
        # A number is compared as it was written.
        return msgspec.json.Decoder(type=dict[str, Any], float_hook=str).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _collect(value: Any, steps: tuple[Step, ...]) -> list[str]:
    if not steps:
        if isinstance(value, bool):
            return [str(value).lower()]
        return [str(value)] if isinstance(value, str | int | float) else []
    step, rest = steps[0], steps[1:]
    if isinstance(step, str):
        return _collect(value[step], rest) if isinstance(value, dict) and step in value else []
    if not isinstance(value, list):
        return []
    chosen = value if step == EACH else value[step : step + 1]
    return [text for one in chosen for text in _collect(one, rest)]


def _read_form(body: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in body.split(b"&"):
        name, _, value = pair.partition(b"=")
        if pair:
            found.setdefault(_unescape(name), _unescape(value))
    return found


def _unescape(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8", "replace")


def _read_parts(body: bytes, kind: str) -> dict[str, str]:
    """The parts of multipart/form-data that are no files; nothing of a form that does not end."""
    named = _BOUNDARY.search(kind)
    parts = (b"\r\n" + body).split(b"\r\n--" + (named[1] or named[2]).encode()) if named else []
    if len(parts) < 2 or not any(part.startswith(b"--") for part in parts[1:]):
        return {}
    found: dict[str, str] = {}
    for part in parts[1:]:
        if part.startswith(b"--"):
            break
        head, _, content = part.partition(b"\r\n\r\n")
        lines = (
            line for line in head.decode("latin-1").split("\r\n") if line.lower().startswith("content-disposition:")
        )
        said = next(lines, "")
        name = _FIELD.search(said)
        if name and not re.search(r";\s*filename", said):
            found.setdefault(name[1] or name[2] or "", content.decode("utf-8", "replace"))
    return found
