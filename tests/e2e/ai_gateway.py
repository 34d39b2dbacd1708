"""Models with AI rules, made by hand, served by a real Envoy; and the small servers behind it."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import httpx2

from anygate.envoy.build import build
from anygate.envoy.placement import Placement, Socket
from anygate.manifests.sensitive import Sensitive
from anygate.model.backend import Backend, Endpoint, EndpointGroup
from anygate.model.inference import MODEL_HEADER, Inference, ModelEndpoint
from anygate.model.listener import Gateway, HttpServer, Listener, Server
from anygate.model.match import HttpMatch, PathMatch, ValueMatch
from anygate.model.origin import Origin
from anygate.model.root import Model
from anygate.model.route import BackendTarget, Forward, HttpRoute, HttpRule
from anygate.model.tls import Opaque
from anygate.providers.paths import ENDPOINT_PATHS
from anygate.proxy.bootstrap import build_bootstrap
from anygate.proxy.envoy import LocalEnvoy, Options
from anygate.proxy.run_folder import RunFolder
from anygate.xds.server import AdsServer

DEADLINE = 30.0
CHAT = "/v1/chat/completions"


class Seen(NamedTuple):
    """One request as it reached a server."""

    path: str
    headers: dict[str, str]
    body: bytes


class Provider:
    """An HTTP server that answers as told; `seen` holds every request, byte for byte."""

    def __init__(self, name: str, status: int = 200, headers: Sequence[tuple[str, str]] = (), body: str = "") -> None:
        self.name = name
        self.answer: Callable[[Seen], tuple[int, Sequence[tuple[str, str]], str]] = lambda _: (status, headers, body)
        self.seen: list[Seen] = []
        provider = self

        class Ask(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65_536

            def ask(self) -> None:
                asked = Seen(self.path, {key.lower(): value for key, value in self.headers.items()}, self._body())
                provider.seen.append(asked)
                code, more, text = provider.answer(asked)
                content = (text or json.dumps({"served_by": provider.name})).encode()
                self.send_response(code)
                for key, value in (*more, ("content-length", str(len(content)))):
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_OPTIONS = ask  # noqa: N815

            def _body(self) -> bytes:
                if self.headers.get("transfer-encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("content-length") or 0))
                found = b""
                while size := int(self.rfile.readline(), 16):
                    found += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return found

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Ask)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]

    def __enter__(self) -> "Provider":
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def origin(name: str, kind: str = "AIGatewayRoute", path: str = "spec") -> Origin:
    return Origin(kind, "default", name, path, "ai.yaml", 1, 1)


def backend(name: str, *ports: int, **fields: Any) -> Backend:
    """A backend on local ports; none at all leaves it without endpoints."""
    endpoints = tuple(Endpoint(host="127.0.0.1", port=port) for port in ports)
    groups = (EndpointGroup(endpoints=endpoints),) if ports else ()
    return Backend(origin=origin(name, "AIServiceBackend"), name=name, service=name, groups=groups, **fields)


def ai_rule(
    model: str | ValueMatch | None, *targets: str | BackendTarget, endpoint: ModelEndpoint = "chat", **fields: Any
) -> HttpRule:
    """A rule for one model (None: for any) at the paths of an endpoint."""
    wanted = ValueMatch(name=MODEL_HEADER, value=model) if isinstance(model, str) else model
    headers = (wanted,) if wanted else ()
    matches = tuple(
        HttpMatch(
            origin=origin("match"),
            path=PathMatch(kind="exact", value=path),
            headers=headers,
            rank=(3, len(path), 0, len(headers), 0),
        )
        for path in ENDPOINT_PATHS[endpoint]
    )
    made = [one if isinstance(one, BackendTarget) else target(one) for one in targets]
    return HttpRule(
        origin=origin(str(model)),
        name=fields.pop("name", f"{endpoint}-{model.value if isinstance(model, ValueMatch) else model}"),
        action=fields.pop("action", None) or Forward(origin=origin("f"), targets=tuple(made)),
        matches=matches,
        inference=Inference(origin=origin("i"), endpoint=endpoint, route="default/ai"),
        **fields,
    )


def target(name: str, **fields: Any) -> BackendTarget:
    return BackendTarget(origin=origin("t"), backend=name, **fields)


def plain_rule(prefix: str, *targets: str, **fields: Any) -> HttpRule:
    match = HttpMatch(
        origin=origin("match", "HTTPRoute"),
        path=PathMatch(kind="prefix", value=prefix),
        rank=(1, len(prefix), 0, len(fields.get("headers", ())), 0),
        headers=fields.pop("headers", ()),
    )
    action = fields.pop("action", None) or Forward(origin=origin("f"), targets=tuple(target(one) for one in targets))
    return HttpRule(
        origin=origin("plain", "HTTPRoute"), name=f"plain{prefix}", action=action, matches=(match,), **fields
    )


def route(name: str, *rules: HttpRule, hostnames: tuple[str, ...] = (), **fields: Any) -> HttpRoute:
    return HttpRoute(origin=origin(name), name=f"default/{name}", hostnames=hostnames, rules=rules, **fields)


def one_server(*routes: HttpRoute, **http: Any) -> Gateway:
    """A gateway with one plain HTTP listener."""
    server = Server(
        origin=origin("web", "Gateway"), name="web/http", protocol="http", http=HttpServer(**http), routes=routes
    )
    listener = Listener(origin=origin("web", "Gateway"), name="web/80", port=80, transport="tcp", servers=(server,))
    return Gateway(origin=origin("web", "Gateway"), name="web", listeners=(listener,))


def opaque(**values: str) -> tuple[Opaque, ...]:
    found = ((name, Sensitive(value.encode())) for name, value in values.items())
    return tuple(Opaque(origin=origin(name, "Secret"), name=name, value=value) for name, value in found)


class Served:
    """A model on a running Envoy."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE)

    def ask(self, model: str | None = None, path: str = CHAT, **options: Any) -> httpx2.Response:
        """POST a body that names a model, or `content` as it is."""
        if "content" not in options and "files" not in options:
            options["json"] = {"messages": [], **({} if model is None else {"model": model}), **options.pop("json", {})}
        return self.client.post(path, **options)


def served_by(answer: httpx2.Response) -> str:
    """The provider that answered, or the status."""
    found = answer.json() if answer.headers.get("content-type") != "text/plain" and answer.content[:1] == b"{" else {}
    return str(found.get("served_by") or answer.status_code)


@contextmanager
def serving(model: Model, placement: Placement | None = None) -> Iterator[Served]:
    """Run Envoy with a model that has one listener until the block ends."""
    port = _free_port()
    (name,) = (listener.name for gateway in model.gateways for listener in gateway.listeners)
    place = placement or Placement("127.0.0.1", {name: Socket("127.0.0.1", port)})
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        loop = runner.get_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()

        def stop() -> None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

        stack.callback(stop)

        def run(work: Any) -> Any:
            return asyncio.run_coroutine_threadsafe(work, loop).result(DEADLINE)

        opened = AsyncExitStack()
        stack.callback(lambda: run(opened.aclose()))
        run(_start(model, place, opened))
        served = Served(place.sockets[name].port)
        stack.callback(served.client.close)
        yield served


async def _start(model: Model, placement: Placement, stack: AsyncExitStack) -> None:
    built = build(model, placement)
    assert not built.refused, built.refused
    folder = stack.enter_context(RunFolder())
    ads = AdsServer()
    await ads.start(f"unix:{folder.xds_socket}")
    stack.push_async_callback(ads.stop)
    published = ads.publish(built.snapshot)
    bootstrap = build_bootstrap(xds=folder.xds_socket, admin=folder.admin_socket)
    envoy = LocalEnvoy(folder, bootstrap, options=Options(concurrency=1, drain=0))
    await envoy.start()
    stack.push_async_callback(envoy.stop)
    await envoy.ready()
    applied = await ads.applied(published)
    assert not applied.refusals, applied.refusals


def _free_port() -> int:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as probe:
        return probe.server_address[1]
