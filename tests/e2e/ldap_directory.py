"""A real directory: OpenLDAP's slapd, on a port of its own, for as long as it is needed."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent
from time import monotonic

import trustme

DEADLINE = 20.0
BASE_DN = "ou=people,dc=example,dc=com"
_SLAPD = "/usr/sbin/slapd"

_SETTINGS = """
    include /etc/ldap/schema/core.schema
    include /etc/ldap/schema/cosine.schema
    include /etc/ldap/schema/inetorgperson.schema
    modulepath /usr/lib/ldap
    moduleload back_mdb
    TLSCertificateFile {folder}/server.pem
    TLSCertificateKeyFile {folder}/server.key
    pidfile {folder}/slapd.pid
    allow bind_anon_dn
    database mdb
    suffix dc=example,dc=com
    directory {folder}/data
"""
_ENTRIES = """
    dn: dc=example,dc=com
    objectClass: domain
    dc: example

    dn: ou=people,dc=example,dc=com
    objectClass: organizationalUnit
    ou: people
"""
_ENTRY = """
    dn: cn={written},ou=people,dc=example,dc=com
    objectClass: inetOrgPerson
    cn: {name}
    sn: {name}
    userPassword: {password}
"""


@dataclass(frozen=True)
class Directory:
    """Where it listens, and the certificates of the authority that vouches for it."""

    port: int
    tls_port: int
    authority: bytes


@contextmanager
def directory(**passwords: str) -> Iterator[Directory]:
    """Run one with a user for each password; `_` in a name stands for a comma, which a DN has to escape."""
    with TemporaryDirectory(prefix="anygate-ldap-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        authority = trustme.CA()
        issued = authority.issue_cert("localhost", "127.0.0.1")
        issued.private_key_pem.write_to_path(folder / "server.key")
        (folder / "server.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        settings = folder / "slapd.conf"
        settings.write_text(dedent(_SETTINGS).format(folder=folder))
        entries = [dedent(_ENTRIES)]
        for user, password in passwords.items():
            named = user.replace("_", ",")
            entries.append(dedent(_ENTRY).format(written=named.replace(",", "\\,"), name=named, password=password))
        command = [_SLAPD, "-T", "add", "-q", "-f", str(settings)]
        subprocess.run(command, input="".join(entries).encode(), check=True, capture_output=True)
        found = Directory(*_free_ports(2), authority.cert_pem.bytes())
        addresses = f"ldap://127.0.0.1:{found.port} ldaps://127.0.0.1:{found.tls_port}"
        # Without a debug level it would leave for the background.
        command = [_SLAPD, "-d", "0", "-h", addresses, "-f", str(settings)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _await_port(found.tls_port, process)
            yield found
        finally:
            process.terminate()
            process.wait(DEADLINE)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    end = monotonic() + DEADLINE
    while monotonic() < end:
        assert process.poll() is None, "slapd has ended"
        try:
            socket.create_connection(("127.0.0.1", port), 0.1).close()
        except OSError:
            continue
        return
    raise AssertionError("slapd does not listen")
