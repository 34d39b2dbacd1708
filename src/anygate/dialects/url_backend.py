"""The backend behind a URL that a manifest names."""

from anygate.model.backend import Backend, Endpoint, EndpointGroup
from anygate.model.origin import Origin
from anygate.model.tls import ClientTls, NameMatch
from anygate.urls import split_url


def build_url_backend(url: str, origin: Origin, *, verify: bool = True) -> Backend | None:
    """The host of an http or https URL, verified by the machine's authorities; None if it is no such URL."""
    parts = split_url(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    port = parts.port or (443 if parts.scheme == "https" else 80)
    name = f"url/{parts.hostname}/{port}"
    tls = None
    if parts.scheme == "https" and verify:
        names = (NameMatch(kind="dns", value=parts.hostname),)
        tls = ClientTls(origin=origin, sni=parts.hostname, system_authorities=True, names=names)
    elif parts.scheme == "https":
        name += "/unverified"
        tls = ClientTls(origin=origin, sni=parts.hostname, insecure=True)
    return Backend(
        origin=origin,
        name=name,
        service=parts.hostname,
        port=port,
        groups=(EndpointGroup(endpoints=(Endpoint(host=parts.hostname, port=port),)),),
        tls=tls,
    )
