"""Certificates that App Mesh has at AWS or at an SDS server, served and verified by the real Envoy without either."""

from pathlib import Path

import httpx2
import pytest
from certificates import authority, client_context, leaf, server_context, tls_secret
from running import run_manifests, served_by
from sds_server import authorities, certificate, sds_server
from test_app_mesh import GATEWAY, MESH, node, route, write_certificate
from upstreams import http_server

SETTINGS = """
apiVersion: anygate.dev/v1alpha1
kind: AppMeshSettings
metadata: {name: local}
spec: %s
"""
HOSTS = {"sni_hostname": "a.test"}


def listener(port: int, certificate: str, validation: str = "") -> str:
    more = f", validation: {validation}" if validation else ""
    return f"{{portMapping: {{port: {port}, protocol: http}}, tls: {{mode: STRICT, certificate: {certificate}{more}}}}}"


def pem_of(name: str) -> tuple[bytes, bytes]:
    made = leaf(name)
    return b"".join(blob.bytes() for blob in made.cert_chain_pems), made.private_key_pem.bytes()


def test_certificates_of_aws_come_from_files_and_secrets(tmp_path: Path) -> None:
    write_certificate(tmp_path, "a.test")
    files = f"{{certificateChain: {tmp_path}/chain.pem, privateKey: {tmp_path}/key.pem}}"
    settings = SETTINGS % f"{{acm: {{'arn:aws:files': {files}, 'arn:aws:secret': {{secretName: web}}}}}}"
    listeners = ", ".join(
        listener(port, f"{{acm: {{certificateARN: '{arn}'}}}}")
        for port, arn in ((443, "arn:aws:files"), (444, "arn:aws:secret"), (445, "arn:aws:unknown"))
    )
    named = listener(446, "{sds: {secretName: web}}")
    gateway = GATEWAY % (f"[{listeners}, {named}]", "")
    texts = (settings, MESH, tls_secret("web", "a.test"), gateway, node("red"), route("all", "{prefix: /}", "red"))
    with run_manifests(*texts, ports=(443, 444, 445, 446)) as running:
        with httpx2.Client(verify=client_context()) as client:
            for port in (443, 444, 446):
                answer = client.get(running.url(port, "https"), headers={"host": "a.test"}, extensions=HOSTS)
                assert served_by(answer) == "red"
            with pytest.raises(httpx2.HTTPError):
                client.get(running.url(445, "https"), extensions=HOSTS)
        (found,) = (one for one in running.findings if one.rule == "mesh-secret-unavailable")
        assert "arn:aws:unknown" in found.message
        assert "AppMeshSettings" in found.hint


def test_an_sds_server_delivers_what_no_secret_has(tmp_path: Path) -> None:
    socket = tmp_path / "agent.sock"
    secrets = (certificate("spiffe://shop/web", *pem_of("a.test")), authorities("spiffe://shop", ca_bundle()))
    trust = "{trust: {sds: {secretName: 'spiffe://shop'}}}"
    gateway = GATEWAY % (f"[{listener(443, '{sds: {secretName: spiffe://shop/web}}', trust)}]", "")
    settings = SETTINGS % f"{{sdsSocket: {socket}}}"
    texts = (settings, MESH, gateway, node("red"), route("all", "{prefix: /}", "red"))
    with sds_server(socket, *secrets), run_manifests(*texts, ports=(443,)) as running:
        url = running.url(443, "https")
        with httpx2.Client(verify=client_context(present=leaf("client.test"))) as client:
            assert served_by(client.get(url, extensions=HOSTS)) == "red"
        with httpx2.Client(verify=client_context()) as client, pytest.raises(httpx2.HTTPError):
            client.get(url, extensions=HOSTS)


@pytest.mark.parametrize(("signer", "status"), [("own", 200), ("other", 503)])
def test_a_node_with_a_certificate_of_aws_is_verified_though_nobody_asks(
    tmp_path: Path, signer: str, status: int
) -> None:
    (tmp_path / "authority.pem").write_bytes(ca_bundle())
    settings = SETTINGS % f"{{acm: {{'arn:aws:node': {{certificateChain: {tmp_path}/authority.pem}}}}}}"
    tls = ", tls: {mode: STRICT, certificate: {acm: {certificateARN: 'arn:aws:node'}}}"
    with http_server("secure", context=server_context("any.test", ca=signer)) as port:
        red = node("red", port, host="localhost", more=tls)
        gateway = GATEWAY % ("[{portMapping: {port: 80, protocol: http}}]", "")
        with run_manifests(settings, MESH, gateway, red, route("all", "{prefix: /}", "red"), stubs="none") as running:
            assert httpx2.get(running.url()).status_code == status


def ca_bundle() -> bytes:
    return authority("own").cert_pem.bytes()


def test_a_file_that_is_not_there_is_named_at_its_line_and_takes_down_one_listener(tmp_path: Path) -> None:
    files = f"{{file: {{certificateChain: {tmp_path}/none/chain.pem, privateKey: {tmp_path}/none/key.pem}}}}"
    plain = "{portMapping: {port: 80, protocol: http}}"
    gateway = GATEWAY % (f"[{listener(443, files)}, {plain}]", "")
    with run_manifests(MESH, gateway, node("red"), route("all", "{prefix: /}", "red"), ports=(80, 443)) as running:
        assert served_by(httpx2.get(running.url())) == "red"
        with pytest.raises(httpx2.HTTPError):
            httpx2.get(running.url(443, "https"))
        (found,) = (one for one in running.findings if one.severity == "error")
        assert found.span is not None
        written = running.path.read_text().splitlines()[found.span.line - 1]
        assert (found.rule, "none/chain.pem" in written) == ("envoy-refused", True)
