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
_UNTIL_NONE_IS_LEFT = 10_000
"""A priority keeps all of the traffic as long as one in a hundred of its endpoints is healthy."""


def needs_dns(backend: Backend) -> bool:
    """Whether any endpoint is a name, which EDS cannot carry."""
    return any(
        not endpoint.unix and not is_address(endpoint.host) for group in backend.groups for endpoint in group.endpoints
    )


def build_load_assignment(name: str, backend: Backend) -> Any:
    """Build a ClusterLoadAssignment. A group of weight 0 has no weight, so only existing sessions reach it.

    Requests to a provider for which there is no endpoint fail to connect, so that they can be tried elsewhere.
    """
    groups, fails = backend.groups, bool(backend.provider)
    check = backend.connection.active_check
    probed = check.port if check is not None else 0
    weighted = len(groups) > 1
    # Envoy refuses weights whose sum is beyond 32 bits.
    scale = max(1, -(-sum(group.weight for group in groups) // _TOTAL_WEIGHT))
    return build(
        "envoy.config.endpoint.v3.ClusterLoadAssignment",
        cluster_name=name,
        endpoints=[
            {
                "locality": _locality(groups, position),
                "lb_endpoints": [_lb_endpoint(endpoint, probed) for endpoint in group.endpoints],
                "load_balancing_weight": _weight(group.weight, scale) if weighted else None,
                "priority": group.priority,
            }
            for position, group in enumerate(groups)
        ]
        + ([_nowhere(groups)] if fails else []),
        policy={"overprovisioning_factor": uint32(_UNTIL_NONE_IS_LEFT)} if fails else None,
    )


def _nowhere(groups: tuple[EndpointGroup, ...]) -> dict[str, Any]:
    """Build an endpoint of last resort that refuses every connection; nothing can listen on port 0.

    Tried on Envoy 1.40: a cluster without any healthy endpoint answers by itself, and no retry follows, whereas a
    connection that cannot be made is followed by a retry, which goes to the rule's next backend.
    """
    endpoint = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "health_check_config": {"disable_active_health_check": True},
    }
    last = max((group.priority for group in groups), default=-1)
    return {
        "locality": {"sub_zone": "nowhere"},
        "lb_endpoints": [{"endpoint": endpoint}],
        "load_balancing_weight": uint32(1) if len(groups) > 1 else None,
        "priority": last + 1,
    }


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


def _lb_endpoint(endpoint: Endpoint, probed: int) -> dict[str, Any]:
    if endpoint.unix:
        address: dict[str, Any] = {"pipe": {"path": endpoint.unix}}
    else:
        address = {"socket_address": {"address": endpoint.host, "port_value": endpoint.port}}
    return {
        "endpoint": {
            "address": address,
            "hostname": endpoint.hostname or None,
            "health_check_config": {"port_value": probed} if probed and not endpoint.unix else None,
        },
        "health_status": "DRAINING" if endpoint.draining else None,
    }
