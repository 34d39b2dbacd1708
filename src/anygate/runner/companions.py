"""The processes beside Envoy that a model needs: adapters that translate, and the services that Envoy calls."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from anygate.adapter.launch import ADAPTER_SOCKETS, AdapterPool, WorkerEnded
from anygate.model import Model
from anygate.model.route import Forward, HttpRule
from anygate.proxy.run_folder import RunFolder
from anygate.runner.worker import Worker


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


class Companions:
    """Starts what a model needs, and keeps it until the end: a reload may need it again."""

    def __init__(self, folder: RunFolder, options: CompanionOptions, on_word: Callable[[str], None]) -> None:
        self._folder = folder
        self._options = options
        self._on_word = on_word
        self._adapters: AdapterPool | None = None
        self._services: Worker | None = None
        self._mcp: Worker | None = None

    async def ensure(self, model: Model) -> Sockets:
        """Start what is missing; raises EnvironmentProblem if it does not start."""
        wanted = [self._start_adapters()] if needs_adapters(model) else []
        wanted += [self._start_services()] if needs_services(model) else []
        wanted += [self._start_mcp()] if needs_mcp(model) else []
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
        )

    async def stop(self) -> None:
        """End all of them. Envoy has ended before, so that nobody waits for an answer."""
        ending = [one.stop() for one in (self._adapters, self._services, self._mcp) if one is not None]
        self._adapters = self._services = self._mcp = None
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
                "the service for limits and usage",
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

    @property
    def _mcp_socket(self) -> Path:
        return self._folder.path / "mcp.sock"

    def _tell_end(self, ended: WorkerEnded) -> None:
        tail = f": {ended.tail[-1]}" if ended.tail else ""
        self._on_word(f"warning: an adapter {ended.reason}{tail}; starting it again")

    def _service_options(self) -> Iterator[str]:
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
        for rule in _rules(model)
        if isinstance(rule.action, Forward)
        for target in rule.action.targets
    )


def needs_services(model: Model) -> bool:
    """Whether Envoy has usage to report or limits to ask about."""
    return any(
        rule.inference is not None or (rule.rate_limit is not None and rule.rate_limit.is_global)
        for rule in _rules(model)
    )


def needs_mcp(model: Model) -> bool:
    """Whether there is an MCP endpoint."""
    return any(rule.mcp is not None for rule in _rules(model))


def _rules(model: Model) -> Iterator[HttpRule]:
    for gateway in model.gateways:
        for listener in gateway.listeners:
            for server in listener.servers:
                for route in server.routes:
                    yield from route.rules
