"""`anygate run` inside the test process: manifests in, a real Envoy with real ports out."""

import asyncio
import random
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from tempfile import TemporaryDirectory
from textwrap import dedent
from typing import Any

import httpx2

from anygate.cli.settings_source import make_stand_in
from anygate.diagnostics import Diagnostic
from anygate.errors import EnvironmentProblem
from anygate.runner.inputs import Inputs
from anygate.runner.preparation import RunOptions
from anygate.runner.session import Listeners, Session
from anygate.runner.table import Table
from anygate.stubs import RequestRecord

DEADLINE = 20.0
_ATTEMPTS = 5
_LOWEST, _HIGHEST = 12_000, 22_000


class Running:
    """A session in a thread of its own. `told` gets every word and finding, `requests` what stubs receive."""

    def __init__(self, path: Path, offset: int, **options: Any) -> None:
        self.path = path
        self.offset = offset
        self.told: Queue[str] = Queue()
        self.requests: Queue[RequestRecord] = Queue()
        self.findings: list[Diagnostic] = []
        self.table: Table | None = None
        self.problem: BaseException | None = None
        self._settled = threading.Event()
        listeners = Listeners(self._on_served, self._on_findings, self.told.put, on_request=self.requests.put)
        options = {"stubs": "unreachable", "concurrency": 1, "port_offset": offset, **options}
        made = [make_stand_in()] if options["stubs"] != "none" else []
        self.session = Session(Inputs([str(path)], made=made), RunOptions(**options), listeners)
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Wait until it serves; raises what went wrong."""
        self._thread.start()
        if not self._settled.wait(DEADLINE):
            self.close()
            raise AssertionError("the run did not become ready")
        if self.problem is not None:
            self._thread.join()
            raise self.problem
        assert self.table is not None, [str(found) for found in self.findings]

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self.session.stop)
            self._thread.join(DEADLINE)
        assert not self._thread.is_alive()

    def address(self, port: int) -> tuple[str, int]:
        return "127.0.0.1", port + self.offset

    def url(self, port: int = 80, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{port + self.offset}"

    def write(self, text: str) -> None:
        """Replace the manifests as editors do: a new file under the old name."""
        new = self.path.with_name(".new")
        new.write_text(text)
        new.rename(self.path)

    def await_word(self, start: str) -> str:
        """The next word that starts so; words before it are dropped."""
        seen = []
        while True:
            try:
                word = self.told.get(timeout=DEADLINE)
            except Empty:
                raise AssertionError(f"nobody said {start!r}, only {seen}") from None
            if word.startswith(start):
                return word
            seen.append(word)

    def await_request(self, wanted: Callable[[RequestRecord], bool]) -> RequestRecord:
        """The next request to a stub that is wanted; others are dropped."""
        while not wanted(record := self.requests.get(timeout=DEADLINE)):
            pass
        return record

    def rules(self) -> list[str]:
        """The ids of everything found so far."""
        return [found.rule for found in self.findings]

    def _run(self) -> None:
        async def run() -> int:
            self._loop = asyncio.get_running_loop()
            return await self.session.run()

        try:
            self.code = asyncio.run(run())
        except BaseException as problem:
            self.problem = problem
        finally:
            self._settled.set()

    def _on_served(self, table: Table) -> None:
        self.table = table
        self._settled.set()

    def _on_findings(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.findings.extend(diagnostics)


@contextmanager
def run_manifests(
    *texts: str, ports: Sequence[int] = (80,), path: Path | None = None, **options: Any
) -> Iterator[Running]:
    """Serve manifests with stubs behind them until the block ends; `ports` are those that they name.

    `path` is served instead of the texts if it is given.
    """
    with TemporaryDirectory(prefix="e2e-") as folder:
        if path is None:
            path = Path(folder, "in.yaml")
            path.write_text(join(*texts))
        for attempt in range(_ATTEMPTS):
            running = Running(path, find_offset(ports), **options)
            try:
                running.start()
            except EnvironmentProblem as problem:
                # Another worker may have taken a port since it was tried.
                if "cannot listen" not in str(problem) or attempt == _ATTEMPTS - 1:
                    raise
                continue
            try:
                yield running
            finally:
                running.close()
            return


def join(*texts: str) -> str:
    return "\n---\n".join(dedent(text).strip("\n") for text in texts) + "\n"


def find_offset(ports: Sequence[int]) -> int:
    """A port offset with which all ports are free right now."""
    highest = min(_HIGHEST, 65_536 - max(ports, default=0))
    while True:
        offset = random.randrange(_LOWEST, highest)
        if all(is_free(port + offset) for port in ports):
            return offset


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def gateway(*listeners: str, name: str = "web") -> str:
    """A Gateway; each listener is a flow mapping without its braces."""
    entries = ", ".join("{" + one + "}" for one in listeners or ("name: http, port: 80, protocol: HTTP",))
    return f"""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {{name: {name}}}
    spec: {{gatewayClassName: envoy, listeners: [{entries}]}}
    """


def services(*names: str, port: int = 80, more: str = "") -> str:
    return join(
        *(
            f"""
            apiVersion: v1
            kind: Service
            metadata: {{name: {name}}}
            spec: {{ports: [{{port: {port}{more}}}]}}
            """
            for name in names
        )
    )


def served_by(answer: httpx2.Response) -> str:
    """The stub that answered, or the status if none did."""
    return answer.headers.get("x-stub-backend", str(answer.status_code)).removesuffix(".default")
