"""The objects that are written: each once, under a name of its own, with the places that it comes from."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from anygate.diagnostics import ObjectRef
from anygate.model.origin import Origin

GATEWAY_API = "gateway.networking.k8s.io/v1"
ENVOY_GATEWAY = "gateway.envoyproxy.io/v1alpha1"
AI_GATEWAY = "aigateway.envoyproxy.io/v1beta1"
_LONGEST = 63
_VERSIONS = {
    "TCPRoute": "gateway.networking.k8s.io/v1alpha2",
    "UDPRoute": "gateway.networking.k8s.io/v1alpha2",
    "TLSRoute": "gateway.networking.k8s.io/v1alpha2",
    "ReferenceGrant": "gateway.networking.k8s.io/v1beta1",
    "Service": "v1",
    "ConfigMap": "v1",
    "Backend": ENVOY_GATEWAY,
    "BackendTrafficPolicy": ENVOY_GATEWAY,
    "ClientTrafficPolicy": ENVOY_GATEWAY,
    "SecurityPolicy": ENVOY_GATEWAY,
    "HTTPRouteFilter": ENVOY_GATEWAY,
    "EnvoyExtensionPolicy": ENVOY_GATEWAY,
    "AIGatewayRoute": AI_GATEWAY,
    "AIServiceBackend": AI_GATEWAY,
    "BackendSecurityPolicy": AI_GATEWAY,
}
_SAME_NAMES = ("HTTPRoute", "AIGatewayRoute")
"""An AIGatewayRoute becomes an HTTPRoute of its name."""


@dataclass(eq=False)
class Document:
    """One object. `body` is everything beside its identity; `exists` says that the cluster is expected to have it."""

    kind: str
    namespace: str
    name: str
    body: dict[str, Any]
    sources: list[Origin] = field(default_factory=list)
    exists: bool = False

    @property
    def api_version(self) -> str:
        """Group and version."""
        return _VERSIONS.get(self.kind, GATEWAY_API)

    @property
    def ref(self) -> ObjectRef:
        """The object's identity."""
        group = self.api_version.rpartition("/")[0]
        return ObjectRef(group, self.kind, self.namespace, self.name)

    @property
    def value(self) -> dict[str, Any]:
        """The manifest."""
        metadata = {"name": self.name, **({"namespace": self.namespace} if self.namespace else {})}
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": metadata, **self.body}


class Errand(NamedTuple):
    """Something that is left to people: an object to make or to keep, and how."""

    object: str
    text: str
    origin: Origin | None = None


class Objects:
    """The documents so far, and what is left to people."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], Document] = {}
        self._errands: dict[str, Errand] = {}

    def add(
        self,
        kind: str,
        namespace: str,
        name: str,
        body: dict[str, Any],
        sources: Iterable[Origin] = (),
        *,
        exists: bool = False,
    ) -> Document:
        """Add an object; when the name is taken it gets a number."""
        made = Document(kind, namespace, self.free(kind, namespace, name), body, _distinct(sources), exists)
        self._found[kind, namespace, made.name] = made
        return made

    def find(self, kind: str, namespace: str, name: str) -> Document | None:
        """An object that is there already."""
        return self._found.get((kind, namespace, name))

    def share(
        self, kind: str, namespace: str, name: str, body: dict[str, Any], sources: Iterable[Origin] = ()
    ) -> Document:
        """An object of this kind and namespace with this body: the one that is there, or a new one."""
        for document in self._found.values():
            if (document.kind, document.namespace) == (kind, namespace) and document.body == body:
                document.sources = _distinct([*document.sources, *sources])
                return document
        return self.add(kind, namespace, name, body, sources)

    def free(self, kind: str, namespace: str, name: str) -> str:
        """The name, or with a number if it is taken."""
        base, number = clean(name), 1
        found = base
        kinds = _SAME_NAMES if kind in _SAME_NAMES else (kind,)
        while any((one, namespace, found) in self._found for one in kinds):
            number += 1
            found = f"{base[: _LONGEST - 4]}-{number}"
        return found

    def leave(self, thing: str, text: str, origin: Origin | None = None) -> None:
        """Leave something to people, once."""
        self._errands.setdefault(thing, Errand(thing, text, origin))

    @property
    def documents(self) -> tuple[Document, ...]:
        """All objects, in the order in which they were added."""
        return tuple(self._found.values())

    @property
    def errands(self) -> tuple[Errand, ...]:
        """All that is left to people."""
        return tuple(self._errands.values())


def clean(text: str) -> str:
    """A text as the name of an object: lower-case letters, digits and dashes."""
    found = re.sub(r"[^a-z0-9]+", "-", text.lower().replace("*", "any")).strip("-")
    return found[:_LONGEST].rstrip("-") or "unnamed"


def _distinct(origins: Iterable[Origin]) -> list[Origin]:
    return list(dict.fromkeys(origins))
