"""What other dialects take for an AIService that they refer to, whether it is there or not."""

from collections.abc import Iterator, Mapping
from typing import Any

from anygate.diagnostics import ObjectRef
from anygate.dialects.derived import DerivedBackend, LostReference, derive_manifest
from anygate.dialects.nantian.ai_findings import AI_SERVICE_NOT_FOUND
from anygate.dialects.nantian.aiservices import Closed, Usable, find_own_service
from anygate.dialects.nantian.context import Context
from anygate.dialects.nantian.kinds.values import GROUP
from anygate.manifests.kind import Kind
from anygate.manifests.names import suggest_word
from anygate.manifests.references import GATEWAY_API_GROUP

_KIND = "AIService"


def list_standins(context: Context, services: Mapping[tuple[str, str], Usable | Closed]) -> dict[ObjectRef, Kind]:
    """A stand-in for each AIService, for the Service that is its endpoint, and for each that is not there."""
    found: dict[ObjectRef, Kind] = {}
    for (namespace, name), service in services.items():
        ref = ObjectRef(GROUP, _KIND, namespace, name)
        if isinstance(service, Closed):
            found[ref] = _lose(f"{ref} cannot be used: {service.reason}")
            continue
        manifest = derive_manifest(service.item.manifest, _KIND, name, GROUP)
        stand_in = DerivedBackend.model_construct(kind=_KIND, metadata=service.item.metadata, backend=service.backend)
        found[ref] = stand_in.attach(manifest)
        served = None if service.item.spec.endpoint else find_own_service(context, service.item)
        if served is not None:
            found[served.ref] = found[ref]
    for ref in _list_wanted(context):
        if ref not in found:
            names = [name for namespace, name in services if namespace == ref.namespace]
            found[ref] = _lose(f"there is no {ref}", suggest_word(ref.name, names))
    return found


def _lose(message: str, hint: str = "") -> DerivedBackend:
    return DerivedBackend.model_construct(kind=_KIND, lost=LostReference(AI_SERVICE_NOT_FOUND, message, hint))


def _list_wanted(context: Context) -> Iterator[ObjectRef]:
    """The AIServices that routes refer to, as backends and in the filters that copy requests."""
    for item in context.index.all(GATEWAY_API_GROUP, "HTTPRoute"):
        spec: Any = getattr(item, "spec", None)
        for rule in spec.rules:
            filters = [*rule.filters, *(one for backend in rule.backend_refs for one in backend.filters)]
            mirrored = (one.request_mirror.backend_ref for one in filters if one.request_mirror is not None)
            for reference in (*rule.backend_refs, *mirrored):
                if (reference.group, reference.kind) == (GROUP, _KIND):
                    yield ObjectRef(GROUP, _KIND, reference.namespace or item.namespace, reference.name)
