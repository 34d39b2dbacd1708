"""Certificates that Envoy would refuse are refused with the manifest's line instead."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from anygate.compiler import compile_sources
from anygate.diagnostics import SourceFile

NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "web")])
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def manifests(key: Any) -> str:
    certificate = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    chain = certificate.public_bytes(Encoding.PEM).decode().replace("\n", "\n    ")
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode().replace("\n", "\n    ")
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: web}}
spec:
  gatewayClassName: envoy
  listeners:
  - {{name: https, port: 443, protocol: HTTPS, tls: {{certificateRefs: [{{name: web}}]}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: web}}
stringData:
  tls.crt: |
    {chain}
  tls.key: |
    {private}
"""


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (rsa.generate_private_key(65537, 1024), "an RSA key of 1024 bits"),
        (ec.generate_private_key(ec.SECP224R1()), "a key on the curve secp224r1"),
    ],
)
def test_keys_that_envoy_does_not_load(key: Any, why: str) -> None:
    result = compile_sources([SourceFile("web.yaml", manifests(key))])
    found = [one for one in result.diagnostics if one.rule == "certificate-invalid"]
    assert [why in one.message for one in found] == [True]
    assert not result.model.gateways


@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())])
def test_keys_that_envoy_loads(key: Any) -> None:
    result = compile_sources([SourceFile("web.yaml", manifests(key))])
    assert result.diagnostics == ()
    assert result.model.gateways
