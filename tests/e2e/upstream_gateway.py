"""The clusters of model providers in a real Envoy, behind rows that are written by hand."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple

import httpx2
from filter_gateway import Gateway, running, without_sds

from anygate.envoy.api import message, struct, to_json, type_name, typed, uint32
from anygate.envoy.build import build
from anygate.envoy.names import MODEL_KEY, MODEL_NAMESPACE
from anygate.envoy.placement import Placement
from anygate.envoy.snapshot import CLUSTER, ENDPOINTS, SECRET
from anygate.manifests.sensitive import Sensitive
from anygate.model import inference as i
from anygate.model.backend import Backend, Endpoint, EndpointGroup
from anygate.model.listener import Gateway as ModelGateway
from anygate.model.listener import Listener, Server
from anygate.model.origin import Origin
from anygate.model.root import Model
from anygate.model.route import BackendTarget, Forward, HttpRoute, HttpRule
from anygate.model.tls import Opaque

ORIGIN = Origin("AIServiceBackend", "default", "b")
MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "envoy.extensions.filters.http.router.v3.Router"
READING = "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata"
GROUPS = "envoy.extensions.router.cluster_specifiers.priority_group.v3.PriorityGroupClusterSpecifier"
PATHS = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "responses": "/v1/responses",
    "messages": "/anthropic/v1/messages",
    "count_tokens": "/v1/messages/count_tokens",
    "rerank": "/cohere/v2/rerank",
    "tokenize": "/tokenize",
    "speech": "/v1/audio/speech",
}


class Seen(NamedTuple):
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


class Provider:
    """A server that answers with one status; `seen` holds every request, framing included."""

    def __init__(self, status: int = 200, listen: Callable[[Any], ThreadingHTTPServer] | None = None) -> None:
        self.seen: list[Seen] = []
        self.status = status
        outer = self

        class Ask(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                headers = {key.lower(): value for key, value in self.headers.items()}
                outer.seen.append(Seen(self.path, headers, self._read(headers)))
                self.send_response(outer.status)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def _read(self, headers: Mapping[str, str]) -> bytes:
                if "chunked" not in headers.get("transfer-encoding", ""):
                    return self.rfile.read(int(headers.get("content-length", 0)))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def address_string(self) -> str:
                return "client"

            def log_message(self, *_: object) -> None:
                pass

        self.http = listen(Ask) if listen else ThreadingHTTPServer(("127.0.0.1", 0), Ask)
        self.http.daemon_threads = True
        self.port = self.http.server_port
        self.thread = Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


def key(name: str, header: str = "authorization") -> i.KeyCredential:
    return i.KeyCredential(origin=ORIGIN, secret=f"key-{name}", header=header)


def opaque(name: str, value: str) -> Opaque:
    return Opaque(origin=ORIGIN, name=name, value=Sensitive(value.encode()))


def backend(name: str, port: int, kind: str = "OpenAI", host: str = "127.0.0.1", **fields: Any) -> Backend:
    """A provider; `connection`, `tls` and `hostname` are the backend's, the rest the provider's."""
    outer = {field: fields.pop(field) for field in ("connection", "tls", "protocol") if field in fields}
    endpoint = Endpoint(host=host, port=port, hostname=fields.pop("hostname", f"{name}.example"))
    return Backend(
        origin=ORIGIN,
        name=name,
        service=name,
        groups=(EndpointGroup(endpoints=(endpoint,)),),
        provider=i.Provider(origin=ORIGIN, name=f"default/{name}", format=kind, **fields),
        **outer,
    )


class Row(NamedTuple):
    """Which clusters a path leads to, one after the other."""

    clusters: Sequence[str]
    endpoint: str = "chat"
    usage: bool = False
    path: str = ""
    egress: bool = False
    more: Mapping[str, Any] = {}


def model_of(backends: Sequence[Backend], secrets: Sequence[Opaque] = (), translated: Sequence[str] = ()) -> Model:
    targets = tuple(BackendTarget(origin=ORIGIN, backend=name, translated=True) for name in translated)
    rule = HttpRule(
        origin=ORIGIN,
        name="r",
        action=Forward(origin=ORIGIN, targets=targets),
        inference=i.Inference(origin=ORIGIN, endpoint="chat", route="default/r"),
    )
    server = Server(
        origin=ORIGIN, name="s", protocol="http", routes=(HttpRoute(origin=ORIGIN, name="r", rules=(rule,)),)
    )
    listener = Listener(origin=ORIGIN, name="l", port=1, transport="tcp", servers=(server,))
    gateway = ModelGateway(origin=ORIGIN, name="g", listeners=(listener,) if translated else ())
    return Model(gateways=(gateway,), backends=tuple(backends), secrets=tuple(secrets))


def bootstrap(model: Model, rows: Sequence[Row], placement: Placement) -> dict[str, Any]:
    built = build(model, placement)
    assert not built.refused, built.refused
    parsed = {
        kind: {
            name: to_json(message(type_name(kind)).FromString(made.body)) for name, made in built.snapshot[kind].items()
        }
        for kind in (CLUSTER, ENDPOINTS, SECRET)
    }
    for name, cluster in parsed[CLUSTER].items():
        if cluster.pop("eds_cluster_config", None):
            cluster |= {"type": "STATIC", "load_assignment": parsed[ENDPOINTS][name]}
    reading = typed(
        READING,
        request_rules={
            "rules": [
                {
                    "selectors": [{"key": "model"}],
                    "on_present": {"metadata_namespace": MODEL_NAMESPACE, "key": MODEL_KEY},
                }
            ],
            "allow_content_types": ["application/json", "text/plain"],
        },
    )
    manager = typed(
        MANAGER,
        stat_prefix="web",
        http_filters=[
            {"name": "reading", "typed_config": reading},
            {"name": "router", "typed_config": typed(ROUTER)},
        ],
        route_config={
            "name": "web",
            "virtual_hosts": [{"name": "any", "domains": ["*"], "routes": [_route(row) for row in rows]}],
        },
    )
    listener = {
        "name": "web",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "per_connection_buffer_limit_bytes": 52_428_800,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": to_json(manager)}]}],
    }
    return {
        "node": {"id": "test", "cluster": "test"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {
            "listeners": [listener],
            "clusters": without_sds(list(parsed[CLUSTER].values())),
            "secrets": list(parsed[SECRET].values()),
        },
    }


def _route(row: Row) -> dict[str, Any]:
    metadata = {"endpoint": row.endpoint, "usage": row.usage}
    groups = [
        {"name": str(at), "clusters": [{"cluster_name": name, "weight": uint32(1)}]}
        for at, name in enumerate(row.clusters)
    ]
    retry = {
        "retry_on": "5xx,reset,connect-failure,retriable-status-codes",
        "retriable_status_codes": [429],
        "num_retries": uint32(len(groups) - 1),
        "refresh_cluster_on_retry": True,
    }
    choice = {"name": "groups", "typed_config": typed(GROUPS, priority_groups=groups)}
    return {
        "match": {"path": row.path or PATHS[row.endpoint]},
        "metadata": {} if row.egress else {"filter_metadata": {"envoy.filters.http.lua": struct(metadata)}},
        "route": {
            "auto_host_rewrite": {"value": True},
            "timeout": {"seconds": 20},
            "inline_cluster_specifier_plugin": {"extension": choice},
            **({"retry_policy": retry} if len(groups) > 1 else {}),
        },
        "request_body_buffer_limit": {"value": 52_428_800},
        **row.more,
    }


class Running:
    """An Envoy with its client."""

    def __init__(self, envoy: Gateway, client: httpx2.Client) -> None:
        self.envoy = envoy
        self.client = client

    def post(self, body: Any, endpoint: str = "chat", path: str = "", **headers: str) -> httpx2.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json"} | {name.replace("_", "-"): each for name, each in headers.items()}
        return self.client.post(path or PATHS[endpoint], content=content, headers=sent)


@contextmanager
def gateway(
    backends: Sequence[Backend],
    *rows: Row,
    secrets: Sequence[Opaque] = (),
    translated: Sequence[str] = (),
    placement: Placement | None = None,
) -> Iterator[Running]:
    """Run Envoy with the clusters of these backends."""
    model = model_of(backends, secrets, translated)
    config = bootstrap(model, rows, placement or Placement())
    with running(config) as envoy, httpx2.Client(base_url=envoy.url, timeout=20) as client:
        yield Running(envoy, client)


@contextmanager
def providers(*statuses: int) -> Iterator[list[Provider]]:
    """Servers that answer with these statuses."""
    with ExitStack() as stack:
        made = [Provider(status) for status in statuses]
        for each in made:
            stack.callback(each.close)
        yield made
