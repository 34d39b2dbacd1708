"""One changed route under a running Envoy: how long until it answers, and how much of that is Envoy's own time.

Part of `bench/compile.py --envoy`. The first table goes the whole way through `anygate run`: a file is saved, the new
path answers. The second hands two snapshots straight to an ADS server with Envoy connected, without any compile
between them: what is left is transfer and Envoy.
"""

import asyncio
import tempfile
import time
from pathlib import Path

import compile as sizes
import gateway
import plain_envoy
from measure import Cost, cpu_seconds, median, render_table

from anygate.compiler import compile_sources
from anygate.diagnostics import Report
from anygate.envoy.placement import Placement, Socket
from anygate.envoy.snapshot import ROUTES, Snapshot
from anygate.manifests import load_sources
from anygate.proxy.bootstrap import build_bootstrap
from anygate.proxy.envoy import LocalEnvoy
from anygate.proxy.run_folder import RunFolder
from anygate.xds.server import AdsServer


def show(size: int, rounds: int) -> None:
    """Print both tables."""
    rows = [
        (layout, f"{found.first:.2f}", f"{found.answered:.2f}", f"{found.settled:.2f}")
        for layout in ("file", "folder")
        if (found := measure_run(size, layout, rounds))
    ]
    print(f"\nanygate run with {size:,} routes: start, and one changed route (from save)")
    print(render_table(("layout", "start s", "answers s", "settled s"), rows))
    costs = [(f"{count:,}", *asyncio.run(_measure_delivery(count, rounds))) for count in (size // 10, size)]
    print("\nEnvoy and transfer alone: one RouteConfiguration published until Envoy has taken it over")
    lines = [
        (count, f"{length / 1e6:.1f}", f"{cost.wall:.3f}", f"{cost.cpu:.3f}", f"{first:.2f}")
        for count, length, first, cost in costs
    ]
    print(render_table(("routes", "MB", "wall s", "Envoy CPU s", "all at first s"), lines))


class _Served:
    """What one `anygate run` took, in seconds."""

    def __init__(self, first: float, answered: float, settled: float) -> None:
        self.first, self.answered, self.settled = first, answered, settled


def measure_run(size: int, layout: str, rounds: int) -> _Served:
    """Start once, then change one route back and forth."""
    port, target = plain_envoy.free_port(), plain_envoy.free_port()
    answered, settled = [], []
    with tempfile.TemporaryDirectory() as name, plain_envoy.running(plain_envoy.upstream(target)):
        folder = Path(name)
        sizes.write(folder, size, layout, port=port, target=target)
        with gateway.running(folder) as running:
            first = running.wait_for("ready") - running.started
            host = f"shop-{size // 2}.example.com"
            for number in range(1, rounds + 1):
                path = f"/path-{number}"
                assert plain_envoy.ask(port, path, host) == 404
                saved = time.perf_counter()
                _replace_path(folder, size, layout, path)
                written = time.perf_counter()
                plain_envoy.wait_for(lambda path=path: plain_envoy.ask(port, path, host) == 200)  # type: ignore[misc]
                answered.append(time.perf_counter() - written)
                settled.append(running.wait_for("reloaded", times=number) - written)
                assert written > saved
    return _Served(first, median(answered), median(settled))


def _replace_path(folder: Path, size: int, layout: str, path: str) -> None:
    """Write another path into the route in the middle, in one go as editors do."""
    file = folder / ("all.yaml" if layout == "file" else f"shop-{size // 2:05}.yaml")
    head, found, tail = file.read_text().partition(f"  name: shop-{size // 2}\n")
    before, key, after = tail.partition("type: Exact, value: ")
    fresh = file.with_suffix(".new")
    fresh.write_text(head + found + before + key + path + after[after.index("}") :])
    fresh.replace(file)


async def _measure_delivery(size: int, rounds: int) -> tuple[int, float, Cost]:
    """Bytes of the RouteConfiguration, seconds for everything at first, and the cost of one that changed."""
    port = plain_envoy.free_port()
    snapshots = _snapshots(size, port)
    costs = []
    with RunFolder() as folder:
        server = AdsServer()
        await server.start(f"unix:{folder.xds_socket}")
        envoy = LocalEnvoy(folder, build_bootstrap(xds=folder.xds_socket, admin=folder.admin_socket))
        try:
            await envoy.start()
            begun = time.perf_counter()
            await server.applied(server.publish(snapshots[0]))
            first = time.perf_counter() - begun
            for number in range(1, 2 * rounds + 1):
                assert envoy.pid is not None
                used, begun = cpu_seconds([envoy.pid]), time.perf_counter()
                await server.applied(server.publish(snapshots[number % 2]))
                costs.append(Cost(time.perf_counter() - begun, cpu_seconds([envoy.pid]) - used))
        finally:
            await envoy.stop()
            await server.stop()
    length = max(len(one.body) for one in snapshots[0][ROUTES].values())
    return length, first, Cost(median([one.wall for one in costs]), median([one.cpu for one in costs]))


def _snapshots(size: int, port: int) -> list[Snapshot]:
    """Two snapshots that differ in one route."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes.write(folder, size, "file", port=port)
        placement = Placement(sockets={f"default/web/{port}": Socket(plain_envoy.LOOPBACK, port)})
        first = compile_sources(load_sources([str(folder)], Report()), placement).snapshot
        sizes.change(folder, size, "file", longer=True)
        return [first, compile_sources(load_sources([str(folder)], Report()), placement).snapshot]
