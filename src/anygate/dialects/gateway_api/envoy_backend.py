"""Envoy Gateway's Backend: endpoints by name, address or Unix socket."""

import msgspec

from anygate.dialects.gateway_api.certificates import read_authorities, read_certificate
from anygate.dialects.gateway_api.context import Context, Fault, origin
from anygate.dialects.gateway_api.kinds.envoy_gateway import backend as kinds
from anygate.dialects.gateway_api.kinds.envoy_gateway.backend import BackendEndpoint, BackendTLSSettings
from anygate.dialects.gateway_api.tls_parameters import read_parameters
from anygate.model.backend import Backend, Endpoint, EndpointGroup
from anygate.model.tls import ClientTls, NameMatch


def read_envoy_backend(
    context: Context, item: kinds.Backend, name: str, protocol: str, policy: ClientTls | None
) -> Backend | Fault:
    """Read a Backend. `protocol` overrides its own; `policy` is the BackendTLSPolicy that targets it, if any."""
    spec = item.spec
    tls = policy
    if tls is None and spec.tls is not None:
        found = _read_tls(context, item, spec.tls)
        if isinstance(found, Fault):
            return found
        tls = found
    endpoints = tuple(_read_endpoint(one) for one in spec.endpoints or ())
    spoken = "http2" if "gateway.envoyproxy.io/h2c" in spec.app_protocols else "http1"
    if tls is not None and spoken == "http1" and not protocol:
        if tls.alpn == ("http/1.1",):
            # What is offered to a backend that speaks nothing else, anyway.
            tls = msgspec.structs.replace(tls, alpn=())
        else:
            spoken = "auto"
    return Backend(
        origin=origin(item.manifest),
        name=name,
        service=item.name,
        namespace=item.namespace,
        port=next((one.port for one in endpoints), 0),
        protocol=protocol or spoken,  # type: ignore[arg-type]
        websocket=any(one.endswith(("/ws", "/wss")) for one in spec.app_protocols),
        groups=_by_zone(spec.endpoints or (), endpoints),
        tls=tls,
        dynamic=spec.type == "DynamicResolver",
        fallback=bool(spec.fallback),
    )


def _by_zone(written: tuple[BackendEndpoint, ...], endpoints: tuple[Endpoint, ...]) -> tuple[EndpointGroup, ...]:
    zones: dict[str, list[Endpoint]] = {}
    for one, endpoint in zip(written, endpoints, strict=True):
        zones.setdefault(one.zone or "", []).append(endpoint)
    return tuple(
        EndpointGroup(endpoints=tuple(found), zone=zone, weight=len(found)) for zone, found in sorted(zones.items())
    )


def _read_endpoint(found: BackendEndpoint) -> Endpoint:
    if found.fqdn is not None:
        host = found.fqdn.hostname
        return Endpoint(host=host, port=found.fqdn.port, hostname=found.hostname or host)
    if found.ip is not None:
        return Endpoint(host=found.ip.address, port=found.ip.port, hostname=found.hostname or "")
    assert found.unix is not None
    return Endpoint(unix=found.unix.path, hostname=found.hostname or "")


def _read_tls(context: Context, item: kinds.Backend, found: BackendTLSSettings) -> ClientTls | Fault:
    ref, path = item.manifest.ref, ("spec", "tls")
    name, faults = read_authorities(context, found.ca_certificate_refs, ref, f"Backend/{ref.namespace}/{ref.name}")
    if faults:
        return faults[0][1]
    certificate = ""
    if found.client_certificate_ref is not None:
        held = read_certificate(context, found.client_certificate_ref, ref)
        if isinstance(held, Fault):
            return held
        certificate = held
    system = found.well_known_ca_certificates == "System"
    trusting = bool(name) or system
    return ClientTls(
        origin=origin(item.manifest, path),
        sni=found.sni or "",
        auto_sni=not found.sni,
        authorities=name,
        # Without a word about trust the machine's own authorities are asked: never nothing by accident.
        system_authorities=system or (not trusting and not found.insecure_skip_verify),
        insecure=found.insecure_skip_verify,
        names=(NameMatch(kind="dns", value=found.sni),) if found.sni and not found.insecure_skip_verify else (),
        certificate=certificate,
        parameters=read_parameters(found),
        alpn=tuple(found.alpn_protocols or ()),
    )
