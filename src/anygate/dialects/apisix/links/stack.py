"""What a stack file says, once it is read: frozen values that every mistake has been taken out of."""

from dataclasses import dataclass, field
from typing import Any

from anygate.diagnostics import Span
from anygate.dialects.apisix.links.entry import Entry
from anygate.dialects.apisix.links.secrets import Credential

Config = dict[str, Any]
"""The configuration of a plugin."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a stack is written: file names, the release of the controller, and the way in which AI backends are had."""

    layout: str = "seed"
    controller: str = "2.2"
    ai_mode: str = "upstream"


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a component."""

    name: str
    number: int
    protocol: str
    is_stream: bool
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """Something that links go to. Empty texts and None stand for what the type of link says."""

    name: str
    type: str
    namespace: str
    cluster_domain: str
    service: str
    port: int | None
    scheme: str
    tag: str
    kafka: str
    alertmanager: bool
    infer_scheme: bool
    ports: tuple[Port, ...]
    stream_ports: tuple[Port, ...]
    models: tuple[str, ...]
    entry: Entry
    is_sound: bool
    """Whether everything that was said about its ports could be read."""


@dataclass(frozen=True, slots=True)
class TlsSecret:
    """A Secret with a certificate."""

    name: str
    namespace: str


@dataclass(frozen=True, slots=True)
class ExtraHost:
    """A further host of a route, and its certificate if it is not the stack's."""

    host: str
    secret: TlsSecret | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Attributes:
    """The attributes of a link or gateway as the configurations of the plugins that they switch on; None is off."""

    entry: Entry
    subdomain: str = ""
    cors: Config | None = None
    rate_limit: Config | None = None
    oidc: Config | None = None
    oidc_secret: str = ""
    whitelist: tuple[str, ...] = ()
    rewrite: Config | None = None
    websocket: bool = False
    timeout: dict[str, str] = field(default_factory=dict)
    extra_hosts: tuple[ExtraHost, ...] = ()
    max_body_size: int | None = None
    route_all: bool = False
    api_key: Credential | None = None
    https_redirect: bool = False
    paths: tuple[str, ...] = ()
    extra_plugins: tuple[Config, ...] = ()
    pipelines_subdomain: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class DirectLink:
    """An apisix-* link."""

    type: str
    component: Component
    attributes: Attributes


@dataclass(frozen=True, slots=True, eq=False)
class Gateway:
    """A gateway or AI gateway."""

    name: str
    attributes: Attributes


@dataclass(frozen=True, slots=True, eq=False)
class GatewayLink:
    """A backend of a gateway."""

    gateway: Gateway
    component: Component
    weight: int
    port: int
    entry: Entry


@dataclass(frozen=True, slots=True, eq=False)
class AiLink:
    """A backend of an AI gateway. An external one has an endpoint and no component."""

    type: str
    gateway: Gateway
    to: str
    component: Component | None
    model: str
    subdomain: str
    path: str
    weight: int
    guard: Config | None
    decorator: Config | None
    limit: Config | None
    endpoint: str
    port: int
    provider: str
    credential: Credential | None
    ai_model: str
    entry: Entry


@dataclass(frozen=True, slots=True, eq=False)
class Apisix:
    """The APISIX component: where its objects live, and what holds for every link."""

    name: str = "apisix"
    namespace: str = "ingress-apisix"
    ingress_class: str = "apisix"
    external_traffic: str = "Cluster"
    tls_secret: TlsSecret | None = TlsSecret("wildcard-tls-secret", "cert-manager")
    rate_limit: Config = field(default_factory=dict)
    default_whitelist: tuple[str, ...] = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    oidc: Config = field(default_factory=dict)
    reserved_ports: frozenset[int] = frozenset((80, 443, 9080, 9091, 9180, 9443))


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """All of a stack file."""

    domain: str
    name: str
    apisix: Apisix
    components: tuple[Component, ...]
    gateways: tuple[Gateway, ...]
    ai_gateways: tuple[Gateway, ...]
    direct: tuple[DirectLink, ...]
    gateway_links: tuple[GatewayLink, ...]
    ai_links: tuple[AiLink, ...]
