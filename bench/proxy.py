"""Requests per second and CPU per request through `anygate run`, beside a plain Envoy configured by hand.

The same Envoy binary with the same number of workers forwards the same requests to the same upstream (a third Envoy
that answers by itself), over loopback. The plain configuration has one route and no extras; `anygate run` has what it
writes for one plain HTTPRoute. wrk makes the load. Rounds alternate between the two so that whatever else the machine
does hits both alike; the ratios compare medians. The CPU time of a request counts every process of the gateway, Envoy
and Python, from /proc, without wrk and the upstream. A ratio above 1 means that anygate is better.

wrk: `apt-get install wrk`, or build https://github.com/wg/wrk.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import gateway
import plain_envoy
import route_sets
from measure import cpu_seconds, describe_box, family, median, render_table

HOST = "shop-0.example.com"
_DONE = re.compile(r"(\d+) requests in")
_RATE = re.compile(r"Requests/sec:\s+([0-9.]+)")


@dataclass
class Load:
    """What one round of load came to."""

    rate: float
    cpu: float
    """Microseconds of CPU time for each request."""


def main() -> int:
    """Run the rounds and print both sides."""
    options = _parse_arguments()
    if shutil.which("wrk") is None:
        print("wrk is missing: apt-get install wrk", file=sys.stderr)
        return 3
    print(f"{describe_box()}; {options.concurrency} workers, {options.connections} connections")
    for path in ("/items/1", "/admin/1"):
        show(path, options)
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of load on each side")
    parser.add_argument("--seconds", type=int, default=4, help="length of a round")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--concurrency", type=int, default=1, help="worker threads of each Envoy")
    parser.add_argument("--routes", type=int, default=1, help="HTTPRoutes in anygate's manifests")
    return parser.parse_args()


def show(path: str, options: argparse.Namespace) -> None:
    """One table for one path: /items is a plain route, /admin sets a request header too."""
    sides = measure(path, options)
    plain, ours = sides["plain Envoy"], sides["anygate run"]
    rows = [
        (name, f"{median([one.rate for one in loads]):,.0f}", f"{median([one.cpu for one in loads]):.1f}")
        for name, loads in sides.items()
    ]
    rate = median([one.rate for one in ours]) / median([one.rate for one in plain])
    cpu = median([one.cpu for one in plain]) / median([one.cpu for one in ours])
    pairs = [one.cpu / other.cpu for one, other in zip(plain, ours, strict=True)]
    what = "a plain route" if path.startswith("/items") else "a route that sets a header (the plain Envoy does not)"
    print(f"\nGET {path}: {what}, {options.rounds} rounds of {options.seconds} s each")
    print(render_table(("", "requests/s", "CPU us/request"), [*rows, ("ratio", f"{rate:.2f}", f"{cpu:.2f}")]))
    print(f"CPU ratio by round: {' '.join(f'{one:.2f}' for one in pairs)}")


def measure(path: str, options: argparse.Namespace) -> dict[str, list[Load]]:
    """Start everything, warm it up, and load both sides in turn."""
    target, plain_port, our_port = (plain_envoy.free_port() for _ in range(3))
    config = plain_envoy.forwarding(plain_port, target, HOST, ["/items", "/admin"])
    with (
        tempfile.TemporaryDirectory() as name,
        plain_envoy.running(plain_envoy.upstream(target), concurrency=1),
        plain_envoy.running(config, concurrency=options.concurrency) as plain,
    ):
        folder = Path(name)
        (folder / "all.yaml").write_text(route_sets.render_file(options.routes, port=our_port, target=target))
        with gateway.running("--concurrency", str(options.concurrency), folder) as running:
            sides = {"plain Envoy": (plain_port, plain.pid), "anygate run": (our_port, running.process.pid)}
            for port, _ in sides.values():
                plain_envoy.wait_for(lambda port=port: plain_envoy.ask(port, path, HOST) == 200)  # type: ignore[misc]
            loads: dict[str, list[Load]] = {side: [] for side in sides}
            for number in range(options.rounds + 1):
                for side, (port, pid) in sides.items():
                    load = _load(port, path, pid, 1 if number == 0 else options.seconds, options.connections)
                    loads[side] += [load] if number else []
    return loads


def _load(port: int, path: str, pid: int, seconds: int, connections: int) -> Load:
    """One round of load on one side."""
    members = family(pid)
    before = cpu_seconds(members)
    url = f"http://{plain_envoy.LOOPBACK}:{port}{path}"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-H", f"Host: {HOST}", url]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    used = cpu_seconds(members) - before
    done, rate = _DONE.search(said), _RATE.search(said)
    if done is None or rate is None or "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"wrk on {url}:\n{said}")
    return Load(float(rate[1]), used / int(done[1]) * 1e6)


if __name__ == "__main__":
    sys.exit(main())
