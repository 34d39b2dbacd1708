"""The processes beside Envoy that a model needs: adapters that translate, and the services that Envoy calls."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from anygate.adapter.launch import ADAPTER_SOCKETS, AdapterPool, WorkerEnded
from anygate.model import Model
from anygate.model.root import list_rules
from anygate.model.route import Forward
from anygate.model.wasm_rules import list_plugins
from anygate.proxy.run_folder import RunFolder
from anygate.runner.exports import list_destinations
from anygate.runner.telemetry import find_telemetry
from anygate.runner.worker import Worker
from anygate.services.exports.destinations import store_destinations
from anygate.services.telemetry import Telemetry, store_telemetry
from anygate.wasm.inspection import Inspected, inspect
from anygate.wasm.order import store

_SANDBOX_SOCKET = "sandbox.sock"


@dataclass(frozen=True)
class CompanionOptions:
    """How many adapters run; where limits are counted; where usage is kept and spans go; the port of the metrics."""

    adapters: int = 2
    ratelimit: str = "memory"
    usage: Path | None = None
    metrics_port: int = 0
    otlp: str = ""


@dataclass(frozen=True)
class Sockets:
    """Where Envoy finds its companions, and where they find it. Empty where nothing needs them."""

    egress: str = ""
    adapters: tuple[str, ...] = ()
    services: str = ""
    mcp: tuple[str, ...] = ()
    sandbox: str = ""


class Companions:
    """Starts what a model needs, and keeps it until the end: a reload may need it again."""

    def __init__(
        self, folder: RunFolder, options: CompanionOptions, on_word: Callable[[str], None], port_offset: int = 0
    ) -> None:
        self._folder = folder
        self._options = options
        self._on_word = on_word
        self._port_offset = port_offset
        self._telemetry = Telemetry()
        self._adapters: AdapterPool | None = None
        self._services: Worker | None = None
        self._mcp: Worker | None = None
        self._sandbox: Worker | None = None

    async def ensure(self, model: Model) -> Sockets:
        """Start what is missing; raises EnvironmentProblem if it does not start."""
        if needs_services(model):
            store_destinations(self._exports, list_destinations(model))
        self._store_telemetry(model)
        wanted = [self._start_adapters()] if needs_adapters(model) else []
        wanted += [self._start_services()] if needs_services(model) else []
        wanted += [self._start_mcp()] if needs_mcp(model) else []
        if needs_sandbox(model):
            self._store_modules(model)
            wanted += [self._start_sandbox()]
        await asyncio.gather(*wanted)
        return self.sockets

    @property
    def sockets(self) -> Sockets:
        """Where those listen that run."""
        return Sockets(
            egress=str(self._folder.egress_socket) if self._adapters is not None or self._mcp is not None else "",
            adapters=self._adapters.sockets if self._adapters is not None else (),
            services=str(self._folder.services_socket) if self._services is not None else "",
            mcp=(str(self._mcp_socket),) if self._mcp is not None else (),
            sandbox=str(self._folder.path / _SANDBOX_SOCKET) if self._sandbox is not None else "",
        )

    async def stop(self) -> None:
        """End all of them. Envoy has ended before, so that nobody waits for an answer."""
        running = (self._adapters, self._services, self._mcp, self._sandbox)
        ending = [one.stop() for one in running if one is not None]
        self._adapters = self._services = self._mcp = self._sandbox = None
        await asyncio.gather(*ending)

    async def _start_adapters(self) -> None:
        if self._adapters is None:
            self._adapters = AdapterPool(on_end=self._tell_end)
            await self._adapters.start(self._options.adapters, self._folder.egress_socket, self._folder.path)

    async def _start_services(self) -> None:
        if self._services is None:
            arguments = ("--socket", str(self._folder.services_socket), *self._service_options())
            # A URL with a password does not belong into arguments, which everybody can read.
            environment = {"ANYGATE_RATELIMIT": self._options.ratelimit}
            self._services = Worker(
                "the service for limits, checks and usage",
                "anygate.services",
                arguments,
                environment=environment,
                on_word=self._on_word,
            )
            await self._services.start()

    async def _start_mcp(self) -> None:
        if self._mcp is None:
            key = str(self._folder.path / "mcp.key")
            arguments = ("--socket", str(self._mcp_socket), "--egress", str(self._folder.egress_socket), "--key", key)
            self._mcp = Worker("the MCP gateway", "anygate.adapter.mcp", arguments, on_word=self._on_word)
            await self._mcp.start()

    async def _start_sandbox(self) -> None:
        if self._sandbox is None:
            arguments = ("--socket", str(self._folder.path / _SANDBOX_SOCKET), "--modules", str(self._modules))
            self._sandbox = Worker("the sandbox", "anygate.services.wasm", arguments, on_word=self._on_word)
            await self._sandbox.start()

    def _store_telemetry(self, model: Model) -> None:
        """Put down where requests are told of, and tell the services if that is another place than before."""
        found = find_telemetry(model, self._port_offset)
        if found != self._telemetry:
            self._telemetry = found
            store_telemetry(self._telemetry_file, found)
            if self._services is not None:
                self._services.tell()

    def _store_modules(self, model: Model) -> None:
        """Put the code and the settings of plugins where the sandbox looks for them."""
        self._modules.mkdir(mode=0o700, exist_ok=True)
        for plugin in list_plugins(model):
            for name, content in (store(plugin.module.content), store(plugin.config.encode())):
                path = self._modules / name
                if not path.exists():
                    path.write_bytes(content)

    @property
    def _exports(self) -> Path:
        return self._folder.path / "exports.json"

    @property
    def _telemetry_file(self) -> Path:
        return self._folder.path / "telemetry.json"

    @property
    def _modules(self) -> Path:
        return self._folder.path / "modules"

    @property
    def _mcp_socket(self) -> Path:
        return self._folder.path / "mcp.sock"

    def _tell_end(self, ended: WorkerEnded) -> None:
        tail = f": {ended.tail[-1]}" if ended.tail else ""
        self._on_word(f"warning: an adapter {ended.reason}{tail}; starting it again")

    def _service_options(self) -> Iterator[str]:
        yield from ("--exports", str(self._exports))
        yield from ("--telemetry", str(self._telemetry_file), "--admin", str(self._folder.admin_socket))
        yield from ("--checks", str(self._folder.credentials))
        if self._options.usage is not None:
            yield from ("--usage", str(self._options.usage))
        if self._options.metrics_port:
            yield from ("--metrics-port", str(self._options.metrics_port))
            yield from ("--others", str(self._folder.path / ADAPTER_SOCKETS))
        if self._options.otlp:
            yield from ("--otlp", self._options.otlp)


def needs_adapters(model: Model) -> bool:
    """Whether any request has to be translated."""
    return any(
        target.translated
        for rule in list_rules(model)
        if isinstance(rule.action, Forward)
        for target in rule.action.targets
    )


def needs_services(model: Model) -> bool:
    """Whether Envoy has requests to report, limits or other checks to ask about, or answers to keep."""
    return any(
        rule.inference is not None
        or rule.metering is not None
        or rule.trace is not None
        or rule.cache is not None
        or (rule.security is not None and bool(rule.security.checks))
        or (rule.rate_limit is not None and rule.rate_limit.is_global)
        for rule in list_rules(model)
    )


def needs_mcp(model: Model) -> bool:
    """Whether there is an MCP endpoint."""
    return any(rule.mcp is not None for rule in list_rules(model))


def needs_sandbox(model: Model) -> bool:
    """Whether there are plugins that Envoy itself does not run."""
    contents = {id(plugin.module): plugin.module.content for plugin in list_plugins(model)}
    found = (inspect(content) for content in contents.values() if content)
    return any(isinstance(one, Inspected) and one.abi == "nantian" for one in found)
