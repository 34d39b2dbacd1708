"""ApisixRoute: HTTP rules and stream rules."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from anygate.dialects.apisix.kinds.authentication import Authentication
from anygate.dialects.apisix.kinds.expressions import Expression
from anygate.dialects.apisix.kinds.plugins import APISIX_GROUP, Plugin, refuse_names
from anygate.dialects.apisix.kinds.values import Host, Network, Path, Timeouts, Weight
from anygate.manifests.fields import IntOrString, Many, Namespace, ObjectName
from anygate.manifests.kind import Kind, Node
from anygate.manifests.sequences import NonEmpty
from anygate.manifests.violations import Violations

Method = Literal["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PURGE", "PUT", "TRACE"]
STREAM_PLUGINS = frozenset(("ip-restriction", "limit-conn", "mqtt-proxy", "prometheus", "syslog", "traffic-split"))


class RouteMatch(Node):
    """Conditions that must all hold."""

    paths: NonEmpty[Path]
    hosts: Many[Host] = ()
    methods: Many[Method] = ()
    remote_addrs: Many[Network] = ()
    exprs: Many[Expression] = ()
    # Lua, which runs in nothing but APISIX itself.
    filter_func: str = Field(default="", alias="filter_func")


@dataclass(frozen=True)
class Overrides:
    """What an Ingress says about its Services; empty and None leave it as it is."""

    namespace: str = ""
    scheme: Literal["http", "https", "grpc", "grpcs"] | None = None
    retries: int | None = None


class StreamBackend(Node):
    """A Service of the same namespace, and a port of it by number or name."""

    @property
    def overrides(self) -> Overrides:
        """What is said elsewhere about the Service."""
        return Overrides()

    service_name: ObjectName
    service_port: IntOrString
    resolve_granularity: Literal["endpoint", "service"] = "endpoint"
    subset: str = ""


class RouteBackend(StreamBackend):
    """A Service and its share of the requests."""

    weight: Weight = 100


class UpstreamReference(Node):
    """An ApisixUpstream of the same namespace and its share of the requests."""

    name: ObjectName
    weight: Weight = 100


class HttpRule(Node):
    """What one HTTP route matches, which plugins it runs, and where it goes."""

    name: str = Field(min_length=1)
    priority: int = 0
    match: RouteMatch
    backends: Many[RouteBackend] = ()
    upstreams: Many[UpstreamReference] = ()
    timeout: Timeouts | None = None
    websocket: bool = False
    plugin_config_name: ObjectName | None = Field(default=None, alias="plugin_config_name")
    plugin_config_namespace: Namespace | None = Field(default=None, alias="plugin_config_namespace")
    plugins: Many[Plugin] = ()
    authentication: Authentication | None = None

    @model_validator(mode="after")
    def _check_rule(self) -> Self:
        found = Violations()
        seen = set()
        for index, backend in enumerate(self.backends):
            key = (backend.service_name, backend.service_port)
            if key in seen:
                text = "the same Service and port is listed twice"
                found.add(text, "backends", index, code="duplicate")
            seen.add(key)
        found.refuse()
        return self


class StreamMatch(Node):
    """A port of the proxy, and the server name that TLS clients ask for."""

    ingress_port: int = Field(ge=0, le=65535)
    host: Host | None = None


class StreamRule(Node):
    """Connections or datagrams of one port to one Service."""

    name: str = Field(min_length=1)
    protocol: Literal["TCP", "UDP"]
    match: StreamMatch
    backend: StreamBackend
    plugins: Many[Plugin] = ()

    @model_validator(mode="after")
    def _check_rule(self) -> Self:
        found = Violations()
        refuse_names(found, self.plugins, STREAM_PLUGINS, "streams")
        found.refuse()
        return self


class ApisixRouteSpec(Node):
    """The rules of both kinds."""

    ingress_class_name: str = ""
    http: Many[HttpRule] = ()
    stream: Many[StreamRule] = ()

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        found = Violations()
        seen: set[str] = set()
        _check_names(found, "http", (rule.name for rule in self.http), seen)
        _check_names(found, "stream", (rule.name for rule in self.stream), seen)
        found.refuse()
        return self


def _check_names(found: Violations, field: str, names: Iterable[str], seen: set[str]) -> None:
    for index, name in enumerate(names):
        if name in seen:
            text = "rule names must be unique over http and stream"
            found.add(text, field, index, "name", code="duplicate", value=name)
        seen.add(name)


class ApisixRoute(Kind):
    """Routes HTTP requests and streams."""

    GROUP: ClassVar[str] = APISIX_GROUP
    KIND: ClassVar[str] = "ApisixRoute"

    spec: ApisixRouteSpec
