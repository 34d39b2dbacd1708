"""Suggestions for names that are almost right, or right in another place."""

import difflib
import types
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from anygate.diagnostics import FieldPath, render_path

_SEARCH_DEPTH = 3


def suggest_word(word: str, choices: Iterable[str]) -> str:
    """`did you mean "X"?` when one of the choices is close, else nothing."""
    by_lower = {choice.lower(): choice for choice in reversed(list(choices))}
    starting = [choice for lower, choice in by_lower.items() if lower.startswith(word.lower())]
    if len(starting) == 1 and len(word) > 2:
        return f'did you mean "{starting[0]}"?'
    close = difflib.get_close_matches(word.lower()[:100], by_lower, n=1, cutoff=0.6)
    return f'did you mean "{by_lower[close[0]]}"?' if close else ""


def suggest_field(model: type[BaseModel], path: FieldPath, name: str) -> str:
    """What an unknown field at `path` was probably meant to be."""
    owner = find_model(model, path)
    if owner is None:
        return ""
    home = _find_home(model, owner, path, name)
    if home is not None:
        return f'"{name}" belongs in {render_path(home) or "the object itself"}'
    return suggest_word(name, list_fields(owner))


def list_fields(model: type[BaseModel]) -> list[str]:
    """The YAML names of a model's fields."""
    return [field.alias or name for name, field in model.model_fields.items()]


def find_model(model: type[BaseModel], path: FieldPath) -> type[BaseModel] | None:
    """The model that stands at `path` in an object of `model`."""
    found: Any = model
    for step in path:
        found = _step_into(found, step)
    found = _unwrap(found)
    return found if _is_model(found) else None


def _find_home(model: type[BaseModel], owner: type[BaseModel], path: FieldPath, name: str) -> FieldPath | None:
    """Where else near `path` a field of that name exists: one of its children, else the closest parent."""
    level: list[tuple[FieldPath, type[BaseModel]]] = [(path, owner)]
    for _ in range(_SEARCH_DEPTH):
        level = [((*at, *steps), child) for at, parent in level for steps, child in _list_children(parent)]
        homes = [at for at, child in level if name in list_fields(child)]
        if len(homes) == 1:
            return homes[0]
        if homes:
            return None
    for end in range(len(path) - 1, -1, -1):
        parent = find_model(model, path[:end])
        if parent is not None and name in list_fields(parent):
            return path[:end]
    return None


def _list_children(model: type[BaseModel]) -> Iterator[tuple[FieldPath, type[BaseModel]]]:
    for name, field in model.model_fields.items():
        alias = field.alias or name
        # Metadata has a name and a namespace that are never what an unknown field was meant to be.
        if alias in ("metadata", "status"):
            continue
        inner = _unwrap(field.annotation)
        if _is_model(inner):
            yield (alias,), inner
        elif get_origin(inner) in (tuple, list):
            item = _unwrap(get_args(inner)[0])
            if _is_model(item):
                yield (alias, 0), item


def _step_into(found: Any, step: str | int) -> Any:
    found = _unwrap(found)
    if _is_model(found) and isinstance(step, str):
        for name, field in found.model_fields.items():
            if step == (field.alias or name):
                return field.annotation
        return None
    arguments = get_args(found)
    if get_origin(found) in (tuple, list) and isinstance(step, int):
        return arguments[0]
    if get_origin(found) is dict and isinstance(step, str):
        return arguments[1]
    return None


def _unwrap(annotation: Any) -> Any:
    """The type behind `Annotated` and `X | None`."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, types.UnionType):
            annotation = next((arg for arg in get_args(annotation) if arg is not type(None)), None)
        else:
            return annotation


def _is_model(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, BaseModel)
