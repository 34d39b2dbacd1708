"""What a cluster's metadata says: where it comes from, and for accounting which provider it is."""

from typing import Any

from anygate.envoy.access_log import backend_facts
from anygate.envoy.api import struct
from anygate.envoy.names import FACTS, ORIGIN
from anygate.model.backend import Backend
from anygate.model.origin import Origin


def build_origin(backend: Backend) -> dict[str, Any]:
    """Build the metadata of a backend's cluster."""
    found: dict[str, Any] = {"service": backend.service}
    if backend.provider is not None:
        found[FACTS] = backend_facts(backend.provider)
    return build_place(backend.origin, **found)


def build_place(origin: Origin, **more: Any) -> dict[str, Any]:
    """Build the metadata of what comes from an object of the manifests."""
    values = {"object": origin.object, "path": origin.path, "place": origin.place, **more}
    return {"filter_metadata": {ORIGIN: struct(values)}}
