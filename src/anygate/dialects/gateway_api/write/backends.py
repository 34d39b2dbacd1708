"""Backends as Services that the cluster has, or as Envoy Gateway's Backends where a Service cannot say it."""

import re
from typing import Any

import msgspec

from anygate.dialects.gateway_api.write.findings import REWRITE, SECURITY, SETTING
from anygate.dialects.gateway_api.write.objects import ENVOY_GATEWAY
from anygate.dialects.gateway_api.write.words import given
from anygate.dialects.gateway_api.write.writing import Writing, namespace_of
from anygate.model.backend import Backend, Endpoint, EndpointGroup
from anygate.model.tls import ClientTls, NameMatch, TlsParameters

_GROUP = ENVOY_GATEWAY.partition("/")[0]
_SERVICE = re.compile(r"(?P<name>[a-z]([-a-z0-9]*[a-z0-9])?)\.(?P<namespace>[a-z0-9]([-a-z0-9]*[a-z0-9])?)\.svc(\..*)?")
HOST = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
"""A name of a host, without a port."""

_PROTOCOLS = {"http2": "kubernetes.io/h2c"}
_PROTOCOL_NAMES = ("http/1.0", "http/1.1", "h2")
_MOST_NAMES = 5


class Backends:
    """Writes what references lead to, each once."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._written: dict[tuple[object, ...], dict[str, Any]] = {}
        self._policies: dict[tuple[str, str, str], ClientTls | None] = {}

    def refer(self, name: str, kind: str, namespace: str, certificate: str = "") -> dict[str, Any]:
        """A reference to a backend of the model, made by an object of `kind` in `namespace`.

        `certificate` is what the Gateway shows to all backends anyway.
        """
        backend = self._writing.backends[name]
        service = self._find_service(backend, certificate)
        made = self._write_backend(backend) if service is None else self._write_service(backend, *service)
        self._writing.allow(kind, namespace, made.get("kind", "Service"), made["namespace"], made["name"])
        return {key: value for key, value in made.items() if (key, value) != ("namespace", namespace)}

    def refer_as_backend(self, name: str, kind: str, namespace: str) -> dict[str, Any]:
        """The same, always to a Backend: what is a Service is reached by its name."""
        backend = self._writing.backends[name]
        if backend.namespace and backend.port and (backend.origin.kind == "Service" or not _has_endpoints(backend)):
            host = f"{backend.service}.{backend.namespace}.svc.cluster.local"
            groups = (EndpointGroup(endpoints=(Endpoint(host=host, port=backend.port),)),)
            backend = msgspec.structs.replace(backend, groups=groups)
        made = self._write_backend(backend)
        self._writing.allow(kind, namespace, "Backend", made["namespace"], made["name"])
        return {key: value for key, value in made.items() if (key, value) != ("namespace", namespace)}

    def _find_service(self, backend: Backend, certificate: str) -> tuple[str, str, int] | None:
        """Namespace, name and port of the Service that a backend is, if a Service can say it all."""
        tls = backend.tls
        if backend.dynamic or (tls is not None and not _fits_policy(tls, certificate)):
            return None
        if backend.origin.kind == "Service":
            return backend.namespace or namespace_of(backend.origin), backend.service, backend.port
        endpoints = [one for group in backend.groups for one in group.endpoints]
        if not endpoints and backend.namespace and backend.port:
            # It is not among the manifests, and may well be in the cluster.
            return backend.namespace, backend.service, backend.port
        found = _SERVICE.fullmatch(endpoints[0].host) if len(endpoints) == 1 else None
        if found is None or not endpoints[0].port:
            return None
        return found["namespace"], found["name"], endpoints[0].port

    def _write_service(self, backend: Backend, namespace: str, name: str, port: int) -> dict[str, Any]:
        objects = self._writing.objects
        websocket = "kubernetes.io/ws" if backend.websocket else None
        entry = given(name=f"port-{port}", port=port, app_protocol=_PROTOCOLS.get(backend.protocol, websocket))
        if backend.protocol == "udp":
            entry["protocol"] = "UDP"
        document = objects.find("Service", namespace, name)
        if document is None:
            body = {"spec": {"ports": [entry]}}
            document = objects.add("Service", namespace, name, body, [backend.origin], exists=True)
        ports: list[dict[str, Any]] = document.body["spec"]["ports"]
        known = next(
            (one for one in ports if (one["port"], one.get("protocol")) == (port, entry.get("protocol"))), None
        )
        if known is None:
            ports.append(entry if "protocol" not in entry else {**entry, "name": f"port-{port}-udp"})
        elif "appProtocol" in entry:
            known["appProtocol"] = entry["appProtocol"]
        if "appProtocol" in entry:
            text = f"needs appProtocol: {entry['appProtocol']} at port {port}"
            objects.leave(f"Service/{namespace}/{name}", text, backend.origin)
        self._write_policy(backend, "", "Service", namespace, name)
        return {"name": name, "namespace": namespace, "port": port}

    def _write_policy(self, backend: Backend, group: str, kind: str, namespace: str, name: str) -> None:
        """A BackendTLSPolicy; it holds for all ports of its target."""
        key = (kind, namespace, name)
        if key in self._policies:
            if self._policies[key] != backend.tls:
                text = f"{kind} {namespace}/{name} speaks TLS in two ways; the first one found holds for all its ports"
                self._writing.losses.add(SECURITY, backend.origin, text)
            return
        tls = self._policies[key] = backend.tls
        if tls is None:
            return
        names = _alternatives(tls.names)
        if len(names) > _MOST_NAMES:
            text = f"a BackendTLSPolicy takes {_MOST_NAMES} names, and {len(names)} are asked for"
            self._writing.losses.add(SECURITY, tls.origin, text)
        trust: dict[str, Any] = {"wellKnownCACertificates": "System"}
        if tls.authorities:
            trust = {"caCertificateRefs": [self._writing.authorities(tls.authorities, "BackendTLSPolicy", namespace)]}
        plain = [{"type": "Hostname", "hostname": tls.sni}]
        validation = {
            "hostname": tls.sni,
            **trust,
            **({"subjectAltNames": names[:_MOST_NAMES]} if names != plain else {}),
        }
        body = {"spec": {"targetRefs": [{"group": group, "kind": kind, "name": name}], "validation": validation}}
        self._writing.objects.add("BackendTLSPolicy", namespace, name, body, [tls.origin])

    def _write_backend(self, backend: Backend) -> dict[str, Any]:
        namespace = backend.namespace or namespace_of(backend.origin)
        spec, tls = self._write_spec(backend, namespace)
        key = (namespace, repr(spec), tls)
        known = self._written.get(key)
        if known is not None:
            return known
        base = backend.service if backend.origin.kind == "Backend" else f"{backend.service}-{backend.port}"
        document = self._writing.objects.add("Backend", namespace, base, {"spec": spec}, [backend.origin])
        if tls is not None:
            self._write_policy(backend, _GROUP, "Backend", namespace, document.name)
        made = {"group": _GROUP, "kind": "Backend", "name": document.name, "namespace": namespace}
        self._written[key] = made
        return made

    def _write_spec(self, backend: Backend, namespace: str) -> tuple[dict[str, Any], ClientTls | None]:
        """The Backend, and the TLS that a policy of its own has to carry."""
        if backend.dynamic:
            spec: dict[str, Any] = {"type": "DynamicResolver"}
        else:
            endpoints = [(one, group.zone) for group in backend.groups for one in group.endpoints]
            if not endpoints:
                text = f"{backend.name} has no endpoints, which a Backend cannot say; it gets one that never answers"
                self._writing.losses.add(SETTING, backend.origin, text)
            for one, _ in endpoints:
                if one.hostname and one.hostname != one.host and not HOST.fullmatch(one.hostname):
                    text = f"the backend is no longer shown as {one.hostname}, which is no host name alone"
                    self._writing.losses.add(REWRITE, backend.origin, text)
            listed = [_write_endpoint(one, zone) for one, zone in endpoints]
            spec = {"endpoints": listed or [{"fqdn": {"hostname": "nowhere.invalid", "port": backend.port or 80}}]}
        protocols = ["gateway.envoyproxy.io/h2c"] if backend.protocol == "http2" else []
        protocols += ["gateway.envoyproxy.io/ws"] if backend.websocket else []
        if protocols:
            spec["appProtocols"] = protocols
        if backend.fallback:
            spec["fallback"] = True
        tls = backend.tls
        if tls is None or _fits_policy(tls, ""):
            return spec, tls
        # A Backend with TLS is offered HTTP/2 unless it says otherwise.
        offered = tls.alpn or (("http/1.1",) if backend.protocol == "http1" else ())
        return {**spec, "tls": self._write_tls(tls, namespace, offered)}, None

    def _write_tls(self, tls: ClientTls, namespace: str, offered: tuple[str, ...]) -> dict[str, Any]:
        own = (NameMatch(kind="dns", value=tls.sni),) if tls.sni and not tls.insecure else ()
        if _alternatives(tls.names) != _alternatives(own):
            text = (
                "the names that the backend's certificate must carry cannot be named beside what else is asked of TLS"
            )
            self._writing.losses.add(SECURITY, tls.origin, text)
        strange = [one for one in offered if one not in _PROTOCOL_NAMES]
        if strange:
            text = f"the protocol {strange[0]} is no longer offered to the backend"
            self._writing.losses.add(SETTING, tls.origin, text)
        trust: dict[str, Any] = {}
        if tls.insecure:
            trust = {"insecureSkipVerify": True}
        elif tls.authorities:
            trust = {"caCertificateRefs": [self._writing.authorities(tls.authorities, "Backend", namespace)]}
        else:
            trust = {"wellKnownCACertificates": "System"}
        certificate = self._writing.secret(tls.certificate, "Backend", namespace) if tls.certificate else None
        return {
            **trust,
            **given(
                sni=None if tls.auto_sni else tls.sni or None,
                client_certificate_ref=certificate,
                alpn_protocols=[one for one in offered if one in _PROTOCOL_NAMES] or None,
            ),
            **write_parameters(tls.parameters),
        }


def _has_endpoints(backend: Backend) -> bool:
    return any(group.endpoints for group in backend.groups)


def write_parameters(found: TlsParameters) -> dict[str, Any]:
    """Versions, ciphers, curves and signature algorithms."""
    return given(
        min_version=found.min_version or None,
        max_version=found.max_version or None,
        ciphers=list(found.ciphers) or None,
        ecdh_curves=list(found.curves) or None,
        signature_algorithms=list(found.signature_algorithms) or None,
    )


def _fits_policy(tls: ClientTls, certificate: str) -> bool:
    """Whether a BackendTLSPolicy can say it all."""
    return (
        bool(tls.sni)
        and not tls.insecure
        and not tls.auto_sni
        and bool(tls.authorities or tls.system_authorities)
        and tls.certificate in ("", certificate)
        and tls.parameters == TlsParameters()
        and not tls.alpn
        and bool(_alternatives(tls.names))
    )


def _alternatives(names: tuple[NameMatch, ...]) -> list[dict[str, str]]:
    """Names as a BackendTLSPolicy writes them: a URI where it looks like one, else a host name."""
    found: list[dict[str, str]] = []
    for one in names:
        is_uri = "://" in one.value
        if (one.kind == "uri") != is_uri or one.kind not in ("dns", "uri"):
            # Somebody who does not know of which kind a name is asks for both.
            continue
        value = f"*{one.value}" if one.match == "suffix" and one.value.startswith(".") else one.value
        entry = {"type": "URI", "uri": value} if is_uri else {"type": "Hostname", "hostname": value}
        if entry not in found:
            found.append(entry)
    return found


def _write_endpoint(found: Endpoint, zone: str) -> dict[str, Any]:
    if found.hostname and not HOST.fullmatch(found.hostname):
        found = msgspec.structs.replace(found, hostname="")
    if found.unix:
        return given(unix={"path": found.unix}, hostname=found.hostname or None, zone=zone or None)
    if re.fullmatch(r"[0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*", found.host):
        address = {"address": found.host, "port": found.port}
        return given(ip=address, hostname=found.hostname or None, zone=zone or None)
    name = found.hostname if found.hostname != found.host else ""
    return given(fqdn={"hostname": found.host, "port": found.port}, hostname=name or None, zone=zone or None)
