"""Which component, model or gateway a link means."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from anygate.dialects.apisix.links.entry import Entry
from anygate.dialects.apisix.links.rules.linking import AMBIGUOUS_TARGET, COMPONENT_TYPE, UNKNOWN_COMPONENT
from anygate.dialects.apisix.links.rules.shape import INVALID_VALUE
from anygate.dialects.apisix.links.stack import Component, Gateway
from anygate.manifests.names import suggest_word

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Targets:
    """Everything that links may name."""

    components: dict[str, Component]
    gateways: tuple[Gateway, ...]
    ai_gateways: tuple[Gateway, ...]
    broken_types: frozenset[str]
    """Names of components whose type could not be read; what they could be is anybody's guess."""


def find_alias(entry: Entry, *keys: str) -> Entry | None:
    """The entry of a key or of its alias, but not of both."""
    found = [one for key in keys if (one := entry.get(key)) is not None]
    for second in found[1:]:
        second.refuse(INVALID_VALUE, f'"{keys[1]}" means the same as "{keys[0]}"', hint="keep one of them")
    return found[0] if found else None


def find_component(link: Entry, component_type: str, targets: Targets) -> Component | None:
    """The component that a link goes to."""
    place = find_alias(link, "to", "target")
    of_type = [one for one in targets.components.values() if one.type == component_type]
    if place is None:
        return _find_only(link, of_type, f"component of type {component_type}", "to", lambda one: one.name, targets)
    name = place.text()
    if name is None:
        return None
    component = targets.components.get(name)
    if component is None:
        hint = suggest_word(name, [one.name for one in of_type] or targets.components)
        place.refuse(
            UNKNOWN_COMPONENT,
            f'there is no component "{name[:60]}"',
            hint=hint or _list("components", of_type, component_type),
        )
        return None
    if component.type == component_type:
        return component
    if component.type:
        link_type = f"apisix-{component.type}"
        hint = f'did you mean the link "{link_type}"?' if str(link.value.get("link")).startswith("apisix-") else ""
        message = f'the component "{name}" is of type {component.type}, not {component_type}'
        place.refuse(COMPONENT_TYPE, message, hint=hint or _list("components of the type", of_type, component_type))
    return None


def find_gateway(link: Entry, gateways: Sequence[Gateway], what: str, targets: Targets) -> Gateway | None:
    """The gateway that a link comes from."""
    place = link.get("from")
    if place is None:
        return _find_only(link, gateways, what, "from", lambda one: one.name, targets)
    name = place.text()
    found = next((one for one in gateways if one.name == name), None)
    if found is None and name is not None:
        names = [one.name for one in gateways]
        hint = suggest_word(name, names) or (f"known: {', '.join(names)}" if names else f"the stack has no {what}")
        place.refuse(UNKNOWN_COMPONENT, f'there is no {what} "{name[:60]}"', hint=hint)
    return found


def find_model(link: Entry, targets: Targets) -> tuple[Component, str] | None:
    """The model that a link goes to, `parent/model` or `model`, and the component that it is part of."""
    place = find_alias(link, "to", "target")
    known = [(one, model) for one in targets.components.values() for model in one.models]
    if place is None:
        return _find_only(link, known, "model", "to", lambda one: f"{one[0].name}/{one[1]}", targets)
    name = place.text()
    if name is None:
        return None
    parent, _, model = name.rpartition("/")
    found = [one for one in known if one[1] == model and parent in ("", one[0].name)]
    if len(found) == 1:
        return found[0]
    names = [f"{one[0].name}/{one[1]}" for one in found or known]
    if found:
        hint = f"write one of {', '.join(names)}"
        place.refuse(AMBIGUOUS_TARGET, f'several components have a model "{model}"', hint=hint)
        return None
    hint = suggest_word(name, [*names, *(one[1] for one in known)])
    hint = hint or (f"known: {', '.join(names)}" if names else "models are listed as `models` of a vllm component")
    place.refuse(UNKNOWN_COMPONENT, f'there is no model "{name[:60]}"', hint=hint)
    return None


def _find_only(
    link: Entry, known: Sequence[T], what: str, key: str, name: Callable[[T], str], targets: Targets
) -> T | None:
    """The one thing that a link can mean which does not say."""
    if len(known) == 1:
        return known[0]
    if known:
        hint = f'add "{key}: NAME" with one of {", ".join(map(name, known))}'
        link.refuse(AMBIGUOUS_TARGET, f"there is more than one {what}", hint=hint)
    elif not targets.broken_types:
        link.refuse(UNKNOWN_COMPONENT, f"there is no {what}", hint=f"add one, and name it in {key}")
    return None


def _list(what: str, components: Iterable[Component], component_type: str) -> str:
    names = ", ".join(one.name for one in components)
    return f"{what}: {names}" if names else f"add a component of type {component_type}"
