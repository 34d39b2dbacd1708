"""ApisixSettings: how APISIX manifests are to be read where there is a choice."""

from typing import ClassVar, Literal

from anygate.dialects.apisix.kinds.cache_zones import ProxyCacheSettings
from anygate.dialects.apisix.kinds.telemetry import OpentelemetrySettings, PrometheusSettings
from anygate.dialects.apisix.kinds.values import Network, PublicAddress, SecretReference
from anygate.manifests.kind import Kind, Many, Node

SETTINGS_GROUP = "anygate.dev"
SETTINGS_VERSIONS = ("v1alpha1",)


class SettingsSpec(Node):
    """The choices. What is absent is chosen by no one, and the default holds."""

    # Which is asked first, as in APISIX's own `router.http`: radixtree_host_uri or radixtree_uri.
    router: Literal["host_uri", "uri"] | None = None
    # The classes that are read; an object without a class is read in any case.
    ingress_classes: Many[str] | None = None
    # What an ApisixTls shows whose Secret is not among the manifests; without it nobody can connect.
    stand_in_certificate: SecretReference | None = None
    # Proxies in front of the gateway, as in APISIX's own `apisix.trusted_addresses`: what they say in X-Forwarded-Proto
    # decides whether `redirect` sends a client to HTTPS.
    trusted_addresses: Many[Network] | None = None
    # Where proxy-cache keeps answers, as in APISIX's own `apisix.proxy_cache`.
    proxy_cache: ProxyCacheSettings | None = None
    # Where the plugin prometheus serves its metrics.
    prometheus: PrometheusSettings | None = None
    # Where the plugin opentelemetry sends its spans.
    opentelemetry: OpentelemetrySettings | None = None
    # Where clients reach the gateway: IP addresses and host names, which Ingresses have in their status.
    status_address: Many[PublicAddress] | None = None


class ApisixSettings(Kind):
    """Settings for everything of APISIX that is read together with it."""

    GROUP: ClassVar[str] = SETTINGS_GROUP
    KIND: ClassVar[str] = "ApisixSettings"

    spec: SettingsSpec = SettingsSpec.model_construct()
