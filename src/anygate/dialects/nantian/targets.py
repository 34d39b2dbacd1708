"""Which rules of the model a policy or a plugin is for: those of its targets.

A target is a Gateway (or a listener of it), a route (or a rule of it), or what requests go to.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from anygate.diagnostics import FieldPath, ObjectRef
from anygate.dialects.nantian.context import Context
from anygate.dialects.nantian.findings import TARGET_NOT_FOUND
from anygate.dialects.nantian.kinds.values import GROUP, TargetReference
from anygate.manifests.kind import Kind
from anygate.manifests.object import Manifest
from anygate.manifests.references import GATEWAY_API_GROUP
from anygate.model.places import Place
from anygate.model.route import Forward, HttpRule

GATEWAY, HTTP_ROUTE, GRPC_ROUTE = "Gateway", "HTTPRoute", "GRPCRoute"
SERVICE = ("", "Service")
AI_SERVICE = (GROUP, "AIService")
KINDS = (
    (GATEWAY_API_GROUP, GATEWAY),
    (GATEWAY_API_GROUP, HTTP_ROUTE),
    (GATEWAY_API_GROUP, GRPC_ROUTE),
    SERVICE,
    AI_SERVICE,
)


class Target(NamedTuple):
    """An object that is there, and a section of it (empty: all of it)."""

    ref: ObjectRef
    section: str = ""


def find_targets(context: Context, item: Kind, references: Sequence[TargetReference]) -> list[Target]:
    """The targets that are there; what is wrong with others is reported and noted in the object's conditions."""
    found = []
    for number, one in enumerate(references):
        path: FieldPath = ("spec", "targetRefs", number)
        ref = ObjectRef(one.group, one.kind, item.namespace, one.name)
        problem = _find_problem(context, item, one, ref)
        if problem:
            text, hint, reason = problem
            context.add(TARGET_NOT_FOUND, text, item, path, hint=hint)
            context.conditions.note(item.ref, "Accepted", False, reason, text, ref)
            continue
        context.conditions.note(item.ref, "Accepted", True, "Accepted", "", ref)
        found.append(Target(ref, one.section_name or ""))
    if references and not found:
        context.conditions.note(item.ref, "Accepted", False, "TargetNotFound", "none of its targets is there")
    return found


def find_lost_targets(context: Context, kind: str) -> Iterator[tuple[Manifest, tuple[Target, ...]]]:
    """Objects of a kind that cannot be read, with their targets; none when those cannot be told either.

    What they were meant to guard must not stand open for that.
    """
    for manifest in context.index.broken(kind):
        spec = manifest.value.get("spec")
        listed = spec.get("targetRefs") if isinstance(spec, dict) else None
        given = listed if isinstance(listed, list) else []
        found = tuple(_read_target(one, manifest) for one in given)
        yield manifest, () if None in found else tuple(one for one in found if one is not None)


def _read_target(given: object, manifest: Manifest) -> Target | None:
    if not isinstance(given, dict):
        return None
    group, kind, name = given.get("group", ""), given.get("kind"), given.get("name")
    if not isinstance(name, str) or not isinstance(kind, str) or (group, kind) not in KINDS:
        return None
    section = given.get("sectionName")
    return Target(ObjectRef(group, kind, manifest.namespace, name), section if isinstance(section, str) else "")


def _find_problem(
    context: Context, item: Kind, reference: TargetReference, ref: ObjectRef
) -> tuple[str, str, str] | None:
    """What is wrong with a reference: a sentence, a hint and a reason."""
    if (reference.group, reference.kind) not in KINDS:
        known = ", ".join(kind for _, kind in KINDS)
        text = f"a {reference.kind} of group {reference.group or 'core'} cannot be a target"
        return text, f"targets are {known}", "Invalid"
    if reference.namespace not in (None, item.namespace):
        return f"a target is in the namespace of its {item.ref.kind}, {item.namespace}", "", "Invalid"
    if context.index.get(*ref) is None:
        close = get_close_matches(ref.name, context.index.names(ref.group, ref.kind, ref.namespace), 1)
        return f"there is no {ref}", f'did you mean "{close[0]}"?' if close else "", "TargetNotFound"
    return None


def is_for(target: Target, place: Place) -> bool:
    """Whether a target covers a rule where it stands."""
    ref, rule = target.ref, place.rule
    if ref.kind == GATEWAY:
        named = place.gateway.origin
        return (named.namespace, named.name) == (ref.namespace, ref.name) and target.section in ("", place.server.name)
    if ref.kind in (HTTP_ROUTE, GRPC_ROUTE):
        found = place.route.kind == ref.kind and place.route.name == f"{ref.namespace}/{ref.name}"
        # Rules of AI requests are called after the written one and their endpoint.
        return found and target.section in ("", rule.name, rule.name.partition("/")[0])
    return ref.kind in _kinds_of(rule, f"{ref.namespace}/{ref.name}")


def _kinds_of(rule: HttpRule, name: str) -> set[str]:
    """The kinds of what a rule sends requests to under a name, as the names of backends begin."""
    if not isinstance(rule.action, Forward):
        return set()
    parts = (target.backend.split("/") for target in rule.action.targets if target.backend)
    return {one[0] for one in parts if "/".join(one[1:3]).partition("@")[0] == name}
