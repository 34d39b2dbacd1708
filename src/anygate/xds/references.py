"""What one resource says about others, as far as delivery depends on it."""

from anygate.envoy import api
from anygate.envoy.snapshot import ROUTES, Resource, resource


def endpoints_of(cluster: Resource) -> str:
    """Return the name under which Envoy asks for the endpoints of a cluster."""
    found = api.message("envoy.config.cluster.v3.Cluster").FromString(cluster.body)
    return str(found.eds_cluster_config.service_name) or cluster.name


def is_internal(listener: Resource) -> bool:
    """Tell whether a listener has no port and is reached by clusters of the same Envoy."""
    found = api.message("envoy.config.listener.v3.Listener").FromString(listener.body)
    return bool(found.HasField("internal_listener"))


def empty_routes(name: str) -> Resource:
    """Return the routes to answer with when there are none of a name.

    Envoy ignores the removal of routes but stops its own timer on it: a listener that waits for routes which
    are answered with "does not exist" would wait for ever, and the start of Envoy with it.
    """
    return resource(ROUTES, name, api.serialise(api.build("envoy.config.route.v3.RouteConfiguration", name=name)))
