"""Subsets of a Service's pods, told apart by labels."""

import msgspec

from anygate.dialects.apisix.context import Context
from anygate.dialects.apisix.kinds.apisixupstream import ApisixUpstream
from anygate.manifests.core import Service
from anygate.model.backend import EndpointGroup


def keep_subset(
    context: Context, service: Service, settings: ApisixUpstream | None, name: str, groups: tuple[EndpointGroup, ...]
) -> tuple[EndpointGroup, ...] | str:
    """The endpoints whose pods have the labels of a subset, or why that cannot be told.

    A subset that nothing defines means all pods, as in APISIX. An endpoint's labels are those of the EndpointSlice that
    lists it: Pods are no manifests that are read.
    """
    subset = next((one for one in settings.spec.subsets if one.name == name), None) if settings else None
    if subset is None:
        return f"no ApisixUpstream {service.name} defines the subset {name}, so all endpoints are used"
    slices = context.index.endpoint_slices(service.namespace, service.name)
    labelled = [one for one in slices if any(label in one.manifest.labels for label in subset.labels)]
    if not labelled:
        text = f"no EndpointSlice of {service.ref} has the labels of the subset {name}, and Pods are not looked at"
        return f"{text}, so all endpoints are used"
    wanted = {
        address
        for one in labelled
        if all(one.manifest.labels.get(label) == value for label, value in subset.labels.items())
        for endpoint in one.endpoints
        for address in endpoint.addresses
    }
    kept = []
    for group in groups:
        endpoints = tuple(one for one in group.endpoints if one.host in wanted)
        if endpoints:
            kept.append(msgspec.structs.replace(group, endpoints=endpoints, weight=len(endpoints)))
    return tuple(kept)
