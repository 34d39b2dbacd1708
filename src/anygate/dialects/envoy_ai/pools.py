"""InferencePool: the pods of a pool as a Service of the pool's name, for there is no endpoint picker outside a cluster.

The pods' addresses come from the EndpointSlices of the Services that select the same pods.
"""

from collections.abc import Iterator

from anygate.dialects.derived import derive_manifest
from anygate.dialects.envoy_ai.context import Context
from anygate.dialects.envoy_ai.kinds.inferencepool import InferencePoolSpec
from anygate.dialects.envoy_ai.normalise import Normal
from anygate.dialects.envoy_ai.route_findings import NO_PICKER
from anygate.manifests.core import EndpointPort, EndpointSlice, Service, ServicePort, ServiceSpec
from anygate.manifests.kind import Kind, Metadata

_SUFFIX = "-inferencepool"


def find_pool_problem(pool: Normal[InferencePoolSpec]) -> str:
    """Why a pool is not accepted; empty when it is."""
    return "" if pool.spec.endpoint_picker_ref is not None else f"{pool.ref} has no endpointPickerRef"


def name_service(context: Context, pool: Normal[InferencePoolSpec]) -> str:
    """The name of the Service that stands for a pool: the pool's own, unless a Service has it."""
    taken = context.index.service(pool.ref.namespace, pool.ref.name) is not None
    return pool.ref.name + (_SUFFIX if taken else "")


def list_used(context: Context) -> list[Normal[InferencePoolSpec]]:
    """The pools that routes refer to."""
    used = {
        (one.namespace or route.ref.namespace, one.name)
        for route in context.routes.values()
        for rule in route.spec.rules
        for one in rule.backend_refs
        if one.is_pool
    }
    return [pool for place, pool in context.pools.items() if place in used]


def derive_service(context: Context, pool: Normal[InferencePoolSpec]) -> tuple[Kind, ...]:
    """The Service that stands for a pool, and its endpoints where the manifests have any."""
    text = "no endpoint picker is asked here: requests are balanced over the pool's endpoints"
    context.add(NO_PICKER, text, pool.kind.manifest, pool.path(("spec", "endpointPickerRef")))
    name = name_service(context, pool)
    sources = tuple(_list_slices(context, pool))
    key = ("pool", id(pool), name, *map(id, sources))
    found = context.cache.get(key)
    if found is None:
        found = (_build(pool, name, sources), pool, sources)
        context.cache.put(key, found)
    made: tuple[Kind, ...] = found[0]
    for one in made:
        one.attach(
            derive_manifest(pool.kind.manifest, one.kind, one.metadata.name, type(one).GROUP, labels=_label(name))
        )
    return made


def _list_slices(context: Context, pool: Normal[InferencePoolSpec]) -> Iterator[EndpointSlice]:
    """The EndpointSlices of every Service that selects the pool's pods and no others."""
    labels = pool.spec.selector.match_labels
    for service in context.index.every(Service):
        selector = service.spec.selector
        if service.namespace == pool.ref.namespace and labels.items() <= selector.items():
            yield from context.index.endpoint_slices(service.namespace, service.name)


def _label(name: str) -> dict[str, str]:
    return {"kubernetes.io/service-name": name}


def _build(pool: Normal[InferencePoolSpec], name: str, sources: tuple[EndpointSlice, ...]) -> tuple[Kind, ...]:
    port = pool.spec.target_ports[0].number
    entry = ServicePort.model_construct(port=port, app_protocol=pool.spec.app_protocol or "")
    service = Service.model_construct(
        kind="Service",
        metadata=_rename(pool, name),
        spec=ServiceSpec.model_construct(ports=(entry,), selector=dict(pool.spec.selector.match_labels)),
    )
    places = ((source, port.number) for source in sources for port in pool.spec.target_ports)
    # The suffix keeps them apart from EndpointSlices that somebody wrote.
    slices = (
        _build_slice(pool, f"{pool.ref.name}{_SUFFIX}-{number}", source, port)
        for number, (source, port) in enumerate(places)
    )
    return (service, *slices)


def _rename(pool: Normal[InferencePoolSpec], name: str) -> Metadata:
    return pool.kind.metadata.model_copy(update={"name": name})


def _build_slice(pool: Normal[InferencePoolSpec], name: str, source: EndpointSlice, port: int) -> EndpointSlice:
    """The same addresses at a port of the pool."""
    return EndpointSlice.model_construct(
        kind="EndpointSlice",
        metadata=_rename(pool, name),
        address_type=source.address_type,
        endpoints=source.endpoints,
        ports=(EndpointPort.model_construct(port=port),),
    )
