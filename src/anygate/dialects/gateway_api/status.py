"""Status conditions as a Gateway API controller would write them.

The readers note conditions while they work; `StatusBook.render` lays them out in the shape that each kind's
`status` has. Times and generations are left out: the same input must give the same bytes.
"""

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
    """The conditions of one listener, parent or ancestor. `key` is how the API names it."""

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

    def is_true(self, section: Section, kind: str) -> bool:
        """Whether a condition was noted and holds."""
        found = section.conditions.get(kind)
        return found is not None and found.ok

    def refused(self, ref: ObjectRef) -> bool:
        """Whether any section of the object says that it was not accepted."""
        return any(
            "Accepted" in section.conditions and not section.conditions["Accepted"].ok
            for section in self._sections.get(ref, {}).values()
        )

    def render(self) -> dict[ObjectRef, dict[str, Any]]:
        """Every object's status, in the order of kinds and names."""
        return {ref: _render_object(self._sections[ref]) for ref in sorted(self._sections)}


def note(section: Section, kind: str, ok: bool, reason: str, message: str = "") -> None:
    """Note a condition. The first False stands: it is the cause, later ones are its effects."""
    known = section.conditions.get(kind)
    if known is None or (known.ok and not ok):
        section.conditions[kind] = Condition(ok, reason, message)


def _render_object(sections: dict[tuple[Place, str], Section]) -> dict[str, Any]:
    status: dict[str, Any] = {}
    for (place, _), section in sections.items():
        conditions = [
            {
                "type": kind,
                "status": "True" if found.ok else "False",
                "reason": found.reason,
                "message": found.message,
            }
            for kind, found in sorted(section.conditions.items())
        ]
        if place == "object":
            status |= section.extra
            status["conditions"] = conditions
        elif place == "listener":
            status.setdefault("listeners", []).append(section.key | section.extra | {"conditions": conditions})
        else:
            status.setdefault(place + "s", []).append(
                {f"{place}Ref": section.key, "controllerName": CONTROLLER, "conditions": conditions}
            )
    return status
