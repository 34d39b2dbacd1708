"""Which listeners a route attaches to, by the rules of the Gateway API's ParentReference and AllowedRoutes."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from anygate.diagnostics import ObjectRef
from anygate.dialects.gateway_api.context import GATEWAY_API, Context, Fault
from anygate.dialects.gateway_api.findings import (
    HOSTNAME_TAKEN,
    NO_MATCHING_HOSTNAME,
    NOT_ALLOWED,
    NOT_HONOURED,
    PARENT_NOT_FOUND,
)
from anygate.dialects.gateway_api.kinds.references import ParentReference
from anygate.dialects.gateway_api.kinds.route import RouteSpec
from anygate.dialects.gateway_api.listeners import GatewayDraft, ListenerDraft
from anygate.dialects.gateway_api.namespaces import allows_namespace
from anygate.dialects.gateway_api.status import Section, note
from anygate.manifests.object import Manifest
from anygate.model.route_table import intersect


@dataclass(eq=False)
class Parent:
    """One parent of one route: the section of its status and the listeners it attaches to."""

    reference: ParentReference
    section: Section
    listeners: list[ListenerDraft]


class Attacher:
    """Resolves parents of routes; makes its lookup tables once."""

    def __init__(self, context: Context, drafts: Sequence[GatewayDraft]) -> None:
        self._context = context
        self._owners = {manifest.ref: draft for draft in drafts for manifest in (draft.manifest, *draft.sets)}
        self._listeners: dict[ObjectRef, list[ListenerDraft]] = {owner: [] for owner in self._owners}
        for listener in (one for draft in drafts for one in draft.listeners):
            self._listeners[listener.owner.ref].append(listener)
        self._kinds_meet = all(context.index.all(GATEWAY_API, kind) for kind in ("HTTPRoute", "GRPCRoute"))
        self._defaults = [draft for draft in drafts if draft.gateway.spec.default_scope == "All"]
        # Per listener, the hostnames claimed so far by kind of route: HTTPRoute and GRPCRoute may not share.
        self._claims: dict[tuple[int, str], dict[str, str]] = {}

    def attach(self, manifest: Manifest, spec: RouteSpec, hostnames: Sequence[str]) -> list[Parent]:
        """Resolve all parents of a route; the refused ones are noted in its status and reported."""
        found = []
        for number, reference in enumerate((*spec.parent_refs, *self._default_parents(spec))):
            if (reference.group, reference.kind) == ("", "Service"):
                self._context.add(
                    NOT_HONOURED,
                    "a Service as parent (mesh) has no effect here",
                    manifest,
                    ("spec", "parentRefs", number),
                )
                continue
            path = ("spec", "parentRefs", number)
            section = self._section(manifest, reference, number)
            listeners = self._find(manifest, reference, section, path)
            if listeners:
                listeners = self._filter(manifest, reference, section, path, listeners, hostnames)
            for listener in listeners:
                listener.attached += 1
            if listeners:
                note(section, "Accepted", True, "Accepted")
            found.append(Parent(reference, section, [one for one in listeners if one.valid]))
        return found

    def _default_parents(self, spec: RouteSpec) -> list[ParentReference]:
        """The Gateways that take routes which ask for default Gateways (GEP-3793)."""
        if spec.use_default_gateways != "All":
            return []
        return [
            ParentReference.model_validate({"name": one.name, "namespace": one.namespace})
            for one in (draft.manifest.ref for draft in self._defaults)
        ]

    def _section(self, manifest: Manifest, reference: ParentReference, number: int) -> Section:
        key = {
            "group": reference.group,
            "kind": reference.kind,
            "namespace": reference.namespace,
            "name": reference.name,
            "sectionName": reference.section_name,
            "port": reference.port,
        }
        written = {name: value for name, value in key.items() if value is not None}
        return self._context.status.section(manifest.ref, "parent", str(number), written)

    def _find(
        self, manifest: Manifest, reference: ParentReference, section: Section, path: tuple[str | int, ...]
    ) -> list[ListenerDraft]:
        """The listeners of the parent that the reference selects by section and port."""
        owner = ObjectRef(
            reference.group, reference.kind, reference.namespace or manifest.ref.namespace, reference.name
        )
        draft = self._owners.get(owner)
        if draft is None:
            self._context.refuse(section, "Accepted", self._explain_missing(owner), manifest, (*path, "name"))
            return []
        self._context.reached_by.setdefault(manifest.ref, {})[draft.manifest.ref] = None
        candidates = self._listeners[owner]
        selected = [
            one
            for one in candidates
            if reference.section_name in (None, one.spec.name) and reference.port in (None, one.spec.port)
        ]
        if not selected:
            fault = _explain_selection(owner, reference, candidates)
            self._context.refuse(section, "Accepted", fault, manifest, path)
        elif not any(one.kinds for one in selected):
            text = f"no listener of {owner} can serve any route"
            hint = "see allowedRoutes.kinds of its listeners"
            fault = Fault(PARENT_NOT_FOUND, "NoMatchingParent", text, hint)
            self._context.refuse(section, "Accepted", fault, manifest, path)
            return []
        return selected

    def _explain_missing(self, owner: ObjectRef) -> Fault:
        if self._context.index.get(*owner) is not None and owner.kind != "Service":
            why = "does not let it in" if owner.kind in ("ListenerSet", "XListenerSet") else "cannot be one"
            text = f"{owner} is no parent for routes: its Gateway {why}"
            return Fault(PARENT_NOT_FOUND, "NoMatchingParent", text)
        names = [one.name for one in self._owners if one.kind == owner.kind and one.namespace == owner.namespace]
        close = get_close_matches(owner.name, names, 1)
        elsewhere = [one.namespace for one in self._owners if (one.kind, one.name) == (owner.kind, owner.name)]
        hint = f'did you mean "{close[0]}"?' if close else ""
        if elsewhere:
            hint = f"did you mean namespace {elsewhere[0]}?"
        return Fault(PARENT_NOT_FOUND, "NoMatchingParent", f"there is no {owner}", hint)

    def _filter(
        self,
        manifest: Manifest,
        reference: ParentReference,
        section: Section,
        path: tuple[str | int, ...],
        listeners: list[ListenerDraft],
        hostnames: Sequence[str],
    ) -> list[ListenerDraft]:
        allowed = [one for one in listeners if self._allows(manifest, one)]
        if not allowed:
            text = f"no listener of {reference.name} allows {manifest.kind}s from namespace {manifest.namespace}"
            fault = Fault(
                NOT_ALLOWED,
                "NotAllowedByListeners",
                text,
                "see allowedRoutes of the listener; by default only routes of its own namespace attach",
            )
            self._context.refuse(section, "Accepted", fault, manifest, path)
            return []
        matching = [one for one in allowed if _effective(one, hostnames)]
        if not matching:
            text = f"no hostname of the route lies within a listener of {reference.name}"
            hints = ", ".join(one.spec.hostname or "*" for one in allowed)
            fault = Fault(
                NO_MATCHING_HOSTNAME,
                "NoMatchingListenerHostname",
                text,
                f"the listeners have hostnames {hints}",
            )
            self._context.refuse(section, "Accepted", fault, manifest, ("spec", "hostnames"))
            return []
        free = [one for one in matching if self._claim(manifest, one, hostnames)]
        if not free:
            other = "GRPCRoute" if manifest.ref.kind == "HTTPRoute" else "HTTPRoute"
            text = f"an older {other} already has these hostnames on {reference.name}"
            fault = Fault(HOSTNAME_TAKEN, "HostnameConflict", text, "give the two routes different hostnames")
            self._context.refuse(section, "Accepted", fault, manifest, path)
        return free

    def _allows(self, manifest: Manifest, listener: ListenerDraft) -> bool:
        return manifest.ref.kind in listener.kinds and allows_namespace(
            self._context.index,
            listener.spec.allowed_routes.namespaces,
            listener.owner.ref.namespace,
            manifest.ref.namespace,
        )

    def _claim(self, manifest: Manifest, listener: ListenerDraft, hostnames: Sequence[str]) -> bool:
        """Claim hostnames for a kind of route; refused when the other kind has one that intersects."""
        kind = manifest.ref.kind
        if not self._kinds_meet or kind not in ("HTTPRoute", "GRPCRoute"):
            return True
        other = "GRPCRoute" if kind == "HTTPRoute" else "HTTPRoute"
        wanted = _effective(listener, hostnames)
        claimed = self._claims.get((id(listener), other), {})
        if claimed and any(intersect(one, two) is not None for one in wanted for two in claimed):
            return False
        self._claims.setdefault((id(listener), kind), {}).update(dict.fromkeys(wanted, ""))
        return True


def _explain_selection(owner: ObjectRef, reference: ParentReference, candidates: list[ListenerDraft]) -> Fault:
    name = f"name {reference.section_name}" if reference.section_name else ""
    port = f"port {reference.port}" if reference.port else ""
    text = f"{owner} has no listener with {' and '.join(part for part in (name, port) if part)}"
    hint = f"its listeners are {', '.join(f'{one.spec.name} ({one.spec.port})' for one in candidates)}"
    return Fault(PARENT_NOT_FOUND, "NoMatchingParent", text, hint)


def _effective(listener: ListenerDraft, hostnames: Sequence[str]) -> list[str]:
    """The route's hostnames within the listener's; protocols without hostnames match everything."""
    found = [intersect(name, listener.spec.hostname or "") for name in (hostnames or ("",))]
    return [name for name in found if name is not None]
