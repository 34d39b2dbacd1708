"""Formats of access logs that Envoy would refuse, and all of a listener with them."""

from collections.abc import Iterator
from typing import NamedTuple

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.context import Context
from anygate.dialects.app_mesh.findings import LOG_FORMAT
from anygate.dialects.app_mesh.kinds.connections import Logging
from anygate.model.log_format import problem_of

_FORMAT: FieldPath = ("spec", "logging", "accessLog", "file", "format")


class WrongFormat(NamedTuple):
    """A format, where it stands in its object, and what is wrong with it."""

    path: FieldPath
    problem: str


def find_wrong_formats(logging: Logging | None) -> Iterator[WrongFormat]:
    """The formats of an object's access log that Envoy would refuse."""
    file = logging.access_log.file if logging is not None and logging.access_log is not None else None
    form = file.format if file is not None else None
    if form is None:
        return
    places: list[tuple[FieldPath, str]] = [((*_FORMAT, "text"), form.text or "")]
    places += [((*_FORMAT, "json", number, "value"), one.value) for number, one in enumerate(form.json_fields or ())]
    for path, text in places:
        problem = problem_of(text)
        if problem is not None:
            yield WrongFormat(path, problem)


def check_log_formats(context: Context) -> None:
    """Name every wrong format once, however many listeners write that log."""
    for kind in ("VirtualGateway", "VirtualNode"):
        for member in context.members[kind]:
            for wrong in find_wrong_formats(member.spec.logging):
                context.note(LOG_FORMAT, wrong.problem, member.kind, wrong.path)
