"""The choices of every AppMeshSettings object, put together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from anygate.dialects.app_mesh.kinds.settings import LAST_WORD, AppMeshSettings, LocalCertificate
from anygate.manifests.index import Index


@dataclass(frozen=True)
class Settings:
    """What was chosen; the last object by name wins where two choose, unless one is named `LAST_WORD`.

    `default_retry`: routes without a policy are retried as App Mesh did. `host_fallback`: a request for a host that
    has routes of its own is tried on wider ones too, which App Mesh never did. `acm` is keyed by ARN.
    With `two_stages` the routes of services are always asked after the gateway routes, not only where they have to be.
    `sds_socket` is the Unix socket of an SDS server beside Envoy.
    """

    strict: bool = False
    default_retry: bool = True
    host_fallback: bool = False
    two_stages: bool = False
    acm: Mapping[str, LocalCertificate] = field(default_factory=lambda: MappingProxyType({}))
    sds_socket: str = ""


def read_settings(index: Index) -> Settings:
    """The settings that hold for everything that is read together."""
    found = Settings()
    for one in sorted(index.every(AppMeshSettings), key=lambda one: one.name == LAST_WORD):
        spec = one.spec
        found = Settings(
            strict=found.strict if spec.mode is None else spec.mode == "strict",
            default_retry=found.default_retry if spec.default_retry is None else spec.default_retry,
            host_fallback=found.host_fallback if spec.host_fallback is None else spec.host_fallback,
            two_stages=found.two_stages if spec.two_stage is None else spec.two_stage == "always",
            acm=MappingProxyType({**found.acm, **spec.acm}),
            sds_socket=found.sds_socket if spec.sds_socket is None else spec.sds_socket,
        )
    return found
