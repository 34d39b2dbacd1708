"""Makes a value that a JSON schema accepts: for tool arguments and structured answers."""

import re
from typing import Any

_DEEPEST = 12
_FORMATS = {
    "date": "2024-01-15",
    "time": "12:00:00Z",
    "date-time": "2024-01-15T12:00:00Z",
    "email": "someone@example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com/",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "duration": "PT1H",
}
_MOST_ITEMS = 100


def make_value(schema: object, name: str = "value") -> Any:
    """Return a value for `schema`; strings without a rule of their own say `name`."""
    return _make(schema, schema, name, 0)


def _make(schema: Any, root: Any, name: str, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return {} if schema is root else name
    if isinstance(schema.get("$ref"), str):
        return _make(_follow(schema["$ref"], root), root, name, depth + 1)
    for fixed in ("const", "default"):
        if fixed in schema:
            return schema[fixed]
    for listed in ("enum", "examples"):
        if isinstance(schema.get(listed), list) and schema[listed]:
            return schema[listed][0]
    for choice in ("anyOf", "oneOf", "any_of"):
        if isinstance(schema.get(choice), list) and schema[choice]:
            return _make(schema[choice][0], root, name, depth + 1)
    if isinstance(schema.get("allOf"), list):
        return _make(_join(schema, root), root, name, depth + 1)
    match _read_type(schema):
        case "object":
            return _make_object(schema, root, depth)
        case "array":
            return _make_array(schema, root, name, depth)
        case "integer" | "number" as kind:
            return _make_number(schema, kind)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _make_string(schema, name)


def _read_type(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if isinstance(kind, str):
        return kind.lower()  # Google writes types in capitals
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _follow(reference: str, root: Any) -> Any:
    target = root
    for step in reference.removeprefix("#").split("/")[1:]:
        if not isinstance(target, dict):
            return None
        target = target.get(step.replace("~1", "/").replace("~0", "~"))
    return target


def _join(schema: dict[str, Any], root: Any) -> dict[str, Any]:
    joined: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        if isinstance(part, dict) and isinstance(part.get("$ref"), str):
            part = _follow(part["$ref"], root)  # noqa: PLW2901 - the reference stands for its target
        if not isinstance(part, dict):
            continue
        for key, value in part.items():
            if key == "properties" and isinstance(joined.get(key), dict) and isinstance(value, dict):
                joined[key] = {**joined[key], **value}
            elif key == "required" and isinstance(joined.get(key), list) and isinstance(value, list):
                joined[key] = [*joined[key], *value]
            else:
                joined[key] = value
    return joined


def _make_object(schema: dict[str, Any], root: Any, depth: int) -> dict[str, Any]:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return {}
    required = schema.get("required")
    wanted = required if isinstance(required, list) and depth > 3 else list(properties)
    # Optional fields stop at some depth: a schema may contain itself.
    return {
        key: _make(properties[key], root, key, depth + 1)
        for key in wanted
        if isinstance(key, str) and key in properties
    }


def _make_array(schema: dict[str, Any], root: Any, name: str, depth: int) -> list[Any]:
    least = schema.get("minItems", 1)
    count = int(least) if isinstance(least, int | float) and 0 <= least <= _MOST_ITEMS else 1
    if depth < 4 and schema.get("maxItems") != 0:
        count = max(1, count)
    return [_make(schema.get("items", {}), root, name, depth + 1) for _ in range(count)]


def _make_number(schema: dict[str, Any], kind: str) -> int | float:
    value: int | float = 1
    step = schema.get("multipleOf")
    if isinstance(step, int | float) and step > 0:
        value = step
    if isinstance(least := schema.get("minimum"), int | float) and value < least:
        value = least
    if isinstance(above := schema.get("exclusiveMinimum"), int | float) and value <= above:
        value = above + 1
    if isinstance(most := schema.get("maximum"), int | float) and value > most:
        value = most
    if isinstance(below := schema.get("exclusiveMaximum"), int | float) and value >= below:
        value = below - 1
    return int(value) if kind == "integer" else value


def _make_string(schema: dict[str, Any], name: str) -> str:
    text = _FORMATS.get(str(schema.get("format")), f"some {name}")
    pattern = schema.get("pattern")
    if isinstance(pattern, str):
        text = _match(pattern, text)
    least, most = schema.get("minLength"), schema.get("maxLength")
    if isinstance(least, int) and 0 < least < 10_000:
        text = text.ljust(least, ".")
    return text[:most] if isinstance(most, int) and most >= 0 else text


def _match(pattern: str, text: str) -> str:
    """Return the first plain candidate that fits; patterns in general cannot be inverted."""
    candidates = (text, "a", "A", "abc", "ABC", "1", "12", "123", "1234", "12345", "AB12", "a1", "2024-01-15")
    try:
        found = re.compile(pattern)
    except re.error:
        return text
    return next((each for each in candidates if found.search(each)), text)
