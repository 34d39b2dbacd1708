"""What may be there only once in a whole stack: hosts with their paths, objects, and keys."""

from collections.abc import Iterable

from anygate.diagnostics import Related
from anygate.dialects.apisix.links.entry import Entry
from anygate.dialects.apisix.links.front import Consumer, Front, Written
from anygate.dialects.apisix.links.names import check_host
from anygate.dialects.apisix.links.rules.attributes import TLS_COVERAGE
from anygate.dialects.apisix.links.rules.results import DUPLICATE_API_KEY, DUPLICATE_OBJECT, DUPLICATE_ROUTE
from anygate.dialects.apisix.links.stack import Stack


def check_fronts(fronts: Iterable[Front], stack: Stack) -> None:
    """Report hosts that are too long or not covered by a certificate, and routes that are there twice."""
    seen: dict[tuple[str, str], Front] = {}
    for front in sorted(fronts, key=lambda one: one.entry.tree.start()):
        place = front.entry.get("subdomain") or front.entry
        for host in front.hosts:
            check_host(host, place)
        _check_coverage(front, place, stack)
        for host in front.list_hosts():
            for path in front.paths:
                first = seen.setdefault((host, path), front)
                if first is not front:
                    spot = front.entry.get("subdomain") if host in front.hosts else front.entry.get("additional_domain")
                    related = [Related("first routed here", first.entry.span)]
                    message = f'the route to {host}{path} is there already, to "{first.component}"'
                    hint = "choose another subdomain or path"
                    (spot or front.entry).refuse(DUPLICATE_ROUTE, message, hint=hint, related=related)


def _check_coverage(front: Front, place: Entry, stack: Stack) -> None:
    if stack.apisix.tls_secret is None:
        return
    own = {extra.host for extra in front.extra_hosts if extra.secret is not None}
    extras = {extra.host: extra.span for extra in front.extra_hosts}
    spot = front.entry.get("additional_domain") or place
    for host in front.list_hosts():
        if host not in own and host.partition(".")[2] != stack.domain:
            hint = (
                f'write "{host} secret=NAME" with a certificate of its own'
                if host in extras
                else f"use a subdomain of one label: the certificate is for *.{stack.domain}"
            )
            message = f"{host} is not covered by the certificate for *.{stack.domain}"
            where = spot if host in extras else place
            where.refuse(TLS_COVERAGE, message, span=extras.get(host), hint=hint)


def check_objects(objects: Iterable[Written]) -> None:
    """Report objects with the identity of another one."""
    seen: dict[tuple[str, str, str], Written] = {}
    for one in sorted(objects, key=lambda found: found.entry.tree.start()):
        metadata = one.value["metadata"]
        kind, namespace, name = one.value["kind"], metadata["namespace"], metadata["name"]
        first = seen.setdefault((kind, namespace, name), one)
        if first is not one:
            related = [Related("first generated from here", first.entry.span)]
            message = f"{kind}/{namespace}/{name} is generated from here and from another place"
            hint = "rename one of the components or gateways"
            one.entry.refuse(DUPLICATE_OBJECT, message, hint=hint, related=related)


def check_consumers(consumers: Iterable[Consumer]) -> None:
    """Report keys that two consumers have."""
    seen: dict[str, Consumer] = {}
    for one in sorted(consumers, key=lambda found: found.entry.tree.start()):
        key = one.credential.value
        first = seen.setdefault(key, one) if key else one
        if first is not one:
            place = one.entry.get("api_key") or one.entry
            related = [Related("first used here", first.credential.span)]
            hint = "give every consumer a key of its own"
            place.refuse(DUPLICATE_API_KEY, "another consumer has the same key", hint=hint, related=related)
