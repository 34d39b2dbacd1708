"""A real Envoy with the filters under test in its chain, and the small servers behind it."""

import json
import subprocess
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen

import httpx2

from anygate.envoy.api import any_of, build, to_json, typed
from anygate.envoy.binary import executable
from anygate.envoy.filters import FILTERS, Scope
from anygate.manifests.sensitive import Sensitive
from anygate.model.listener import HttpServer, Server
from anygate.model.origin import Origin
from anygate.model.route import Forward, HttpRule
from anygate.model.security import Security
from anygate.model.tls import Opaque

ORIGIN = Origin("Test", "default", "web")
DEADLINE = 20.0
PASSWORD = "{SHA}" + b64encode(sha1(b"secret").digest()).decode()
"""The password `secret` as htpasswd writes it."""
MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "envoy.extensions.filters.http.router.v3.Router"
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
Answer = tuple[int, dict[str, str], bytes]


def origin(name: str, path: str = "spec") -> Origin:
    return Origin("SecurityPolicy", "default", name, path)


def rule(name: str = "r", **fields: Any) -> HttpRule:
    return HttpRule(origin=ORIGIN, name=name, action=Forward(origin=ORIGIN), **fields)


def server(protocol: Any = "http", **http: Any) -> Server:
    return Server(origin=ORIGIN, name="web", protocol=protocol, http=HttpServer(**http))


def security(**fields: Any) -> Security:
    return Security(origin=origin("policy"), **fields)


def opaque(**values: str) -> dict[str, Opaque]:
    return {name: Opaque(origin=ORIGIN, name=name, value=Sensitive(value.encode())) for name, value in values.items()}


class Upstream:
    """An HTTP server that answers with what it was asked, or as `answer` says; `seen` holds every request."""

    def __init__(self, name: str, answer: Callable[[dict[str, Any]], Answer] | None = None) -> None:
        self.name = name
        self.seen: list[dict[str, Any]] = []
        outer = self

        class Ask(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def ask(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                request = {
                    "server": outer.name,
                    "method": self.command,
                    "path": self.path,
                    "headers": {key.lower(): value for key, value in self.headers.items()},
                    "body": body.decode(),
                }
                outer.seen.append(request)
                status, headers, content = answer(request) if answer else (200, {}, json.dumps(request).encode())
                self.send_response(status)
                for key, value in {**headers, "content-length": str(len(content))}.items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_HEAD = ask  # noqa: N815

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Ask)
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]

    def __enter__(self) -> "Upstream":
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


class Gateway:
    """Where the running Envoy listens."""

    def __init__(self, port: int, admin: str) -> None:
        self.port = port
        self.admin = admin
        self.url = f"http://127.0.0.1:{port}"

    def ask_admin(self, path: str) -> str:
        with urlopen(f"http://{self.admin}{path}", timeout=DEADLINE) as answer:
            return answer.read().decode()


Running = tuple[Gateway, httpx2.Client, Upstream]


def without_sds(value: Any) -> Any:
    """Point references to secrets at the static ones of a bootstrap; everything else stays as it is."""
    if isinstance(value, dict):
        return {key: without_sds(inner) for key, inner in value.items() if key != "sds_config"}
    if isinstance(value, list):
        return [without_sds(inner) for inner in value]
    return value


def route_entry(prefix: str, one: HttpRule, scope: Scope, cluster: str) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for one_filter in FILTERS:
        for name, message in one_filter.route(one, scope).items():
            config[name] = any_of(message)
    return {
        "name": one.name,
        "match": {"path_separated_prefix": prefix} if prefix != "/" else {"prefix": "/"},
        "route": {"cluster": cluster},
        "typed_per_filter_config": config,
    }


def bootstrap(
    routes: Mapping[str, HttpRule],
    clusters: Mapping[str, Sequence[int]],
    *,
    at: Server | None = None,
    secrets: Mapping[str, Opaque] | None = None,
    overrides: Mapping[str, dict[str, Any]] | None = None,
    manager: Mapping[str, Any] | None = None,
    extra_routes: Sequence[dict[str, Any]] = (),
    chain_rules: Sequence[HttpRule] | None = None,
) -> dict[str, Any]:
    """Put the filters' pieces into a bootstrap: routes by path prefix, clusters by name with local ports.

    `chain_rules` builds the chain for other rules than those of the routes. The first cluster serves every
    route; `overrides` replaces parts of a route by its prefix.
    """
    at = at or server()
    scope = Scope(at, secrets or {})
    first = next(iter(clusters), "none")
    entries = [*extra_routes]
    for prefix, one in sorted(routes.items(), key=lambda pair: -len(pair[0])):
        entries.append({**route_entry(prefix, one, scope, first), **(overrides or {}).get(prefix, {})})
    known = list(routes.values()) if chain_rules is None else chain_rules
    chain = [entry for one in FILTERS for entry in one.chain(at, known)]
    filters = [
        {"name": entry.name, "typed_config": any_of(entry.config), "disabled": entry.disabled} for entry in chain
    ]
    connection_manager = typed(
        MANAGER,
        stat_prefix="web",
        http_filters=[*filters, {"name": "router", "typed_config": typed(ROUTER)}],
        route_config={"name": "web", "virtual_hosts": [{"name": "any", "domains": ["*"], "routes": entries}]},
        **(manager or {}),
    )
    listener = build(
        "envoy.config.listener.v3.Listener",
        name="web",
        address={"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        filter_chains=[{"filters": [{"name": "http", "typed_config": connection_manager}]}],
    )
    made = build(
        "envoy.config.bootstrap.v3.Bootstrap",
        node={"id": "test", "cluster": "test"},
        admin={"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        static_resources={
            "listeners": [listener],
            "clusters": [_cluster(name, ports) for name, ports in clusters.items()],
            "secrets": [
                {"name": name, "generic_secret": {"secret": {"inline_bytes": secret.value.reveal()}}}
                for name, secret in (secrets or {}).items()
            ],
        },
    )
    return without_sds(to_json(made))


def _cluster(name: str, ports: Sequence[int]) -> dict[str, Any]:
    options = {}
    if name.endswith("-h2"):
        http = typed(OPTIONS, explicit_http_config={"http2_protocol_options": {}})
        options = {OPTIONS: http}
    return {
        "typed_extension_protocol_options": options,
        "name": name,
        "type": "STATIC",
        "connect_timeout": {"seconds": 2},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [
                {
                    "lb_endpoints": [
                        {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
                        for port in ports
                    ]
                }
            ],
        },
    }


def validate(config: Mapping[str, Any]) -> str:
    """Return what `envoy --mode validate` has against a bootstrap, or nothing."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "envoy.json")
        path.write_text(json.dumps(config))
        done = subprocess.run(
            [executable(), "--mode", "validate", "-c", path, "-l", "error"],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        return "" if done.returncode == 0 else done.stderr + done.stdout


@contextmanager
def running(config: Mapping[str, Any]) -> Iterator[Gateway]:
    """Run Envoy with a bootstrap until the block ends."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        (folder / "envoy.json").write_text(json.dumps(config))
        command = [
            *(executable(), "-c", folder / "envoy.json", "--admin-address-path", folder / "admin"),
            *("--use-dynamic-base-id", "--concurrency", "1", "-l", "info"),
        ]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        stack.callback(_stop, process)
        _wait_until_ready(process)
        admin = (folder / "admin").read_text()
        with urlopen(f"http://{admin}/listeners?format=json", timeout=DEADLINE) as answer:
            listeners = json.load(answer)["listener_statuses"]
        yield Gateway(listeners[0]["local_address"]["socket_address"]["port_value"], admin)


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    """Read the log in a thread of its own, which also keeps the pipe from filling up."""
    lines: Queue[str] = Queue()
    seen: list[str] = []
    assert process.stderr is not None
    stream = process.stderr

    def read() -> None:
        with suppress(ValueError):  # closed at the end of the test
            for line in stream:
                lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=DEADLINE)
        except Empty:
            raise AssertionError("Envoy did not start:\n" + "".join(seen[-20:])) from None
        seen.append(line)
        if "starting workers" in line:
            return
        if not line:
            raise AssertionError("Envoy ended:\n" + "".join(seen[-20:]))


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait(timeout=DEADLINE)
    if process.stderr:
        process.stderr.close()


@contextmanager
def gateway(routes: dict[str, Any], **options: Any) -> Iterator[Running]:
    """Run Envoy with an echo server behind it; `options` are those of `bootstrap`."""
    clusters = options.pop("clusters", {})
    with Upstream("echo") as echo:
        config = bootstrap(routes, {"echo": [echo.port], **clusters}, **options)
        with running(config) as envoy, httpx2.Client(base_url=envoy.url) as client:
            yield envoy, client, echo
