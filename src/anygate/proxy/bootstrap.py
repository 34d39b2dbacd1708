"""The configuration that Envoy starts with: where its configuration comes from, and nothing else."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from anygate.envoy import api

XDS_CLUSTER = "anygate_xds"
"""The cluster through which Envoy reaches our ADS server."""

_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_RUNTIME = {
    # Envoy's own limit of 100 instructions refuses expressions that a cluster takes: Envoy Gateway lifts it as well.
    "re2.max_program_size.error_level": 2**32 - 1,
}


def build_bootstrap(
    *,
    xds: Path,
    admin: Path,
    node_id: str = "local",
    node_cluster: str = "anygate",
    runtime: Mapping[str, Any] | None = None,
) -> Any:
    """Build the bootstrap of an Envoy that is configured through the Unix socket `xds`.

    `node_id` and `node_cluster` are required by Envoy's credential injector, which refuses SDS without them.
    `runtime` are runtime keys such as `envoy.reloadable_features.<name>`.
    """
    return api.build(
        "envoy.config.bootstrap.v3.Bootstrap",
        node={"id": node_id, "cluster": node_cluster},
        admin={"address": _pipe(admin)},
        dynamic_resources={
            "ads_config": _ads(),
            # Zero waits for as long as it takes: an Envoy without configuration must not look ready.
            "cds_config": _from_ads(timedelta(0)),
            "lds_config": _from_ads(timedelta(0)),
        },
        static_resources={"clusters": [_xds_cluster(xds)]},
        layered_runtime={"layers": [{"name": "anygate", "static_layer": api.struct({**_RUNTIME, **(runtime or {})})}]},
        bootstrap_extensions=[
            {
                "name": "envoy.bootstrap.internal_listener",
                "typed_config": api.typed("envoy.extensions.bootstrap.internal_listener.v3.InternalListener"),
            }
        ],
        # The counters of a cluster are made when its first request comes: idle backends cost little memory.
        deferred_stat_options={"enable_deferred_creation_stats": True},
        # Nothing consumes a periodic flush; the admin interface brings gauges and counters up to date itself.
        stats_flush_on_admin=True,
    )


def render_bootstrap(bootstrap: Any) -> str:
    """Return a bootstrap as the JSON text that Envoy reads."""
    return json.dumps(api.to_json(bootstrap), indent=2) + "\n"


def _ads() -> dict[str, Any]:
    return {
        "api_type": "DELTA_GRPC",
        "transport_api_version": "V3",
        "set_node_on_first_message_only": True,
        "grpc_services": [
            {
                "envoy_grpc": {
                    "cluster_name": XDS_CLUSTER,
                    # The default waits up to 30 s after a lost stream; on one host we are back in no time.
                    "retry_policy": {
                        "retry_back_off": {
                            "base_interval": timedelta(milliseconds=100),
                            "max_interval": timedelta(seconds=1),
                        }
                    },
                }
            }
        ],
    }


def _from_ads(initial_fetch_timeout: timedelta) -> dict[str, Any]:
    return {
        "ads": {},
        "resource_api_version": "V3",
        "initial_fetch_timeout": api.duration(initial_fetch_timeout),
    }


def _xds_cluster(xds: Path) -> dict[str, Any]:
    endpoint = {"lb_endpoints": [{"endpoint": {"address": _pipe(xds)}}]}
    options = api.typed(_HTTP_OPTIONS, explicit_http_config={"http2_protocol_options": {}})
    return {
        "name": XDS_CLUSTER,
        "type": "STATIC",
        "connect_timeout": timedelta(seconds=1),
        "load_assignment": {"cluster_name": XDS_CLUSTER, "endpoints": [endpoint]},
        "typed_extension_protocol_options": {_HTTP_OPTIONS: options},
    }


def _pipe(path: Path) -> dict[str, Any]:
    return {"pipe": {"path": str(path), "mode": 0o600}}
