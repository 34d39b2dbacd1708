"""How an endpoint is chosen, as Envoy's load balancing policies.

Reference: envoy/extensions/load_balancing_policies/*/v3 and
https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/load_balancing
"""

from typing import Any

from anygate.envoy.api import build, typed, uint32, uint64
from anygate.model.backend import LoadBalancing

_POLICIES = "envoy.extensions.load_balancing_policies."


def build_load_balancing(balancing: LoadBalancing, *, weighted_groups: bool) -> Any:
    """Build a LoadBalancingPolicy; `weighted_groups` shares traffic out by the weights of the groups."""
    chosen = _policy(balancing, weighted_groups)
    if balancing.override_header:
        fallback = {"policies": [{"typed_extension_config": chosen}]}
        config = typed(
            _POLICIES + "override_host.v3.OverrideHost",
            override_host_sources=[{"header": balancing.override_header}],
            fallback_policy=fallback,
        )
        chosen = {"name": "envoy.load_balancing_policies.override_host", "typed_config": config}
    return build("envoy.config.cluster.v3.LoadBalancingPolicy", policies=[{"typed_extension_config": chosen}])


def _policy(balancing: LoadBalancing, weighted_groups: bool) -> dict[str, Any]:
    kind = balancing.kind
    fields: dict[str, Any] = {}
    if kind in ("ring_hash", "maglev"):
        fields["locality_weighted_lb_config"] = {} if weighted_groups else None
    else:
        fields["locality_lb_config"] = _localities(balancing, weighted_groups)
    if kind == "maglev":
        fields["table_size"] = uint64(balancing.table_size)
    elif kind == "ring_hash":
        fields["minimum_ring_size"] = uint64(balancing.table_size)
    elif kind in ("round_robin", "least_request") and balancing.slow_start is not None:
        fields["slow_start_config"] = {"slow_start_window": balancing.slow_start}
    config = typed(f"{_POLICIES}{kind}.v3.{kind.title().replace('_', '')}", **fields)
    return {"name": f"envoy.load_balancing_policies.{kind}", "typed_config": config}


def _localities(balancing: LoadBalancing, weighted_groups: bool) -> dict[str, Any] | None:
    """Build what zones mean: nearness and weights exclude each other in Envoy, and a given weight is meant."""
    if weighted_groups:
        return {"locality_weighted_lb_config": {}}
    if balancing.prefer_local_zone:
        return {"zone_aware_lb_config": {"min_cluster_size": {"value": 1}, "force_local_zone": {"min_size": uint32(1)}}}
    return None
