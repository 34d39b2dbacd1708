"""A snapshot as a bootstrap of its own: an Envoy that gets no resources from anybody.

Secrets are never in it. Each is a file beside it that Envoy watches, written empty, to be filled by hand.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from anygate.envoy import api
from anygate.envoy.snapshot import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET, Resource, Snapshot

MAIN = "envoy.yaml"
_EMPTY = "# The secret goes here: a DiscoveryResponse with one resource of the type Secret, called {}.\nresources: []\n"

_NOBODY = "nobody:{SHA}AAAAAAAAAAAAAAAAAAAAAAAAAAA="
"""In place of people with their passwords: a name with a digest that no password has."""


class StaticConfiguration(NamedTuple):
    """The bootstrap, for a file `main`, the files by name that secrets are to be written to, and what is left to do."""

    main: str
    text: str
    secrets: dict[str, str]
    report: str


def render_static(snapshot: Snapshot) -> StaticConfiguration:
    """Render a snapshot as a bootstrap, with an empty file for each secret."""
    routes = {name: _show(resource) for name, resource in snapshot[ROUTES].items()}
    endpoints = {name: _show(resource) for name, resource in snapshot[ENDPOINTS].items()}
    listeners = [_inline(_show(one), routes) for one in snapshot[LISTENER].values()]
    clusters = [_pin(_inline(_show(one), routes), endpoints) for one in snapshot[CLUSTER].values()]
    bootstrap = {
        "node": {"id": "local", "cluster": "anygate"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 9901}}},
        "static_resources": {"listeners": listeners, "clusters": clusters},
        "bootstrap_extensions": [
            {
                "name": "envoy.bootstrap.internal_listener",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener"
                },
            }
        ],
    }
    text = yaml.safe_dump(bootstrap, sort_keys=False, allow_unicode=True, width=120)
    secrets = {_secret_file(name): _EMPTY.format(name) for name in snapshot[SECRET]}
    return StaticConfiguration(MAIN, text, secrets, "\n".join(_report(snapshot)) + "\n")


def _show(resource: Resource) -> dict[str, Any]:
    """A resource as JSON, without what Envoy's API calls sensitive."""
    return api.redact(api.message(api.type_name(resource.type_url)).FromString(resource.body))


def _inline(value: Any, routes: dict[str, dict[str, Any]]) -> Any:
    """A value with routes where a name of them was, and files where secrets were asked for over the stream."""
    if isinstance(value, list):
        return [_inline(one, routes) for one in value]
    if not isinstance(value, dict):
        return value
    made = {key: _inline(one, routes) for key, one in value.items()}
    if api.REDACTED in made.values():
        made = {
            "inline_string" if key == "inline_bytes" else key: _NOBODY if one == api.REDACTED else one
            for key, one in made.items()
        }
    known = made.get("credentials")
    # Those of a login are a mapping, without anything to be read.
    if isinstance(known, list) and any(one.get("key") == _NOBODY for one in known):
        # A key that can be read here would open the door.
        del made["credentials"]
    if "rds" in made:
        name = made.pop("rds")["route_config_name"]
        made["route_config"] = _inline(routes.get(name, {"name": name}), routes)
    if "ads" in made.get("sds_config", {}):
        path = {"path": _secret_file(made["name"])}
        made["sds_config"] = {"path_config_source": path, "resource_api_version": "V3"}
    return made


def _pin(cluster: dict[str, Any], endpoints: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A cluster with its endpoints in it."""
    if cluster.get("type") != "EDS":
        return cluster
    name = cluster.pop("eds_cluster_config", {}).get("service_name") or cluster["name"]
    assigned = {**endpoints.get(name, {}), "cluster_name": cluster["name"]}
    return {**cluster, "type": "STATIC", "load_assignment": assigned}


def _secret_file(name: str) -> str:
    return f"secrets/{re.sub('[^A-Za-z0-9.-]+', '-', name).strip('-')}.yaml"


def _report(snapshot: Snapshot) -> Iterator[str]:
    yield from (
        "# Conversion to Envoy",
        "",
        f"Start it beside its files: envoy -c {MAIN}",
        "",
        "## What is left to do",
        "",
    )
    for name in snapshot[SECRET]:
        yield f"- {_secret_file(name)}: the secret {name}"
    for resource in snapshot:
        if resource.type_url != SECRET and _holds_secret(_show(resource), inside_route=False):
            yield f"- {MAIN}: passwords or API keys that Envoy takes only there, in what became of {resource.name}"
    asking = (one for listener in snapshot[LISTENER].values() for one in _list_asking(_show(listener)))
    for name, cluster in dict.fromkeys(asking):
        if cluster not in snapshot[CLUSTER]:
            yield f"- {MAIN}: the filter {name} asks {cluster}, a service that runs beside Envoy in `anygate run` only"


def _list_asking(value: Any) -> Iterator[tuple[str, str]]:
    """The filters that ask a gRPC service, each with the cluster that it is in."""
    if isinstance(value, list):
        for one in value:
            yield from _list_asking(one)
    elif isinstance(value, dict):
        config = value.get("typed_config", {})
        asked = config.get("grpc_service") or config.get("rate_limit_service", {}).get("grpc_service") or {}
        if asked and "name" in value:
            yield value["name"], asked.get("envoy_grpc", {}).get("cluster_name", "")
        for one in value.values():
            yield from _list_asking(one)


def _holds_secret(value: Any, *, inside_route: bool) -> bool:
    """Whether a route has secrets of its own; those of a filter as such are never anybody's."""
    if isinstance(value, list):
        return any(_holds_secret(one, inside_route=inside_route) for one in value)
    if not isinstance(value, dict):
        return bool(inside_route and value == api.REDACTED)
    return any(
        _holds_secret(one, inside_route=inside_route or key == "typed_per_filter_config") for key, one in value.items()
    )
