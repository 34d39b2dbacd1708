"""Values as manifests write them; what is absent is left out."""

from datetime import timedelta
from typing import Any

from anygate.model.dump import render_duration
from anygate.model.edit import HeaderEdit
from anygate.model.inference import BodyEdit

_MILLISECOND = timedelta(milliseconds=1)


def given(fields: dict[str, Any]) -> dict[str, Any]:
    """Those fields that have something to say."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {}, ())}


def span(value: timedelta | None) -> str | None:
    """A duration of whole milliseconds."""
    return None if value is None else render_duration(round(value / _MILLISECOND) * _MILLISECOND)


def write_headers(edit: HeaderEdit | None) -> dict[str, Any]:
    """Edits of headers."""
    if edit is None:
        return {}
    return given({"set": [{"name": name, "value": str(value)} for name, value in edit.set], "remove": [*edit.remove]})


def write_body(edit: BodyEdit | None) -> dict[str, Any]:
    """Edits of a body."""
    if edit is None:
        return {}
    return given({"set": [{"path": path, "value": value} for path, value in edit.set], "remove": [*edit.remove]})
