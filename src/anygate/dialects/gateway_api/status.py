"""Status conditions as a Gateway API controller would write them.

The readers note conditions while they work; `StatusBook.render` lays them out in the shape that each kind's
`status` has. Times and generations are left out: the same input must give the same bytes.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from anygate.diagnostics import ObjectRef

CONTROLLER = "anygate.dev/gateway-controller"
"""The controller name under which our conditions stand in `status.parents` and `status.ancestors`."""

Place = Literal["object", "listener", "parent", "ancestor"]


@dataclass
class Condition:
    """One condition; a False one is final, a True one may still turn False."""

    ok: bool
    reason: str
    message: str


@dataclass
class Section:
    """The conditions of one listener, parent or policy's target. `key` is how the API names it."""

    key: dict[str, Any]
    conditions: dict[str, Condition] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


class StatusBook:
    """Collects conditions by object and by section of its status."""

    def __init__(self) -> None:
        self._sections: dict[ObjectRef, dict[tuple[Place, str], Section]] = {}

    def section(self, ref: ObjectRef, place: Place, name: str, key: dict[str, Any]) -> Section:
        """The section of an object's status, made on first use. `name` tells sections of one place apart."""
        sections = self._sections.setdefault(ref, {})
        return sections.setdefault((place, name), Section(key))

    def object(self, ref: ObjectRef) -> Section:
        """The conditions that stand directly in `status.conditions`."""
        return self.section(ref, "object", "", {})

    def target(self, policy: ObjectRef, target: ObjectRef, name: str) -> Section:
        """The conditions of a policy for one target; `name` is a section of the target or empty."""
        key = {"group": target.group, "kind": target.kind, "namespace": target.namespace, "name": target.name}
        own = {"sectionName": name} if name else {}
        return self.section(policy, "ancestor", f"{target}/{name}", key | own)

    def render(self, reached_by: Mapping[ObjectRef, Iterable[ObjectRef]]) -> "Statuses":
        """Every object's status, in the order of kinds and names.

        A policy reports to the Gateways through which its targets are reached, as the Gateway API wants it.
        """
        return Statuses(self._sections, reached_by)


class Statuses(Mapping[ObjectRef, dict[str, Any]]):
    """The finished statuses, each laid out when somebody asks for it: a reload asks for none."""

    def __init__(
        self,
        sections: Mapping[ObjectRef, dict[tuple[Place, str], Section]],
        reached_by: Mapping[ObjectRef, Iterable[ObjectRef]],
    ) -> None:
        self._sections = sections
        self._reached_by = reached_by

    def __getitem__(self, ref: ObjectRef) -> dict[str, Any]:
        return _render_object(self._sections[ref], self._reached_by)

    def __iter__(self) -> Iterator[ObjectRef]:
        return iter(sorted(self._sections))

    def __len__(self) -> int:
        return len(self._sections)


def note(section: Section, kind: str, ok: bool, reason: str, message: str = "") -> None:
    """Note a condition. The first False stands: it is the cause, later ones are its effects."""
    known = section.conditions.get(kind)
    if known is None or (known.ok and not ok):
        section.conditions[kind] = Condition(ok, reason, message)


def _render_object(
    sections: dict[tuple[Place, str], Section], reached_by: Mapping[ObjectRef, Iterable[ObjectRef]]
) -> dict[str, Any]:
    status: dict[str, Any] = {}
    ancestors: dict[str, Section] = {}
    for (place, _), section in sections.items():
        conditions = _render_conditions(section)
        if place == "object":
            status |= section.extra
            status["conditions"] = conditions
        elif place == "listener":
            status.setdefault("listeners", []).append(section.key | section.extra | {"conditions": conditions})
        elif place == "parent":
            status.setdefault("parents", []).append(_render_reported(section, "parentRef"))
        else:
            for key in _ancestors_of(section.key, reached_by):
                joined = ancestors.setdefault(repr(key), Section(key))
                for kind, found in section.conditions.items():
                    note(joined, kind, found.ok, found.reason, found.message)
    if ancestors:
        status["ancestors"] = [_render_reported(one, "ancestorRef") for one in ancestors.values()][:_MOST_ANCESTORS]
    return status


_MOST_ANCESTORS = 16
"""The API's own bound of `status.ancestors`."""


def _ancestors_of(target: dict[str, Any], reached_by: Mapping[ObjectRef, Iterable[ObjectRef]]) -> list[dict[str, Any]]:
    """The Gateways of a policy's target; the target itself where it is one or where there is none."""
    gateways = reached_by.get(ObjectRef(target["group"], target["kind"], target["namespace"], target["name"]), ())
    return [dict(zip(("group", "kind", "namespace", "name"), one, strict=True)) for one in gateways] or [target]


def _render_reported(section: Section, name: str) -> dict[str, Any]:
    return {name: section.key, "controllerName": CONTROLLER, "conditions": _render_conditions(section)}


def _render_conditions(section: Section) -> list[dict[str, str]]:
    return [
        {"type": kind, "status": "True" if found.ok else "False", "reason": found.reason, "message": found.message}
        for kind, found in sorted(section.conditions.items())
    ]
