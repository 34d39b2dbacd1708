"""Connections to a provider through an HTTP proxy, which is asked to CONNECT them."""

from typing import Any

import msgspec

from anygate.envoy.api import typed
from anygate.envoy.endpoints import is_address
from anygate.envoy.refusal import CannotBuild
from anygate.model.backend import Backend, Endpoint
from anygate.model.inference import Provider

_HTTP_11_PROXY = "envoy.extensions.transport_sockets.http_11_proxy.v3.Http11ProxyUpstreamTransport"
_LAST_PORT = 65_535
_ANYWHERE = "127.0.0.1"


def build_forward_proxy(provider: Provider, inner: dict[str, Any] | None) -> dict[str, Any]:
    """Build the transport socket that goes through the proxy; `inner` is that of the connection itself, TLS."""
    if inner is None:
        raise CannotBuild(provider.origin, "a provider without TLS cannot be reached through a forward proxy")
    host, port = _address(provider)
    proxy = {"socket_address": {"address": host, "port_value": port}}
    config = typed(_HTTP_11_PROXY, transport_socket=inner, default_proxy_address=proxy)
    return {"name": "envoy.transport_sockets.http_11_proxy", "typed_config": config}


def without_lookup(backend: Backend) -> Backend:
    """A backend whose names are left for its proxy to resolve: they may be nobody's here.

    Tried on Envoy 1.40: the proxy is asked for the endpoint's hostname, and its address is not used.
    """
    provider = backend.provider
    if provider is None or not provider.forward_proxy:
        return backend
    groups = tuple(
        msgspec.structs.replace(group, endpoints=tuple(_unresolved(endpoint) for endpoint in group.endpoints))
        for group in backend.groups
    )
    return msgspec.structs.replace(backend, groups=groups)


def _unresolved(endpoint: Endpoint) -> Endpoint:
    if endpoint.unix or is_address(endpoint.host):
        return endpoint
    return msgspec.structs.replace(endpoint, host=_ANYWHERE, hostname=endpoint.hostname or endpoint.host)


def _address(provider: Provider) -> tuple[str, int]:
    """The proxy's address and port; Envoy resolves no names here."""
    host, _, port = provider.forward_proxy.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not is_address(host) or not (port.isascii() and port.isdigit() and 0 < int(port) <= _LAST_PORT):
        raise CannotBuild(provider.origin, f"the forward proxy {provider.forward_proxy!r} is no IP address with a port")
    return host, int(port)
