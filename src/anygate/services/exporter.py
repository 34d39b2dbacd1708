"""The exporter of metrics, where the file of telemetry wants it: it moves when that does."""

import sys
from collections.abc import Awaitable, Callable

from anygate.errors import EnvironmentProblem
from anygate.services.metrics_server import MetricsServer
from anygate.services.telemetry import ExporterPlace


class Exporter:
    """Serves a page at one place or at none. A place that is taken is said, and nothing else suffers from it."""

    def __init__(self, render: Callable[[], Awaitable[bytes]]) -> None:
        self._render = render
        self._place: ExporterPlace | None = None
        self._server: MetricsServer | None = None

    async def move(self, place: ExporterPlace | None) -> None:
        """Serve there from now on; where it could not be served before, try again."""
        if place == self._place and self._server is not None:
            return
        await self.stop()
        self._place = place
        if place is None:
            return
        server = MetricsServer(self._render, place.path)
        try:
            await server.start(place.port, place.address)
        except EnvironmentProblem as problem:
            print(f"warning: {problem}; nothing else depends on them", file=sys.stderr, flush=True)
            return
        self._server = server
        print(f"note: metrics are at {place.url}", file=sys.stderr, flush=True)

    async def stop(self) -> None:
        """Serve nothing."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop()
