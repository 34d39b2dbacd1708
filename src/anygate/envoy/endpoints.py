"""Endpoints as Envoy's load assignments.

Reference: envoy/config/endpoint/v3/endpoint.proto and endpoint_components.proto.
"""

from ipaddress import ip_address
from typing import Any

from anygate.envoy.api import build, uint32
from anygate.model.backend import Backend, Endpoint, EndpointGroup


def is_address(host: str) -> bool:
    """Whether a host is an IP address and not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


_TOTAL_WEIGHT = 2**32 - 1


def needs_dns(backend: Backend) -> bool:
    """Whether any endpoint is a name, which EDS cannot carry."""
    return any(
        not endpoint.unix and not is_address(endpoint.host) for group in backend.groups for endpoint in group.endpoints
    )


def build_load_assignment(name: str, groups: tuple[EndpointGroup, ...]) -> Any:
    """Build a ClusterLoadAssignment. A group of weight 0 has no weight, so only existing sessions reach it."""
    weighted = len(groups) > 1
    # Envoy refuses weights whose sum is beyond 32 bits.
    scale = max(1, -(-sum(group.weight for group in groups) // _TOTAL_WEIGHT))
    return build(
        "envoy.config.endpoint.v3.ClusterLoadAssignment",
        cluster_name=name,
        endpoints=[
            {
                "locality": _locality(groups, position),
                "lb_endpoints": [_lb_endpoint(endpoint) for endpoint in group.endpoints],
                "load_balancing_weight": _weight(group.weight, scale) if weighted else None,
                "priority": group.priority,
            }
            for position, group in enumerate(groups)
        ],
    )


def _weight(weight: int, scale: int) -> Any:
    return uint32(max(1, weight // scale)) if weight else None


def _locality(groups: tuple[EndpointGroup, ...], position: int) -> dict[str, Any] | None:
    """Tell groups apart: Envoy joins localities of one name within a priority."""
    group = groups[position]
    twin = any(
        other.zone == group.zone and other.priority == group.priority
        for at, other in enumerate(groups)
        if at != position
    )
    if not group.zone and not twin:
        return None
    return {"zone": group.zone, "sub_zone": str(position) if twin else None}


def _lb_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.unix:
        address: dict[str, Any] = {"pipe": {"path": endpoint.unix}}
    else:
        address = {"socket_address": {"address": endpoint.host, "port_value": endpoint.port}}
    return {
        "endpoint": {"address": address, "hostname": endpoint.hostname or None},
        "health_status": "DRAINING" if endpoint.draining else None,
    }
