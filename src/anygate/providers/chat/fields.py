"""Reading a JSON object field by field: each read takes the field out, so what is left over is what nobody carried."""

from typing import Any, Literal, overload

from anygate.providers.losses import Losses
from anygate.providers.refusal import bad_request

_KINDS = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}


class Fields:
    """One object and the path that leads to it. A null counts as absent, as all vendors treat it."""

    __slots__ = ("path", "values")

    def __init__(self, values: object, path: str) -> None:
        if type(values) is not dict:
            raise bad_request(path or "body", f"expected an object, got {kind_of(values)}")
        self.values: dict[str, Any] = values
        self.path = path

    def path_of(self, name: str) -> str:
        """The full path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def take(self, name: str) -> Any:
        """The value as it is."""
        return self.values.pop(name, None)

    @overload
    def text(self, name: str, *, required: Literal[True]) -> str: ...
    @overload
    def text(self, name: str, *, required: bool = False) -> str | None: ...
    def text(self, name: str, *, required: bool = False) -> str | None:
        """A string."""
        value = self.values.pop(name, None)
        if type(value) is str or (value is None and not required):
            return value
        raise self._wrong(name, value, "a string")

    def number(self, name: str) -> float | int | None:
        """An integer or a float."""
        value = self.values.pop(name, None)
        if value is None or type(value) is int or type(value) is float:
            return value
        raise self._wrong(name, value, "a number")

    def integer(self, name: str) -> int | None:
        """An integer; 8.0 is one too."""
        value = self.values.pop(name, None)
        if value is None or type(value) is int:
            return value
        if type(value) is float and value.is_integer():
            return int(value)
        raise self._wrong(name, value, "an integer")

    def flag(self, name: str) -> bool | None:
        """A boolean."""
        value = self.values.pop(name, None)
        if value is None or type(value) is bool:
            return value
        raise self._wrong(name, value, "a boolean")

    def items(self, name: str) -> list[Any]:
        """An array, empty when absent."""
        value = self.values.pop(name, None)
        if type(value) is list:
            return value
        if value is None:
            return []
        raise self._wrong(name, value, "an array")

    def mapping(self, name: str) -> dict[str, Any] | None:
        """An object."""
        value = self.values.pop(name, None)
        if value is None or type(value) is dict:
            return value
        raise self._wrong(name, value, "an object")

    def fields(self, name: str) -> "Fields | None":
        """An object, to be read field by field."""
        value = self.values.pop(name, None)
        return None if value is None else Fields(value, self.path_of(name))

    def report_rest(self, losses: Losses) -> None:
        """Name every field that was not read."""
        for name, value in self.values.items():
            if value is not None:
                losses.add(self.path_of(name), "not a field the target knows")

    def _wrong(self, name: str, value: object, expected: str) -> Exception:
        if value is None:
            return bad_request(self.path_of(name), f"expected {expected}, but it is missing")
        return bad_request(self.path_of(name), f"expected {expected}, got {kind_of(value)}")


Kind = Literal["text", "number", "integer", "flag", "mapping"]


def read_scalars(fields: Fields, table: dict[str, tuple[str, Kind]]) -> dict[str, Any]:
    """The fields of a table that are there, under their canonical names; absent ones, most of them, cost nothing."""
    found: dict[str, Any] = {}
    for name in [name for name in fields.values if name in table]:
        field, kind = table[name]
        found[field] = getattr(fields, kind)(name)
    return found


def kind_of(value: object) -> str:
    """JSON's name for a value's type."""
    return "null" if value is None else _KINDS.get(type(value), "a number")


def read_texts(value: object, path: str) -> list[str]:
    """A string or a list of strings, as a list."""
    if value is None:
        return []
    if type(value) is str:
        return [value]
    if type(value) is list and all(type(item) is str for item in value):
        return value
    raise bad_request(path, f"expected a string or an array of strings, got {kind_of(value)}")
