"""How policies find what they apply to, and which one wins.

Gateway API policy attachment (GEP-713) as Envoy Gateway does it: a policy for a rule beats one for the route,
which beats one for a listener, which beats one for the Gateway; of two for the same target the older wins.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from anygate.diagnostics import ObjectRef
from anygate.dialects.gateway_api.context import ENVOY_GATEWAY, GATEWAY_API, Context, Fault
from anygate.dialects.gateway_api.findings import POLICY_CONFLICT, POLICY_TARGET_NOT_FOUND
from anygate.dialects.gateway_api.lost_policies import broken_targets
from anygate.dialects.gateway_api.policy_targets import PolicyTarget, find_targets, section_names
from anygate.dialects.gateway_api.status import Section, note
from anygate.manifests.kind import Kind, oldest_first
from anygate.manifests.object import Manifest

Place = tuple[ObjectRef, str]
"""Where a policy can stand: an object and the name of a section of it, or nothing for all of it."""


@dataclass(eq=False)
class Attached:
    """A policy attached to one target. `section` collects its conditions for that target.

    A policy that cannot be read has no `item` but a `fault`: it holds its place and closes it.
    """

    item: Kind | None
    manifest: Manifest
    section: Section
    fault: Fault | None = None
    overridden: set[ObjectRef] = field(default_factory=set)

    @property
    def merges(self) -> bool:
        """Whether it asks to be merged with the next wider policy."""
        return self.item is not None and getattr(self.item.spec, "merge_type", None) is not None


class Policies:
    """Every policy of one kind, by the place where it stands."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._by_place: dict[Place, Attached] = {}
        self._chains: dict[tuple[int, ...], list[Attached]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_place)

    def at(self, place: Place) -> Attached | None:
        """The policy that stands at exactly this place."""
        return self._by_place.get(place)

    def put(self, place: Place, attached: Attached) -> None:
        """Let a policy stand at a place, instead of whatever stood there."""
        self._by_place[place] = attached

    def items(self) -> Iterator[tuple[Kind, Manifest]]:
        """Every readable policy that stands anywhere, once."""
        found = {id(one.item): one for one in self._by_place.values() if one.item is not None}
        yield from ((one.item, one.manifest) for one in found.values() if one.item is not None)

    def effective(self, places: Iterable[Place]) -> Attached | None:
        """The first policy along `places`, which go from the most specific to the widest."""
        return next(iter(self.chain(places)), None)

    def chain(self, places: Iterable[Place]) -> list[Attached]:
        """The policies that hold along `places`, the most specific first.

        That is the first one, and wider ones as long as each asks to be merged with the next.
        """
        found = [one for one in map(self._by_place.get, places) if one is not None]
        if len(found) < 2:
            return found
        key = tuple(map(id, found))
        if key not in self._chains:
            self._chains[key] = _settle(found)
        return self._chains[key]

    def note_overridden(self) -> None:
        """Say of each policy which others hold instead of it for some requests."""
        for attached in self._by_place.values():
            if attached.overridden:
                names = ", ".join(str(ref) for ref in sorted(attached.overridden))
                note(attached.section, "Overridden", True, "Overridden", f"{names} holds instead for some requests")


def _settle(found: list[Attached]) -> list[Attached]:
    kept = found[:1]
    while len(kept) < len(found) and kept[-1].merges:
        kept.append(found[len(kept)])
    for wider in found[len(kept) :]:
        wider.overridden.add(kept[0].manifest.ref)
    if len(kept) > 1:
        names = ", ".join(str(one.manifest.ref) for one in kept[1:])
        note(kept[0].section, "Merged", True, "Merged", f"merged with {names}")
    return kept


def read_policies(context: Context, kind: str, target_kinds: tuple[str, ...]) -> Policies:
    """Attach every policy of an Envoy Gateway kind to its targets."""
    policies = Policies(kind)
    items = context.index.all(ENVOY_GATEWAY, kind)
    for item in oldest_first(items):
        for target in find_targets(context, item):
            section = context.status.target(item.ref, target.ref, target.section)
            fault = _check_target(context, policies, target, target_kinds)
            if fault is not None:
                context.refuse(section, "Accepted", fault, item.manifest, target.path)
                continue
            policies.put((target.ref, target.section), Attached(item, item.manifest, section))
            note(section, "Accepted", True, "Accepted")
    for ref, manifest in broken_targets(context, kind):
        section = context.status.target(manifest.ref, ref, "")
        fault = Fault(POLICY_CONFLICT, "Invalid", f"{manifest.ref} is not valid")
        note(section, "Accepted", False, fault.reason, fault.message)
        # A broken policy still holds its target, and what it should have protected is closed.
        policies.put((ref, ""), Attached(None, manifest, section, fault))
    return policies


def _check_target(
    context: Context, policies: Policies, target: PolicyTarget, target_kinds: tuple[str, ...]
) -> Fault | None:
    """Why a policy cannot stand at a place; None when it can."""
    ref, name, _ = target
    if ref.group != GATEWAY_API or ref.kind not in target_kinds:
        text = f"a {policies.kind} cannot target a {ref.kind}"
        return Fault(POLICY_TARGET_NOT_FOUND, "Invalid", text, f"it can target {', '.join(target_kinds)}")
    found = context.index.get(*ref)
    if found is None:
        return Fault(POLICY_TARGET_NOT_FOUND, "TargetNotFound", f"there is no {ref}")
    if name and name not in section_names(found):
        text = f"{ref} has no section called {name}"
        return Fault(POLICY_TARGET_NOT_FOUND, "TargetNotFound", text)
    other = policies.at((ref, name))
    if other is not None:
        return Fault(POLICY_CONFLICT, "Conflicted", f"{other.manifest.ref} already targets {ref}")
    return None
