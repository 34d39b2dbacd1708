"""Certificates made for one test run, and the objects that hold them."""

import ssl
import tempfile
from base64 import b64encode
from functools import cache

import trustme


@cache
def authority(name: str = "own") -> trustme.CA:
    return trustme.CA(organization_name=f"authority {name}", key_type=trustme.KeyType.ECDSA)


@cache
def leaf(*names: str, ca: str = "own") -> trustme.LeafCert:
    return authority(ca).issue_cert(*names, key_type=trustme.KeyType.ECDSA)


def tls_secret(name: str, *hostnames: str, ca: str = "own") -> str:
    cert = leaf(*hostnames, ca=ca)
    chain = b"".join(blob.bytes() for blob in cert.cert_chain_pems)
    return f"""
    apiVersion: v1
    kind: Secret
    metadata: {{name: {name}}}
    type: kubernetes.io/tls
    data: {{tls.crt: {_encode(chain)}, tls.key: {_encode(cert.private_key_pem.bytes())}}}
    """


def ca_config_map(name: str, ca: str = "own") -> str:
    return f"""
    apiVersion: v1
    kind: ConfigMap
    metadata: {{name: {name}}}
    binaryData: {{ca.crt: {_encode(authority(ca).cert_pem.bytes())}}}
    """


def client_context(ca: str = "own", present: trustme.LeafCert | None = None) -> ssl.SSLContext:
    """How a client checks servers, and the certificate that it presents itself."""
    context = ssl.create_default_context()
    authority(ca).configure_trust(context)
    if present is not None:
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(present.private_key_and_cert_chain_pem.bytes())
            file.flush()
            context.load_cert_chain(file.name)
    return context


def server_context(*hostnames: str, ca: str = "own") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf(*hostnames, ca=ca).configure_cert(context)
    return context


def _encode(content: bytes) -> str:
    return b64encode(content).decode()
