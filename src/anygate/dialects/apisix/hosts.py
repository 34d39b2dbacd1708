"""ApisixTls: which certificate a TLS connection gets by the server name that it asks for."""

from collections.abc import Mapping
from dataclasses import dataclass

from anygate.diagnostics import FieldPath, ObjectRef
from anygate.dialects.apisix.certificates import Certificates, read_authorities
from anygate.dialects.apisix.context import Context, Fault, origin
from anygate.dialects.apisix.findings import APPROXIMATED, CONDITION, TLS_CONFLICT
from anygate.dialects.apisix.kinds.apisixtls import ApisixTls
from anygate.dialects.apisix.pcre import refuse_pattern, search_path_pattern
from anygate.dialects.origins import origins_of
from anygate.manifests.object import Manifest
from anygate.model.origin import Origin
from anygate.model.route_table import find_domain, is_loose
from anygate.model.tls import ClientValidation, ServerTls


@dataclass(frozen=True)
class TlsHost:
    """A server name, exact or `*.suffix`, with its TLS. `open_paths` are patterns of paths with their queries that need
    no client certificate. One that is `closed` wants certificates of clients that cannot be checked, for a reason."""

    name: str
    ref: ObjectRef
    origin: Origin
    tls: ServerTls
    open_paths: tuple[str, ...] = ()
    closed: str = ""

    @property
    def asks_clients(self) -> bool:
        """Whether clients have to show a certificate."""
        return bool(self.closed) or self.tls.client_validation is not None


def read_hosts(context: Context) -> Mapping[str, TlsHost]:
    """Every server name with a certificate; of two that differ for one name the first holds.

    A name that asks clients for certificates is never left to a wider name that does not.
    """
    found: dict[str, TlsHost] = {}
    closed: list[tuple[Manifest, ApisixTls | None]] = [
        (manifest, None) for manifest in context.index.broken("ApisixTls")
    ]
    written = [*context.all(ApisixTls)]
    certificates = Certificates(context, [item.spec.secret for item in written])
    for item in written:
        certificate = certificates.find(item, item.spec.secret, ("spec", "secret"))
        if certificate is None:
            closed.append((item.manifest, item))
            continue
        made = certificate if isinstance(certificate, Fault) else _read_tls(context, item, certificate)
        if isinstance(made, Fault):
            context.refuse(item, made)
            closed.append((item.manifest, item))
            continue
        for host in made:
            other = found.setdefault(host.name, host)
            if (other.tls.certificates, _asked(other)) != (host.tls.certificates, _asked(host)):
                text = f"{other.ref} has another certificate for {host.name}, and holds"
                context.refuse_part(item, Fault(TLS_CONFLICT, text, ("spec", "hosts")))
    certificates_known = [host.tls.certificates for host in found.values()]
    for manifest, refused in closed:
        for name in _list_guarded(manifest, refused):
            owner = find_host(found, name)
            shown = owner.tls.certificates if owner is not None else next(iter(certificates_known), ())
            if shown:
                found[name] = _close(manifest, name, shown)
    return found


def _list_guarded(manifest: Manifest, item: ApisixTls | None) -> list[str]:
    """The names of an object that cannot be had, if it asks clients for certificates, or may do so."""
    if item is not None:
        return list(item.spec.hosts) if item.spec.client is not None else []
    spec = manifest.value.get("spec")
    hosts = spec.get("hosts") if isinstance(spec, dict) and "client" in spec else None
    return [one.lower() for one in hosts if isinstance(one, str)] if isinstance(hosts, list) else []


def _close(manifest: Manifest, name: str, certificates: tuple[str, ...]) -> TlsHost:
    """A name whose requests are all refused, over the certificate that they would otherwise have met."""
    here = origins_of(manifest).at(("spec", "hosts"))
    tls = ServerTls(origin=here, certificates=certificates)
    return TlsHost(name, manifest.ref, here, tls, closed=f"{manifest.ref} cannot be had as written")


def find_host(hosts: Mapping[str, TlsHost], name: str) -> TlsHost | None:
    """What a server name, or a pattern of them, gets: an exact name comes before a wildcard."""
    if name in hosts:
        return hosts[name]
    domain = find_domain(hosts, name)  # type: ignore[arg-type]
    return hosts[domain] if domain is not None else None


def _asked(host: TlsHost) -> tuple[object, ...]:
    validation = host.tls.client_validation
    return (host.open_paths,) if validation is None else (validation.authorities, validation.depth, host.open_paths)


def _read_tls(context: Context, item: ApisixTls, certificate: str) -> list[TlsHost] | Fault:
    client = item.spec.client
    validation, open_paths = None, []
    if client is not None:
        path: FieldPath = ("spec", "client")
        authorities = read_authorities(context, client.ca_secret, (*path, "caSecret"))
        if isinstance(authorities, Fault):
            return authorities
        for index, pattern in enumerate(client.skip_mtls_uri_regex):
            problem = refuse_pattern(pattern)
            if problem:
                text = f"the regular expression {pattern!r} cannot be used: {problem}"
                return Fault(CONDITION, text, (*path, "skip_mtls_uri_regex", index))
            open_paths.append(search_path_pattern(pattern))
        validation = ClientValidation(
            origin=origin(item, path), authorities=authorities, required=not open_paths, depth=client.depth
        )
    tls = ServerTls(origin=origin(item, ("spec",)), certificates=(certificate,), client_validation=validation)
    found = []
    for index, host in enumerate(item.spec.hosts):
        place = origin(item, ("spec", "hosts", index))
        names: tuple[str, ...] = (host,)
        if is_loose(host):
            names = (host[1:], f"*.{host[1:]}")
            text = f"names like any{host[1:]} get no certificate: Envoy's wildcards are whole labels"
            context.note(APPROXIMATED, text, item, ("spec", "hosts", index))
        found += [TlsHost(name, item.ref, place, tls, tuple(open_paths)) for name in names]
    return found
