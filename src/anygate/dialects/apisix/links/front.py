"""What one host and its backends are made of, and the objects that they become."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from anygate.dialects.apisix.links.entry import Entry
from anygate.dialects.apisix.links.secrets import Credential
from anygate.dialects.apisix.links.stack import Config, ExtraHost, Options, Stack, TlsSecret

API_VERSION = "apisix.apache.org/v2"
_CLASS_ANNOTATION = "k8s.apisix.apache.org/ingress-class"
_LABELS = "app.kubernetes.io/"
MANAGED_BY = (f"{_LABELS}managed-by", "anygate")
"""The label by which an object is known to be ours, wherever it went."""


@dataclass(frozen=True, slots=True)
class Node:
    """A host that requests go to; without a weight it is the only one."""

    host: str
    port: int
    weight: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Front:
    """One L7 route: its hosts and paths, the nodes behind it, and the plugins in between."""

    prefix: str
    component: str
    hosts: tuple[str, ...]
    nodes: tuple[Node, ...]
    entry: Entry
    paths: tuple[str, ...] = ("/*",)
    scheme: str = "http"
    pass_host: str = ""
    timeout: dict[str, str] = field(default_factory=dict)
    websocket: bool = False
    plugins: tuple[Config, ...] = ()
    extra_hosts: tuple[ExtraHost, ...] = ()

    def list_hosts(self) -> list[str]:
        """All hosts, each once."""
        return list(dict.fromkeys([*self.hosts, *(extra.host for extra in self.extra_hosts)]))


@dataclass(frozen=True, slots=True, eq=False)
class Consumer:
    """Somebody who calls with an API key."""

    name: str
    component: str
    credential: Credential
    entry: Entry


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """A generated object, and what in the stack it comes from."""

    value: dict[str, Any]
    entry: Entry


class ObjectWriter:
    """Gives objects what all of them have: names, labels, and the class that selects them."""

    def __init__(self, stack: Stack, options: Options) -> None:
        self.apisix = stack.apisix
        self._stack = stack.name
        self._has_class_field = options.controller != "1.8"

    def write(
        self, kind: str, name: str, spec: dict[str, Any], component: str, entry: Entry, namespace: str = ""
    ) -> Written:
        """An object of a kind, in the namespace of APISIX unless another is given."""
        metadata = {
            "name": name,
            "namespace": namespace or self.apisix.namespace,
            "labels": {
                f"{_LABELS}name": "apisix",
                f"{_LABELS}instance": self.apisix.name,
                f"{_LABELS}component": component,
                f"{_LABELS}part-of": self._stack,
                MANAGED_BY[0]: MANAGED_BY[1],
            },
            "annotations": {_CLASS_ANNOTATION: self.apisix.ingress_class},
        }
        selected = {"ingressClassName": self.apisix.ingress_class} if self._has_class_field else {}
        value = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": {**selected, **spec}}
        return Written(value, entry)

    def write_consumer(self, consumer: Consumer) -> Written:
        """The ApisixConsumer with a key."""
        credential = consumer.credential
        if credential.secret:
            key: dict[str, Any] = {"secretRef": {"name": credential.secret}}
        else:
            key = {"value": {"key": credential.value}}
        spec = {"authParameter": {"keyAuth": key}}
        return self.write("ApisixConsumer", consumer.name, spec, consumer.component, consumer.entry)

    def write_upstream(self, front: Front) -> Written:
        """The ApisixUpstream with the nodes of a route."""
        spec: dict[str, Any] = {"scheme": front.scheme} if front.scheme != "http" else {}
        if front.pass_host:
            spec["passHost"] = front.pass_host
        spec["externalNodes"] = [_write_node(node) for node in front.nodes]
        if front.timeout:
            spec["timeout"] = front.timeout
        return self.write("ApisixUpstream", f"{front.prefix}-upstream", spec, front.component, front.entry)

    def write_route(self, front: Front) -> Written:
        """The ApisixRoute."""
        rule: dict[str, Any] = {
            "name": front.prefix,
            "match": {"hosts": front.list_hosts(), "paths": list(front.paths)},
        }
        if front.websocket:
            rule["websocket"] = True
        rule["upstreams"] = [{"name": f"{front.prefix}-upstream"}]
        if front.plugins:
            rule["plugins"] = list(front.plugins)
        return self.write("ApisixRoute", f"{front.prefix}-route", {"http": [rule]}, front.component, front.entry)

    def write_tls(self, front: Front) -> Iterator[Written]:
        """The ApisixTls for the hosts of the stack's certificate, and one for each host with its own."""
        own = {extra.host for extra in front.extra_hosts if extra.secret is not None}
        hosts = [host for host in front.list_hosts() if host not in own]
        if self.apisix.tls_secret is not None and hosts:
            yield self._write_tls(front, f"{front.prefix}-tls", hosts, self.apisix.tls_secret)
        certified = [(extra.host, extra.secret) for extra in front.extra_hosts if extra.secret is not None]
        for number, (host, secret) in enumerate(dict(certified).items(), 1):
            yield self._write_tls(front, f"{front.prefix}-tls-{number}", [host], secret)

    def _write_tls(self, front: Front, name: str, hosts: Sequence[str], secret: TlsSecret) -> Written:
        spec = {"hosts": list(hosts), "secret": {"name": secret.name, "namespace": secret.namespace}}
        return self.write("ApisixTls", name, spec, front.component, front.entry)


def _write_node(node: Node) -> dict[str, Any]:
    written: dict[str, Any] = {"type": "Domain", "name": node.host, "port": node.port}
    return written if node.weight is None else {**written, "weight": node.weight}


def name_host(service: str, namespace: str, cluster_domain: str) -> str:
    """The DNS name of a Service."""
    return f"{service}.{namespace}.svc.{cluster_domain}"
