"""The rate-limit service with a clock that tests set, and a Redis of their own."""

import asyncio
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filter_gateway import DEADLINE, OPTIONS, Gateway, bootstrap, running

from anygate.envoy.api import to_json, typed
from anygate.envoy.names import SERVICES
from anygate.services.ratelimit import Counters, RateLimitService
from anygate.services.ratelimit.memory import MemoryCounters
from anygate.services.server import ServiceServer


class Limits:
    """A running service: `now` is its time, `asked` every request it has answered."""

    def __init__(self, counters: Counters | None = None) -> None:
        self.now = 1_700_000_000.0
        self.asked: list[Any] = []
        self.folder = TemporaryDirectory()
        self.socket = Path(self.folder.name, "services.sock")
        self._answered = threading.Condition()
        outer = self

        class Service(RateLimitService):
            async def _answer(self, raw: bytes, context: Any) -> bytes:
                try:
                    return await super()._answer(raw, context)
                finally:
                    with outer._answered:
                        outer.asked.append(self._request.FromString(raw))
                        outer._answered.notify_all()

        self._server = ServiceServer([Service(counters or MemoryCounters(), lambda: self.now)])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "Limits":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(self.socket), self._loop).result(DEADLINE)
        return self

    def __exit__(self, *args: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.close()
        self.folder.cleanup()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(DEADLINE)

    def wait_for_calls(self, count: int) -> None:
        """Wait until Envoy has asked so often; what an answer costs is told after it has ended."""
        with self._answered:
            assert self._answered.wait_for(lambda: len(self.asked) >= count, DEADLINE), self.asked

    def charges(self) -> list[int]:
        """What answers were charged, in order."""
        descriptors = [one for request in self.asked for one in request.descriptors]
        return [one.hits_addend.value for one in descriptors if one.entries[0].key == "charge"]


@contextmanager
def limited_gateway(
    routes: Mapping[str, Any], clusters: Mapping[str, Sequence[int]], socket: Path, **options: Any
) -> Iterator[Gateway]:
    """Run Envoy with the routes, and the services at a socket."""
    config = bootstrap(routes, clusters, **options)
    http = typed(OPTIONS, explicit_http_config={"http2_protocol_options": {}})
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(socket)}}}}
    config["static_resources"]["clusters"].append(
        {
            "name": SERVICES,
            "type": "STATIC",
            "typed_extension_protocol_options": {OPTIONS: to_json(http)},
            "load_assignment": {"cluster_name": SERVICES, "endpoints": [{"lb_endpoints": [endpoint]}]},
        }
    )
    with running(config) as gateway:
        yield gateway


class PrivateRedis:
    """A Redis on a Unix socket that nobody else uses; it can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        server = shutil.which("redis-server")
        assert server, "these tests need redis-server (apt-get install redis-server)"
        command = [server, "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir", self.socket.parent]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "eady to accept connections" in line:
                return
        raise AssertionError("redis-server ended")

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


@contextmanager
def private_redis() -> Iterator[PrivateRedis]:
    with TemporaryDirectory() as folder:
        redis = PrivateRedis(Path(folder))
        redis.start()
        try:
            yield redis
        finally:
            redis.stop()
