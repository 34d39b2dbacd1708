"""From text to positioned Kubernetes objects, and what all dialects share about them.

`load` reads files and folders, `yaml` parses them, `object` says what an object is, `kind` reads one into a
model of its kind, `index` finds objects by name and label. Nothing but `load` performs I/O.
"""

from anygate.manifests.chunk_cache import ChunkCache
from anygate.manifests.load import load_sources, parse_sources
from anygate.manifests.manifest_set import ManifestSet
from anygate.manifests.object import Manifest
from anygate.manifests.sensitive import Sensitive

__all__ = ["ChunkCache", "Manifest", "ManifestSet", "Sensitive", "load_sources", "parse_sources"]
