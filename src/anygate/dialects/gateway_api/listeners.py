"""Gateways, ListenerSets and their listeners: which are valid, and which conflict.

Follows the Gateway API reference for Gateway, Listener and ListenerSet, including the reasons of every
condition. A listener that is not valid is not served at all.
"""

from dataclasses import dataclass, field

from anygate.diagnostics import FieldPath
from anygate.dialects.gateway_api.context import (
    ENVOY_GATEWAY,
    GATEWAY_API,
    GATEWAY_API_X,
    Context,
    Fault,
)
from anygate.dialects.gateway_api.findings import (
    LISTENER_CONFLICT,
    NOT_ALLOWED,
    NOT_HONOURED,
    PARENT_NOT_FOUND,
    UNSUPPORTED,
)
from anygate.dialects.gateway_api.kinds.gateway import Gateway
from anygate.dialects.gateway_api.kinds.listener import Listener
from anygate.dialects.gateway_api.namespaces import allows_namespace
from anygate.dialects.gateway_api.status import Section, note
from anygate.manifests.kind import oldest_first
from anygate.manifests.object import Manifest
from anygate.model.route import HttpRoute, StreamRoute
from anygate.model.tls import ServerTls

ROUTE_KINDS = {
    "HTTP": ("HTTPRoute", "GRPCRoute"),
    "HTTPS": ("HTTPRoute", "GRPCRoute"),
    "TLS": ("TLSRoute", "TCPRoute"),
    "TCP": ("TCPRoute",),
    "UDP": ("UDPRoute",),
}


@dataclass(eq=False)
class ListenerDraft:
    """One listener while it is being read. `section` holds its conditions; `valid` says whether it may serve."""

    gateway: "GatewayDraft"
    owner: Manifest
    spec: Listener
    path: tuple[str | int, ...]
    section: Section
    kinds: tuple[str, ...] = ()
    tls: ServerTls | None = None
    valid: bool = True
    attached: int = 0
    routes: list[HttpRoute] = field(default_factory=list)
    streams: list[StreamRoute] = field(default_factory=list)

    @property
    def protocol(self) -> str:
        """The protocol in upper case: HTTP, HTTPS, TLS, TCP or UDP."""
        return self.spec.protocol.upper()

    @property
    def transport(self) -> str:
        """`udp` for UDP, else `tcp`."""
        return "udp" if self.protocol == "UDP" else "tcp"

    @property
    def passthrough(self) -> bool:
        """Whether TLS is handed to the backend undecrypted."""
        return self.protocol == "TLS" and self.spec.tls is not None and self.spec.tls.mode == "Passthrough"

    @property
    def server_name(self) -> str:
        """The name of the model's server: unique within the Gateway."""
        if self.owner.ref == self.gateway.manifest.ref:
            return self.spec.name
        return f"{self.owner.ref.namespace}/{self.owner.ref.name}/{self.spec.name}"

    def invalidate(self) -> None:
        """Take the listener out of service."""
        self.valid = False
        note(self.section, "Programmed", False, "Invalid", "the listener is not valid")


@dataclass(eq=False)
class GatewayDraft:
    """One Gateway while it is being read, with the listeners of its ListenerSets after its own."""

    manifest: Manifest
    gateway: Gateway
    listeners: list[ListenerDraft] = field(default_factory=list)
    sets: list[Manifest] = field(default_factory=list)
    accepted: bool = True

    @property
    def name(self) -> str:
        """Namespace and name, as Envoy's resources carry them."""
        return f"{self.manifest.ref.namespace}/{self.manifest.ref.name}"


def read_gateways(context: Context) -> list[GatewayDraft]:
    """Read every Gateway and ListenerSet and decide which listeners may serve."""
    drafts = []
    for item in context.index.all(GATEWAY_API, "Gateway"):
        assert isinstance(item, Gateway)
        draft = GatewayDraft(item.manifest, item)
        _check_parameters(context, draft)
        _add_listeners(context, draft, item.manifest, draft.gateway.spec.listeners)
        drafts.append(draft)
    _read_listener_sets(context, drafts)
    for draft in drafts:
        for listener in draft.listeners:
            _check_protocol(context, listener)
            _check_kinds(context, listener)
        _check_conflicts(context, draft)
        _check_addresses(context, draft)
        for listener in draft.listeners if not draft.accepted else ():
            listener.invalidate()
        _note_ignored(context, draft)
    return drafts


def _refuse_gateway(context: Context, draft: GatewayDraft, fault: Fault, path: FieldPath) -> None:
    """Refuse a Gateway as a whole: none of its listeners is served."""
    context.refuse(context.status.object(draft.manifest.ref), "Accepted", fault, draft.manifest, path)
    draft.accepted = False


def _add_listeners(context: Context, draft: GatewayDraft, owner: Manifest, specs: tuple[Listener, ...]) -> None:
    for number, spec in enumerate(specs):
        section = context.status.section(owner.ref, "listener", spec.name, {"name": spec.name})
        path = ("spec", "listeners", number)
        draft.listeners.append(ListenerDraft(draft, owner, spec, path, section))


def _check_parameters(context: Context, draft: GatewayDraft) -> None:
    infrastructure = draft.gateway.spec.infrastructure
    reference = infrastructure.parameters_ref if infrastructure else None
    if reference is None:
        return
    known = (reference.group, reference.kind) == (ENVOY_GATEWAY, "EnvoyProxy")
    found = context.index.get(reference.group, reference.kind, draft.manifest.ref.namespace, reference.name)
    if not known or found is None:
        fault = Fault(UNSUPPORTED, "InvalidParameters", f"parametersRef names no EnvoyProxy called {reference.name}")
        _refuse_gateway(context, draft, fault, ("spec", "infrastructure", "parametersRef"))


def _read_listener_sets(context: Context, drafts: list[GatewayDraft]) -> None:
    by_ref = {draft.manifest.ref: draft for draft in drafts}
    items = [
        *context.index.all(GATEWAY_API, "ListenerSet"),
        *context.index.all(GATEWAY_API_X, "XListenerSet"),
    ]
    for item in oldest_first(items):
        manifest, spec = item.manifest, item.spec
        parent = spec.parent_ref
        namespace = parent.namespace or manifest.ref.namespace
        draft = next(
            (one for ref, one in by_ref.items() if (ref.namespace, ref.name) == (namespace, parent.name)),
            None,
        )
        at = ("spec", "parentRef", "name")
        if draft is None:
            fault = Fault(PARENT_NOT_FOUND, "ParentNotAccepted", f"there is no Gateway {namespace}/{parent.name}")
            _refuse_set(context, manifest, fault, at)
            continue
        wanted = draft.gateway.spec.allowed_listeners.namespaces
        if not allows_namespace(context.index, wanted, draft.manifest.ref.namespace, manifest.ref.namespace):
            fault = Fault(
                NOT_ALLOWED,
                "NotAllowed",
                f"Gateway {draft.name} does not allow listeners from namespace {manifest.ref.namespace}",
                "set spec.allowedListeners.namespaces on the Gateway",
            )
            _refuse_set(context, manifest, fault, at)
            continue
        draft.sets.append(manifest)
        context.reached_by[manifest.ref] = {draft.manifest.ref: None}
        _add_listeners(context, draft, manifest, spec.listeners)


def _refuse_set(context: Context, manifest: Manifest, fault: Fault, path: FieldPath) -> None:
    section = context.status.object(manifest.ref)
    context.refuse(section, "Accepted", fault, manifest, path)
    note(section, "Programmed", False, fault.reason, fault.message)


def _check_protocol(context: Context, listener: ListenerDraft) -> None:
    if listener.protocol in ROUTE_KINDS and listener.spec.port > 0:
        return
    if listener.spec.port == 0:
        text = "a port must be given"
        fault = Fault(UNSUPPORTED, "PortUnavailable", text)
        context.refuse(listener.section, "Accepted", fault, listener.owner, listener.path)
    else:
        text = f"protocol {listener.spec.protocol} is not supported"
        fault = Fault(UNSUPPORTED, "UnsupportedProtocol", text, "use HTTP, HTTPS, TLS, TCP or UDP")
        context.refuse(listener.section, "Accepted", fault, listener.owner, (*listener.path, "protocol"))
    listener.invalidate()


def _check_kinds(context: Context, listener: ListenerDraft) -> None:
    supported = ROUTE_KINDS.get(listener.protocol, ())
    if listener.passthrough:
        supported = ("TLSRoute",)
    wanted = listener.spec.allowed_routes.kinds
    if not wanted:
        listener.kinds = supported
    else:
        listener.kinds = tuple(one.kind for one in wanted if one.group == GATEWAY_API and one.kind in supported)
        for number, one in enumerate(wanted):
            if one.group != GATEWAY_API or one.kind not in supported:
                named = one.kind if one.group == GATEWAY_API else f"{one.kind} of group {one.group or 'core'}"
                text = f"listeners of protocol {listener.protocol} cannot serve {named}"
                hint = f"use {' or '.join(supported)}" if supported else ""
                fault = Fault(UNSUPPORTED, "InvalidRouteKinds", text, hint)
                path = (*listener.path, "allowedRoutes", "kinds", number)
                context.refuse(listener.section, "ResolvedRefs", fault, listener.owner, path)
        if not listener.kinds:
            listener.invalidate()
    listener.section.extra["supportedKinds"] = [{"group": GATEWAY_API, "kind": kind} for kind in listener.kinds]


def _family(listener: ListenerDraft) -> str:
    """What can share a port: plain HTTP by host, TLS of any kind by server name, raw TCP and UDP with nothing."""
    return "TLS" if listener.protocol in ("HTTPS", "TLS") else listener.protocol


def _find_conflict(listener: ListenerDraft, others: list[ListenerDraft]) -> tuple[str, str]:
    """Why a listener cannot share its port with others: a condition's reason and a sentence, or nothing."""
    if not others:
        return "", ""
    first, port, hostname = others[0], listener.spec.port, listener.spec.hostname or ""
    if _family(first) != _family(listener):
        return "ProtocolConflict", f"port {port} is taken by listener {first.server_name} of protocol {first.protocol}"
    if _family(listener) in ("TCP", "UDP"):
        return "HostnameConflict", f"port {port} is taken by listener {first.server_name}"
    same = next((one for one in others if (one.spec.hostname or "") == hostname), None)
    if same is None:
        return "", ""
    named = f"hostname {hostname}" if hostname else "every hostname"
    return "HostnameConflict", f"{named} of port {port} is taken by listener {same.server_name}"


def _check_conflicts(context: Context, draft: GatewayDraft) -> None:
    """Let the first listener of a port decide what may share it; the Gateway's own come before its sets'."""
    taken: dict[tuple[int, str], list[ListenerDraft]] = {}
    for listener in draft.listeners:
        if not listener.valid:
            continue
        others = taken.setdefault((listener.spec.port, listener.transport), [])
        reason, text = _find_conflict(listener, others)
        if not reason:
            others.append(listener)
            continue
        note(listener.section, "Conflicted", True, reason, text)
        # An entry of a ListenerSet says so in general terms, a Gateway's listener gives the kind of conflict.
        of_set = listener.owner.ref != draft.manifest.ref
        fault = Fault(LISTENER_CONFLICT, "Conflicted" if of_set else reason, text)
        context.refuse(listener.section, "Accepted", fault, listener.owner, listener.path)
        listener.invalidate()


def _check_addresses(context: Context, draft: GatewayDraft) -> None:
    """An address of a kind that we cannot have refuses the Gateway; a name is for DNS, which is not ours."""
    for number, address in enumerate(draft.gateway.spec.addresses):
        path = ("spec", "addresses", number)
        if address.type == "Hostname":
            text = "host names are not assigned here; the Gateway listens on its IP addresses"
            context.add(NOT_HONOURED, text, draft.manifest, path)
        elif address.type != "IPAddress":
            text = f"addresses of type {address.type} are not supported"
            fault = Fault(UNSUPPORTED, "UnsupportedAddress", text, "use an IPAddress, or leave addresses out")
            _refuse_gateway(context, draft, fault, path)


def _note_ignored(context: Context, draft: GatewayDraft) -> None:
    infrastructure = draft.gateway.spec.infrastructure
    for name in ("labels", "annotations"):
        if infrastructure is not None and getattr(infrastructure, name):
            text = "nothing is created in a cluster that could carry them"
            context.add(NOT_HONOURED, text, draft.manifest, ("spec", "infrastructure", name))
    for listener in draft.listeners:
        if listener.spec.tls is not None and listener.spec.tls.options:
            context.add(
                NOT_HONOURED,
                "TLS options of other implementations have no effect",
                listener.owner,
                (*listener.path, "tls", "options"),
                hint="use a ClientTrafficPolicy's tls",
            )


def finish_status(context: Context, drafts: list[GatewayDraft]) -> None:
    """Complete the conditions of gateways and listeners once routes are attached."""
    for draft in drafts:
        for listener in draft.listeners:
            section = listener.section
            section.extra["attachedRoutes"] = listener.attached
            if not listener.valid and "Programmed" not in section.conditions:
                listener.invalidate()
            note(section, "Accepted", True, "Accepted")
            if "Conflicted" not in section.conditions:
                note(section, "Conflicted", False, "NoConflicts")
            note(section, "ResolvedRefs", True, "ResolvedRefs")
            note(section, "Programmed", True, "Programmed")
        own = [one for one in draft.listeners if one.owner.ref == draft.manifest.ref]
        _finish_owner(context, draft.manifest, own, "Invalid")
        for manifest in draft.sets:
            entries = [one for one in draft.listeners if one.owner.ref == manifest.ref]
            if not draft.accepted:
                text = f"Gateway {draft.name} is not accepted"
                note(context.status.object(manifest.ref), "Accepted", False, "ParentNotAccepted", text)
            _finish_owner(context, manifest, entries, "ListenersNotValid")
        accepted = [one for one in draft.sets if context.status.object(one.ref).conditions["Accepted"].ok]
        if draft.sets:
            context.status.object(draft.manifest.ref).extra["attachedListenerSets"] = len(accepted)


def _finish_owner(context: Context, manifest: Manifest, listeners: list[ListenerDraft], invalid: str) -> None:
    section = context.status.object(manifest.ref)
    valid = [listener for listener in listeners if listener.valid]
    if not valid:
        note(section, "Accepted", False, "ListenersNotValid", "no listener is valid")
        note(section, "Programmed", False, invalid, "no listener is valid")
    elif len(valid) < len(listeners):
        note(section, "Accepted", True, "ListenersNotValid", "some listeners are not valid")
    note(section, "Accepted", True, "Accepted")
    ok = section.conditions["Accepted"].ok
    note(section, "Programmed", ok, "Programmed" if ok else invalid)
