"""JSON Schema to the OpenAPI subset that Gemini before 2.5 reads ("Schema" in the API reference; spec OG6)."""

from typing import Any

from anygate.providers.refusal import not_expressible

DEPTH_LIMIT = 100
# Inlined definitions multiply: a schema that doubles at each level must not fill the memory.
SIZE_LIMIT = 20_000
_KEPT = {
    *(
        "type",
        "format",
        "title",
        "description",
        "nullable",
        "enum",
        "maxItems",
        "minItems",
        "required",
        "minProperties",
    ),
    *("maxProperties", "minLength", "maxLength", "pattern", "example", "default", "minimum", "maximum"),
    "propertyOrdering",
}


def convert_schema(schema: dict[str, Any], path: str) -> dict[str, Any]:
    """References inlined, a single allOf flattened, `[T, null]` as nullable; a circular reference is a refusal."""
    return _Converter(schema, path).convert(schema, 0, ())


class _Converter:
    def __init__(self, root: dict[str, Any], path: str) -> None:
        self._root = root
        self._path = path
        self._size = 0

    def convert(self, schema: object, depth: int, seen: tuple[str, ...]) -> dict[str, Any]:
        self._size += 1
        if depth > DEPTH_LIMIT or self._size > SIZE_LIMIT:
            raise not_expressible(self._path, "the schema is too deep or too large for this model")
        if type(schema) is not dict:
            return {}
        reference = schema.get("$ref")
        if type(reference) is str:
            if reference in seen:
                raise not_expressible(self._path, f"the schema refers to itself at {reference[:100]!r}")
            rest = {name: value for name, value in schema.items() if name != "$ref"}
            return self.convert({**self._find(reference), **rest}, depth + 1, (*seen, reference))
        every = schema.get("allOf")
        if type(every) is list and len(every) == 1 and type(every[0]) is dict:
            rest = {name: value for name, value in schema.items() if name != "allOf"}
            return self.convert({**every[0], **rest}, depth + 1, seen)
        if every:
            raise not_expressible(self._path, "this model takes no schema with several allOf branches")
        return self._convert_plain(schema, depth, seen)

    def _convert_plain(self, schema: dict[str, Any], depth: int, seen: tuple[str, ...]) -> dict[str, Any]:
        written = {name: value for name, value in schema.items() if name in _KEPT}
        kinds = schema.get("type")
        if type(kinds) is list:
            named = [kind for kind in kinds if kind != "null"]
            written.pop("type")
            if len(named) < len(kinds):
                written["nullable"] = True
            if len(named) == 1:
                written["type"] = named[0]
            elif named:
                written["anyOf"] = [{"type": kind} for kind in named]
        if "const" in schema:
            written["enum"] = [schema["const"]]
        properties = schema.get("properties")
        if type(properties) is dict:
            converted = {name: self.convert(value, depth + 1, seen) for name, value in properties.items()}
            written["properties"] = converted
        if "items" in schema:
            written["items"] = self.convert(schema["items"], depth + 1, seen)
        branches = schema.get("anyOf") or schema.get("oneOf")
        if type(branches) is list:
            self._convert_branches(written, branches, depth, seen)
        return written

    def _convert_branches(
        self, written: dict[str, Any], branches: list[Any], depth: int, seen: tuple[str, ...]
    ) -> None:
        named = [branch for branch in branches if not (type(branch) is dict and branch.get("type") == "null")]
        if len(named) < len(branches):
            written["nullable"] = True
        converted = [self.convert(branch, depth + 1, seen) for branch in named]
        if len(converted) == 1:
            written.update({**converted[0], **{k: v for k, v in written.items() if k != "anyOf"}})
        else:
            written["anyOf"] = converted

    def _find(self, reference: str) -> dict[str, Any]:
        node: Any = self._root
        if not reference.startswith("#"):
            raise not_expressible(self._path, f"the schema refers outside itself: {reference[:100]!r}")
        for step in reference[1:].split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            node = node.get(name) if type(node) is dict else None
        if type(node) is not dict:
            raise not_expressible(self._path, f"the schema refers to {reference[:100]!r}, which does not exist")
        return node
