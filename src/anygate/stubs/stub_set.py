"""The stubs that a run needs right now: started when a backend needs one, stopped when none does."""

import asyncio
import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

from anygate.stubs.mcp import MCP
from anygate.stubs.request_log import RequestRecord
from anygate.stubs.stub import Address, EchoStub, Kind
from anygate.stubs.vendor import Vendor

# The kernel takes socket paths up to 107 bytes.
_LONGEST_PATH = 107


@dataclass(frozen=True, slots=True, order=True)
class StubSpec:
    """Names one stub: the service it stands in for and what it speaks."""

    service: str
    namespace: str
    kind: Kind = "http"
    vendor: Vendor | Literal["", "mcp"] = ""  # the LLM provider that it plays, or an MCP server; an echo if none
    prefix: str = ""  # the root of the provider's paths, where it is not the vendor's own


class StubSet:
    """Keeps exactly the wanted stubs running; one no longer wanted lives on for a grace period.

    With `is_open` the providers among them ask for no credentials.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        grace: float = 5.0,
        deadline: float = 5.0,
        on_request: Callable[[RequestRecord], None] | None = None,
        is_open: bool = False,
    ) -> None:
        self._is_open = is_open
        self._folder = folder
        self._owned: Path | None = None
        self._grace = grace
        self._deadline = deadline
        self._on_request = on_request
        self._stubs: dict[StubSpec, EchoStub] = {}
        self._retiring: dict[StubSpec, asyncio.TimerHandle] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> "StubSet":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def running(self) -> frozenset[StubSpec]:
        """Which stubs answer now, those in their grace period included."""
        return frozenset(self._stubs)

    def get(self, spec: StubSpec) -> EchoStub | None:
        """Return the running stub that `spec` names."""
        return self._stubs.get(spec)

    async def ensure(self, wanted: Iterable[StubSpec]) -> dict[StubSpec, Address]:
        """Make exactly the `wanted` stubs run and return where each listens; asking again changes nothing."""
        async with self._turn:
            specs = sorted(set(wanted))
            for spec in specs:
                timer = self._retiring.pop(spec, None)
                if timer is not None:
                    timer.cancel()
                if spec not in self._stubs:
                    self._stubs[spec] = await self._start(spec)
            loop = asyncio.get_running_loop()
            for spec in self._stubs.keys() - set(specs) - self._retiring.keys():
                self._retiring[spec] = loop.call_later(self._grace, self._retire, spec)
            return {spec: self._stubs[spec].address for spec in specs}

    async def stop(self, deadline: float | None = None) -> None:
        """Stop every stub; requests in progress are completed within the deadline."""
        deadline = self._deadline if deadline is None else deadline
        async with self._turn:
            for timer in self._retiring.values():
                timer.cancel()
            self._retiring.clear()
            stubs = list(self._stubs.values())
            self._stubs.clear()
            await asyncio.gather(*self._stopping, *(stub.stop(deadline) for stub in stubs))
            if self._owned is not None:
                shutil.rmtree(self._owned, ignore_errors=True)
                self._owned = None

    async def _start(self, spec: StubSpec) -> EchoStub:
        stub = self._make(spec)
        await stub.start(None if spec.kind == "udp" else name_socket(self._open_folder(), spec))
        return stub

    def _make(self, spec: StubSpec) -> EchoStub:
        if not spec.vendor:
            return EchoStub(spec.service, spec.namespace, spec.kind, on_request=self._on_request)
        if spec.vendor == "mcp":
            return EchoStub(spec.service, spec.namespace, on_request=self._on_request, kind="http", answerer=MCP)
        # Imported late: the providers' many wire formats are not for a run without any.
        from anygate.stubs.providers import ProviderStub

        return ProviderStub(
            spec.vendor,
            spec.service,
            spec.namespace,
            is_open=self._is_open,
            prefix=spec.prefix or None,
            on_request=self._on_request,
        )

    def _retire(self, spec: StubSpec) -> None:
        self._retiring.pop(spec, None)
        stub = self._stubs.pop(spec, None)
        if stub is None:
            return
        stub.stop_listening()
        task = asyncio.get_running_loop().create_task(stub.stop(self._deadline))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    def _open_folder(self) -> Path:
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return self._folder
        if self._owned is None:
            self._owned = Path(tempfile.mkdtemp(prefix="anygate-stubs-"))
        return self._owned


def name_socket(folder: Path, spec: StubSpec) -> Path:
    """Return the socket path of `spec` in `folder`: readable where there is room, unique always."""
    identity = f"{spec.namespace}/{spec.service}/{spec.kind}"
    if spec.vendor:
        identity += f"/{spec.vendor}/{spec.prefix}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    name = re.sub(r"[^A-Za-z0-9.-]", "_", f"{spec.service}.{spec.namespace}.{spec.kind}")
    room = _LONGEST_PATH - len(os.fsencode(folder)) - len(f"/{digest}.sock")
    if room < 0:
        raise OSError(errno.ENAMETOOLONG, "the folder's path is too long for Unix sockets in it", str(folder))
    readable = f"{name[: min(room - 1, 48)]}-" if room > 1 else ""
    return folder / f"{readable}{digest}.sock"
