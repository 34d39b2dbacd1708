"""MCP servers of the official SDK, and manifests of MCP routes served by a real Envoy and a real MCP gateway."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import uvicorn
from ai_gateway import DEADLINE, _free_port
from mcp import Client
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import BaseModel
from running import join

from anygate.compiler import Result, compile_sources
from anygate.diagnostics import SourceFile
from anygate.envoy.placement import Placement, Socket
from anygate.proxy.bootstrap import build_bootstrap
from anygate.proxy.envoy import LocalEnvoy, Options
from anygate.proxy.run_folder import RunFolder
from anygate.xds.server import AdsServer

T = TypeVar("T")
OFF = TransportSecuritySettings(enable_dns_rebinding_protection=False)


class Answer(BaseModel):
    name: str


def make_server(name: str) -> MCPServer:
    """A server with tools of all sorts, a resource and a prompt."""
    server = MCPServer(name, instructions=f"I am {name}")

    @server.tool()
    def echo(text: str) -> str:
        return f"{name}: {text}"

    @server.tool()
    def size(text: str) -> int:
        return len(text)

    @server.tool()
    async def count(ctx: Context, upto: int) -> str:
        for one in range(upto):
            await ctx.report_progress(one, upto)
        return "done"

    @server.tool()
    async def ask(ctx: Context) -> str:
        return (await ctx.elicit("who?", Answer)).action

    @server.tool()
    async def change(ctx: Context) -> str:
        await ctx.session.send_resource_updated("note://one")
        return "changed"

    @server.resource("note://one")
    def note() -> str:
        return f"a note of {name}"

    @server.prompt()
    def greet(who: str) -> str:
        return f"{name} greets {who}"

    return server


class McpUpstream:
    """A server on a port of its own; `seen` has the path and the headers of every request."""

    def __init__(self, name: str, **options: Any) -> None:
        self.name = name
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        inner = make_server(name).streamable_http_app(transport_security=OFF, **options)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                headers = {key.decode(): value.decode() for key, value in scope["headers"]}
                query = scope["query_string"].decode()
                target = scope["path"] + (f"?{query}" if query else "")
                self.seen.append((scope["method"], target, headers))
            await inner(scope, receive, send)

        self.port = _free_port()
        config = uvicorn.Config(app, port=self.port, log_level="error", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._ready = threading.Event()

    def __enter__(self) -> "McpUpstream":
        started = self._server.startup

        async def startup(*args: Any, **options: Any) -> None:
            await started(*args, **options)
            self._ready.set()

        self._server.startup = startup  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        assert self._ready.wait(DEADLINE)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(DEADLINE)

    def headers(self, method: str = "POST") -> list[dict[str, str]]:
        return [headers for asked, _, headers in self.seen if asked == method]


def backend(name: str, port: int) -> str:
    return f"""
    apiVersion: gateway.envoyproxy.io/v1alpha1
    kind: Backend
    metadata: {{name: {name}}}
    spec: {{endpoints: [{{ip: {{address: 127.0.0.1, port: {port}}}}}]}}
    """


def mcp_route(*refs: str, name: str = "tools", more: str = "") -> str:
    """A route; each reference is a name, or a name and more fields of the mapping."""
    entries = ", ".join(f"{{group: gateway.envoyproxy.io, kind: Backend, name: {ref}}}" for ref in refs)
    return f"""
    apiVersion: aigateway.envoyproxy.io/v1beta1
    kind: MCPRoute
    metadata: {{name: {name}}}
    spec: {{parentRefs: [{{name: web}}], backendRefs: [{entries}]{", " + more if more else ""}}}
    """


class Endpoint:
    """Where the gateway answers, and how its servers are called."""

    def __init__(self, port: int, result: Result) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.url = f"{self.base}/mcp"
        self.result = result

    def call(self, work: Callable[[Client], Awaitable[T]], **options: Any) -> T:
        """Run something with a client of the SDK in a session of its own."""

        async def run() -> T:
            async with asyncio.timeout(DEADLINE), Client(self.url, **{"mode": "legacy", **options}) as client:
                return await work(client)

        return asyncio.run(run())


def texts(result: Any) -> list[str]:
    return [part.text for part in result.content]


@contextmanager
def serving_mcp(*manifests: str) -> Iterator[Endpoint]:
    """Compile manifests and serve them by Envoy and a worker of the MCP gateway until the block ends."""
    port = _free_port()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="mcp-")))
        paths = {name: str(folder / name) for name in ("gateway.sock", "egress.sock", "key")}
        placement = Placement(
            "127.0.0.1",
            {"default/web/80": Socket("127.0.0.1", port)},
            egress=paths["egress.sock"],
            mcp=(paths["gateway.sock"],),
        )
        result = compile_sources([SourceFile("in.yaml", join(*manifests))], placement)
        command = [sys.executable, "-m", "anygate.adapter.mcp", "--socket", paths["gateway.sock"]]
        command += ["--egress", paths["egress.sock"], "--key", paths["key"], "--parent", str(os.getpid())]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE)
        stack.callback(_stop, worker)
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
        stack.enter_context(_envoy(result))
        yield Endpoint(port, result)


def _stop(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    assert worker.wait(DEADLINE) == 0
    assert worker.stdout is not None
    worker.stdout.close()


@contextmanager
def _envoy(result: Result) -> Iterator[None]:
    with ExitStack() as stack:
        loop = stack.enter_context(asyncio.Runner()).get_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()

        def stop() -> None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

        stack.callback(stop)

        def run(work: Any) -> None:
            asyncio.run_coroutine_threadsafe(work, loop).result(DEADLINE)

        opened = AsyncExitStack()
        stack.callback(lambda: run(opened.aclose()))
        run(_start(result, opened))
        yield


async def _start(result: Result, stack: AsyncExitStack) -> None:
    folder = stack.enter_context(RunFolder())
    ads = AdsServer()
    await ads.start(f"unix:{folder.xds_socket}")
    stack.push_async_callback(ads.stop)
    published = ads.publish(result.snapshot)
    bootstrap = build_bootstrap(xds=folder.xds_socket, admin=folder.admin_socket)
    envoy = LocalEnvoy(folder, bootstrap, options=Options(concurrency=1, drain=0))
    await envoy.start()
    stack.push_async_callback(envoy.stop)
    await envoy.ready()
    applied = await ads.applied(published)
    assert not applied.refusals, applied.refusals


def rules_of(result: Result) -> Sequence[str]:
    return [found.rule for found in result.diagnostics]
