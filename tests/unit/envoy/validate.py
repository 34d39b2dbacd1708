"""The real Envoy on a snapshot: what it says of the configuration, and what it does with requests.

The snapshot becomes one static bootstrap: routes, endpoints and secrets that would come over ADS are put in place.
"""

import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

from anygate.envoy.api import any_of, build, message, type_name, typed, unpack
from anygate.envoy.binary import executable
from anygate.envoy.snapshot import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET, Snapshot

_ANY = "google.protobuf.Any"
_INTERNAL = "envoy.extensions.bootstrap.internal_listener.v3.InternalListener"
_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret"
_SDS = "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig"


def parsed(snapshot: Snapshot, type_url: str) -> dict[str, Any]:
    return {name: message(type_name(type_url)).FromString(made.body) for name, made in snapshot[type_url].items()}


def static_bootstrap(snapshot: Snapshot, admin: str = "") -> Any:
    routes, endpoints = parsed(snapshot, ROUTES), parsed(snapshot, ENDPOINTS)
    clusters = parsed(snapshot, CLUSTER)
    for name, cluster in clusters.items():
        if cluster.HasField("eds_cluster_config"):
            cluster.ClearField("eds_cluster_config")
            cluster.type = "STATIC"
            cluster.load_assignment.CopyFrom(endpoints[name])
    listeners = parsed(snapshot, LISTENER)
    wanted: set[str] = set()
    for each in (*listeners.values(), *clusters.values()):
        _localise(each, routes, wanted)
    secrets = {name: _without_files(secret) for name, secret in parsed(snapshot, SECRET).items()}
    for name in sorted(wanted - secrets.keys()):
        # Whoever fetches tokens brings these. Tried on Envoy 1.40: it crashes on a credential injector whose static
        # secret is not there.
        secrets[name] = build(_SECRET, name=name, generic_secret={"secret": {"inline_string": "fetched"}})
    return build(
        "envoy.config.bootstrap.v3.Bootstrap",
        node={"id": "test", "cluster": "test"},
        admin={"address": {"pipe": {"path": admin}}} if admin else None,
        bootstrap_extensions=[{"name": "envoy.bootstrap.internal_listener", "typed_config": typed(_INTERNAL)}],
        static_resources={
            "listeners": list(listeners.values()),
            "clusters": list(clusters.values()),
            "secrets": list(secrets.values()),
        },
    )


@cache
def _certificate() -> tuple[bytes, bytes]:
    made = trustme.CA().issue_cert("a.example.com")
    return made.cert_chain_pems[0].bytes(), made.private_key_pem.bytes()


def _without_files(secret: Any) -> Any:
    """A secret with a certificate in the place of files, which are only where it is to run."""
    chain, key = _certificate()
    certificate, validation = secret.tls_certificate, secret.validation_context
    if certificate.certificate_chain.filename:
        certificate.ClearField("watched_directory")
        certificate.certificate_chain.inline_bytes, certificate.private_key.inline_bytes = chain, key
    if validation.trusted_ca.filename:
        validation.ClearField("watched_directory")
        validation.trusted_ca.inline_bytes = chain
    return secret


def _localise(built: Any, routes: dict[str, Any], secrets: set[str]) -> None:
    """Replace every reference to ADS by the thing itself, also inside packed extensions; gather names of secrets."""
    name = built.DESCRIPTOR.full_name
    if name == _ANY:
        if built.type_url:
            inner = unpack(built)
            _localise(inner, routes, secrets)
            built.CopyFrom(any_of(inner))
        return
    if name == _SDS and built.sds_config.HasField("ads"):
        built.ClearField("sds_config")
        secrets.add(built.name)
    if name == _MANAGER and built.HasField("rds"):
        built.route_config.CopyFrom(routes[built.rds.route_config_name])
    for field, value in built.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for key in value:
                    _localise(value[key], routes, secrets)
        elif field.is_repeated:
            for item in value:
                _localise(item, routes, secrets)
        else:
            _localise(value, routes, secrets)


def validate(snapshot: Snapshot, folder: Path) -> str:
    """What `envoy --mode validate` objects to; empty when it accepts the configuration."""
    config = folder / "bootstrap.pb"
    config.write_bytes(static_bootstrap(snapshot).SerializeToString())
    done = subprocess.run(
        [executable(), "--mode", "validate", "-c", config, "-l", "error"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return "" if done.returncode == 0 else done.stderr


@contextmanager
def running(snapshot: Snapshot, folder: Path) -> Iterator[None]:
    """Envoy with this configuration, ready for requests."""
    admin, config, log = folder / "admin", folder / "bootstrap.pb", folder / "log"
    config.write_bytes(static_bootstrap(snapshot, str(admin)).SerializeToString())
    command = [executable(), "-c", config, "-l", "warning", "--use-dynamic-base-id", "--concurrency", "1"]
    with log.open("wb") as output, subprocess.Popen(command, stderr=output) as process:
        try:
            _await_ready(process, admin, log)
            yield
        finally:
            process.terminate()


def _await_ready(process: "subprocess.Popen[bytes]", admin: Path, log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(admin))
                client.sendall(b"GET /ready HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                if b"LIVE" in b"".join(iter(lambda: client.recv(4096), b"")):
                    return
        except OSError:
            pass
        time.sleep(0.02)
    raise AssertionError(f"Envoy is not ready: {log.read_text()[-2000:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        body = f"{self.server.tag} {self.path} {self.headers['host']}".encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        for name, value in self.headers.items():
            self.send_header(f"got-{name}", value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def echo(tag: str) -> Iterator[int]:
    """An HTTP/1.1 server that answers with its tag, the path and the host, and shows each header as `got-`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    server.tag = tag  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def get(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
    """Send a request without following redirects: status, body, headers."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers, method=method)
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=10) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers.items())
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read().decode(), dict(answer.headers.items())
