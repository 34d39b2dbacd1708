"""The choices of every ApisixSettings object, put together."""

from dataclasses import dataclass, replace

from anygate.dialects.apisix.kinds.cache_zones import AS_USUAL, ProxyCacheSettings
from anygate.dialects.apisix.kinds.ingress import CONTROLLER, IngressClass
from anygate.dialects.apisix.kinds.settings import ApisixSettings
from anygate.dialects.apisix.kinds.telemetry import (
    OPENTELEMETRY,
    PROMETHEUS,
    OpentelemetrySettings,
    PrometheusSettings,
)
from anygate.dialects.apisix.kinds.values import SecretReference
from anygate.manifests.index import Index


@dataclass(frozen=True)
class Settings:
    """What was chosen; the last object by name wins where two choose.

    With `path_first` the path decides before the host, as APISIX's router radixtree_uri has it. `classes` are those
    that are named and those of our controller. `stand_in` is the certificate of hosts whose own is not there, and
    `addresses` are where clients reach the gateway.
    `trusted` are the addresses of proxies in front of it that are believed.
    `proxy_cache` has the zones for kept answers. The last two say where metrics are served and where spans go.
    """

    path_first: bool = False
    classes: tuple[str, ...] = ("apisix",)
    stand_in: SecretReference | None = None
    proxy_cache: ProxyCacheSettings = AS_USUAL
    addresses: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    prometheus: PrometheusSettings = PROMETHEUS
    opentelemetry: OpentelemetrySettings = OPENTELEMETRY


def read_settings(index: Index) -> Settings:
    """The settings that hold for everything that is read together."""
    own = tuple(one.name for one in index.every(IngressClass) if one.spec.controller == CONTROLLER)
    found = Settings()
    for one in index.every(ApisixSettings):
        spec = one.spec
        found = Settings(
            path_first=found.path_first if spec.router is None else spec.router == "uri",
            classes=found.classes if spec.ingress_classes is None else spec.ingress_classes,
            proxy_cache=found.proxy_cache if spec.proxy_cache is None else spec.proxy_cache,
            stand_in=found.stand_in if spec.stand_in_certificate is None else spec.stand_in_certificate,
            addresses=found.addresses if spec.status_address is None else spec.status_address,
            trusted=found.trusted if spec.trusted_addresses is None else spec.trusted_addresses,
            prometheus=found.prometheus if spec.prometheus is None else spec.prometheus,
            opentelemetry=found.opentelemetry if spec.opentelemetry is None else spec.opentelemetry,
        )
    return replace(found, classes=tuple(dict.fromkeys((*found.classes, *own))))
