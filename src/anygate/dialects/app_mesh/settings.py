"""The choices of every AppMeshSettings object, put together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from anygate.dialects.app_mesh.kinds.settings import AppMeshSettings, LocalCertificate, NodeChoice
from anygate.manifests.index import Index


@dataclass(frozen=True)
class Settings:
    """What was chosen; the last object by name wins where two choose.

    `default_retry`: routes without a policy are retried as App Mesh did. `host_fallback`: a request for a host that
    has routes of its own is tried on wider ones too, which App Mesh never did. `acm` is keyed by ARN.
    """

    strict: bool = False
    default_retry: bool = True
    host_fallback: bool = False
    nodes: tuple[NodeChoice, ...] = ()
    acm: Mapping[str, LocalCertificate] = field(default_factory=lambda: MappingProxyType({}))


def read_settings(index: Index) -> Settings:
    """The settings that hold for everything that is read together."""
    found = Settings()
    for one in index.every(AppMeshSettings):
        spec = one.spec
        found = Settings(
            strict=found.strict if spec.mode is None else spec.mode == "strict",
            default_retry=found.default_retry if spec.default_retry is None else spec.default_retry,
            host_fallback=found.host_fallback if spec.host_fallback is None else spec.host_fallback,
            nodes=(*found.nodes, *spec.nodes),
            acm=MappingProxyType({**found.acm, **spec.acm}),
        )
    return found
