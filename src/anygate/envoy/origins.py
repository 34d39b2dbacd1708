"""What a cluster's metadata says: where it comes from, and for accounting which provider it is."""

from typing import Any

from anygate.envoy.access_log import backend_facts
from anygate.envoy.api import struct
from anygate.envoy.names import FACTS, ORIGIN
from anygate.model.backend import Backend


def build_origin(backend: Backend) -> dict[str, Any]:
    """Build the metadata of a backend's cluster."""
    origin = backend.origin
    found: dict[str, Any] = {
        "object": origin.object,
        "path": origin.path,
        "place": origin.place,
        "service": backend.service,
    }
    if backend.provider is not None:
        found[FACTS] = backend_facts(backend.provider)
    return {"filter_metadata": {ORIGIN: struct(found)}}
