"""CEL expressions as trees, for those of Envoy's extensions that take no text."""

from typing import Any


def node(number: int, **fields: Any) -> dict[str, Any]:
    """A part of a tree, with a number that no other part of it has."""
    return {"id": number, **fields}


def call(number: int, function: str, *arguments: dict[str, Any]) -> dict[str, Any]:
    """A call of a function or an operator."""
    return node(number, call_expr={"function": function, "args": list(arguments)})


def text(number: int, value: str) -> dict[str, Any]:
    """A literal."""
    return node(number, const_expr={"string_value": value})


def route_metadata(number: int) -> dict[str, Any]:
    """`xds.route_metadata.filter_metadata`; it takes the number and the next two."""
    metadata = node(
        number + 1, select_expr={"operand": node(number, ident_expr={"name": "xds"}), "field": "route_metadata"}
    )
    return node(number + 2, select_expr={"operand": metadata, "field": "filter_metadata"})
