"""`headers` of plugins: a mapping of names to values, which sets them, or one of `add`, `set` and `remove`."""

from collections.abc import Container, Iterator, Mapping
from typing import Any, NamedTuple

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.findings import PLUGIN_CONFIG
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.dialects.apisix.plugins.variables import hide, read_text
from anygate.model.edit import HeaderEdit
from anygate.model.text import Value

HEADERS: FieldPath = ("headers",)
"""Where most plugins have them."""

_OPERATIONS = ("add", "set", "remove")


class _Entry(NamedTuple):
    operation: str
    name: str
    written: Any
    path: FieldPath


def read_headers(
    written: Mapping[str, Any],
    surroundings: Surroundings,
    path: FieldPath = HEADERS,
    hidden: Container[str] = (),
) -> HeaderEdit | Refusal:
    """The changes, in APISIX's order: add, set, remove. A header that is set to nothing is removed.

    They stand at `path` of the plugin's `config`. What comes from a Secret stays one, and so does what is put into
    `hidden` headers (names in lower case) wherever it comes from.
    """
    found: dict[str, list[Any]] = {operation: [] for operation in _OPERATIONS}
    for operation, name, value, place in _list(written, path):
        if not name or not all(letter.isalnum() or letter in "-_.!#$%&'*+^`|~" for letter in name):
            return Refusal(PLUGIN_CONFIG, f"{name!r} is no name of a header", "", place)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return Refusal(PLUGIN_CONFIG, "expected a string or a number", "", place)
        text = read_text(str(value), surroundings, place)
        if surroundings.is_secret(place) or name.lower() in hidden:
            text = hide(text, surroundings, place)
        if operation == "remove" or (operation == "set" and text == ""):
            found["remove"].append(name)
        else:
            found[operation].append((name, text))
    removed = {name.lower() for name in found["remove"]}
    sets: list[tuple[str, Value]] = [one for one in found["set"] if one[0].lower() not in removed]
    kept = removed | {name.lower() for name, _ in sets}
    adds: list[tuple[str, Value]] = [one for one in found["add"] if one[0].lower() not in kept]
    return HeaderEdit(set=tuple(sets), add=tuple(adds), remove=tuple(found["remove"]))


def _list(written: Mapping[str, Any], path: FieldPath) -> Iterator[_Entry]:
    if not any(isinstance(written.get(operation), list | dict) for operation in _OPERATIONS):
        for name, value in written.items():
            yield _Entry("set", name, value, (*path, name))
        return
    for operation, entries in written.items():
        place: FieldPath = (*path, operation)
        if isinstance(entries, dict):
            for name, value in entries.items():
                yield _Entry(operation, name, value, (*place, name))
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            name, _, value = str(entry).partition(":") if operation != "remove" else (str(entry), "", "")
            yield _Entry(operation, name.strip(), value.strip(), (*place, index))
