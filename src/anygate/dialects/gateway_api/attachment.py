"""Which listeners a route attaches to, by the rules of the Gateway API's ParentReference and AllowedRoutes."""

from collections.abc import Sequence
from dataclasses import dataclass

from anygate.dialects.gateway_api.context import GATEWAY_API, GATEWAY_API_X, Context, Fault
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
        self._gateways = {(d.manifest.ref.namespace, d.manifest.ref.name): d for d in drafts}
        self._sets = {
            (manifest.ref.namespace, manifest.ref.name): (draft, manifest)
            for draft in drafts
            for manifest in draft.sets
        }
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
            section = self._section(manifest, reference)
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

    def _section(self, manifest: Manifest, reference: ParentReference) -> Section:
        key = reference.model_dump(by_alias=True, exclude_none=True)
        return self._context.status.section(manifest.ref, "parent", repr(sorted(key.items())), key)

    def _find(
        self, manifest: Manifest, reference: ParentReference, section: Section, path: tuple[str | int, ...]
    ) -> list[ListenerDraft]:
        """The listeners of the parent that the reference selects by section and port."""
        key = (reference.namespace or manifest.ref.namespace, reference.name)
        candidates: list[ListenerDraft] | None = None
        if reference.kind == "Gateway" and reference.group == GATEWAY_API and key in self._gateways:
            draft = self._gateways[key]
            self._context.reached_by.setdefault(manifest.ref, {})[draft.manifest.ref] = None
            candidates = [one for one in draft.listeners if one.owner.ref == draft.manifest.ref]
        elif reference.kind in ("ListenerSet", "XListenerSet") and key in self._sets:
            if reference.group in (GATEWAY_API, GATEWAY_API_X):
                draft, owner = self._sets[key]
                self._context.reached_by.setdefault(manifest.ref, {})[draft.manifest.ref] = None
                candidates = [one for one in draft.listeners if one.owner.ref == owner.ref]
        if candidates is None:
            text = f"there is no {reference.kind} {key[0]}/{key[1]}"
            fault = Fault(PARENT_NOT_FOUND, "NoMatchingParent", text, self._similar(key))
            self._context.refuse(section, "Accepted", fault, manifest, (*path, "name"))
            return []
        selected = [
            one
            for one in candidates
            if reference.section_name in (None, one.spec.name) and reference.port in (None, one.spec.port)
        ]
        if not selected:
            wanted = " and ".join(
                part
                for part in (
                    f"name {reference.section_name}" if reference.section_name else "",
                    f"port {reference.port}" if reference.port else "",
                )
                if part
            )
            text = f"{reference.kind} {key[0]}/{key[1]} has no listener with {wanted}"
            hint = f"its listeners are {', '.join(f'{o.spec.name} ({o.spec.port})' for o in candidates)}"
            fault = Fault(PARENT_NOT_FOUND, "NoMatchingParent", text, hint)
            self._context.refuse(section, "Accepted", fault, manifest, path)
        return selected

    def _similar(self, key: tuple[str, str]) -> str:
        names = [f"{namespace}/{name}" for namespace, name in self._gateways]
        same = [name for name in names if name.split("/")[1] == key[1]]
        if same:
            return f"did you mean namespace {same[0].split('/')[0]}?"
        from difflib import get_close_matches

        close = get_close_matches(f"{key[0]}/{key[1]}", names, 1)
        return f'did you mean "{close[0].split("/")[1]}"?' if close else ""

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
            text = f"no listener of {reference.name} allows a {manifest.ref.kind} from namespace "
            text += manifest.ref.namespace
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
        if kind not in ("HTTPRoute", "GRPCRoute"):
            return True
        other = "GRPCRoute" if kind == "HTTPRoute" else "HTTPRoute"
        wanted = _effective(listener, hostnames)
        claimed = self._claims.get((id(listener), other), {})
        if claimed and any(intersect(one, two) is not None for one in wanted for two in claimed):
            return False
        self._claims.setdefault((id(listener), kind), {}).update(dict.fromkeys(wanted, ""))
        return True


def _effective(listener: ListenerDraft, hostnames: Sequence[str]) -> list[str]:
    """The route's hostnames within the listener's; protocols without hostnames match everything."""
    found = [intersect(name, listener.spec.hostname or "") for name in (hostnames or ("",))]
    return [name for name in found if name is not None]
