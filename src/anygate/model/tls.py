"""Certificates and how both sides prove who they are. Key material is `Sensitive` and never rendered."""

from typing import Literal

from anygate.manifests.sensitive import Sensitive
from anygate.model.origin import Node, Origin


class Certificate(Node, frozen=True):
    """A server or client certificate with its private key, both PEM."""

    origin: Origin
    name: str
    chain: Sensitive
    key: Sensitive


class Authorities(Node, frozen=True):
    """Certificates (PEM) that sign peers we trust, and certificate revocation lists (PEM)."""

    origin: Origin
    name: str
    bundle: Sensitive
    crl: Sensitive | None = None


class CertificateFiles(Node, frozen=True):
    """A certificate and its key in PEM files where Envoy runs, which reads them again when they are replaced."""

    origin: Origin
    name: str
    chain_path: str
    key_path: str


class AuthoritiesFile(Node, frozen=True):
    """The certificates of authorities in a PEM file where Envoy runs, which reads it again when it is replaced."""

    origin: Origin
    name: str
    path: str


class SocketSecret(Node, frozen=True):
    """A certificate or authorities that an SDS server of the user's, at the Unix socket `socket`, calls `secret`. Envoy
    asks it by itself; neither file nor text of it is ever known here."""

    origin: Origin
    name: str
    secret: str
    socket: str


class Opaque(Node, frozen=True):
    """Any other secret: a password file, an API key, a client secret."""

    origin: Origin
    name: str
    value: Sensitive


Secret = Certificate | Authorities | CertificateFiles | AuthoritiesFile | SocketSecret | Opaque
"""What Envoy receives over SDS; referred to by name everywhere else."""


class NameMatch(Node, frozen=True):
    """A subject alternative name that the peer's certificate must carry."""

    kind: Literal["dns", "uri", "email", "ip", "other"]
    value: str
    match: Literal["exact", "prefix", "suffix", "regex", "contains"] = "exact"


class TlsParameters(Node, frozen=True):
    """Versions (`1.0` to `1.3`; empty: the default, 1.2 to 1.3), ciphers, curves, signatures; empty: Envoy's."""

    min_version: str = ""
    max_version: str = ""
    ciphers: tuple[str, ...] = ()
    curves: tuple[str, ...] = ()
    signature_algorithms: tuple[str, ...] = ()


class ClientValidation(Node, frozen=True):
    """What is asked of clients. `required` refuses those without a certificate; `accept_untrusted` lets any
    certificate through (Gateway API's `AllowInsecureFallback`). `depth` bounds the certificates between the client's
    own and the authority."""

    origin: Origin
    authorities: str = ""
    required: bool = True
    accept_untrusted: bool = False
    spki_hashes: tuple[str, ...] = ()
    certificate_hashes: tuple[str, ...] = ()
    names: tuple[NameMatch, ...] = ()
    depth: int | None = None


class ServerTls(Node, frozen=True):
    """TLS on a listening port; `certificates` name `Certificate`s of the model, `None` ALPN is Envoy's default."""

    origin: Origin
    certificates: tuple[str, ...]
    parameters: TlsParameters = TlsParameters()
    alpn: tuple[str, ...] | None = None
    client_validation: ClientValidation | None = None
    stateless_resumption: bool = False
    stateful_resumption: bool = False


class ClientTls(Node, frozen=True):
    """TLS to a backend. `authorities` names an `Authorities`; `system_authorities` trusts the machine's own.
    With neither, nothing is verified, which only an explicit `insecureSkipVerify` may ask for."""

    origin: Origin
    sni: str = ""
    auto_sni: bool = False
    authorities: str = ""
    system_authorities: bool = False
    insecure: bool = False
    names: tuple[NameMatch, ...] = ()
    certificate: str = ""
    parameters: TlsParameters = TlsParameters()
    alpn: tuple[str, ...] = ()
