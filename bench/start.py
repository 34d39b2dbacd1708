"""How long anygate takes to start and what it holds, beside plain Envoy started in the same run.

- from the command `anygate run` to the first 200 through the proxy, and the same for a plain Envoy;
- memory of all processes of an idle `anygate run` together: RSS, and PSS that counts shared pages once;
- `anygate check` on a folder of 20 objects and `anygate --help`, wall and CPU, beside `python -c pass`.

Caches are warm: each command runs once before it is measured. Rounds alternate between the commands; figures are
medians. Without examples/quickstart a small manifest of its own is used.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import gateway
import plain_envoy
import route_sets
from measure import MEGABYTE, describe_box, family, median, render_table, resident

QUICKSTART = Path(__file__).parent.parent / "examples" / "quickstart"
PYTHON = (sys.executable, "-c", "pass")


def main() -> int:
    """Measure the short commands, then the starts."""
    options = _parse_arguments()
    print(describe_box())
    with tempfile.TemporaryDirectory() as name:
        show_commands(Path(name), options.rounds)
    with tempfile.TemporaryDirectory() as name:
        show_starts(Path(name), options)
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--manifests", type=Path, help="what to run instead of examples/quickstart")
    parser.add_argument("--url", help="host:port/path of a request that --manifests answer with 200")
    return parser.parse_args()


def show_commands(folder: Path, rounds: int) -> None:
    """The commands that run and end."""
    route_sets.write_folder(folder, route_sets.render_folder(6))  # 2 + 6 x 3 objects
    commands = {
        "python -c pass": PYTHON,
        "anygate --help": (*gateway.COMMAND, "--help"),
        "anygate check (20 objects)": (*gateway.COMMAND, "check", str(folder)),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            found = _time_command(command)
            times[name] += [found] if number else []
    rows = [
        (name, f"{median([wall for wall, _ in found]):.3f}", f"{median([cpu for _, cpu in found]):.3f}")
        for name, found in times.items()
    ]
    print()
    print(render_table(("command", "wall s", "CPU s"), rows))


def _time_command(command: Sequence[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a command."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=gateway.environment())
    wall, after = time.perf_counter() - start, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, used


def show_starts(folder: Path, options: argparse.Namespace) -> None:
    """From the command to the first answer, and the memory of what then runs."""
    starts: dict[str, Callable[[], _Start]] = {
        "plain Envoy, one route": _start_plain,
        "anygate run, one route": lambda: _start_small(folder),
    }
    if options.manifests:
        starts[f"anygate run {options.manifests}"] = lambda: _start_run([str(options.manifests)], options.url)
    elif any(QUICKSTART.glob("*.yaml")):
        starts["anygate run examples/quickstart"] = lambda: _start_run(["--stub=all", str(QUICKSTART)], _quickstart())
    found: dict[str, list[_Start]] = {name: [] for name in starts}
    for number in range(options.rounds + 1):
        for name, start in starts.items():
            one = start()
            found[name] += [one] if number else []
    rows = [
        (
            name,
            f"{median([one.seconds for one in all_of]):.2f}",
            f"{median([one.rss for one in all_of]) / MEGABYTE:.0f}",
            f"{median([one.pss for one in all_of]) / MEGABYTE:.0f}",
            ", ".join(f"{part} {size / MEGABYTE:.0f}" for part, size in all_of[-1].parts),
        )
        for name, all_of in found.items()
    ]
    print()
    print(render_table(("start", "first 200, s", "RSS MB", "PSS MB", "PSS by process"), rows))


class _Start:
    """One start: seconds to the first answer, and the memory of all processes once idle."""

    def __init__(self, seconds: float, pid: int) -> None:
        self.seconds = seconds
        time.sleep(0.3)
        self.rss = self.pss = 0
        self.parts: list[tuple[str, int]] = []
        for member in family(pid):
            rss, pss = resident(member)
            self.rss += rss
            self.pss += pss
            self.parts.append((Path(f"/proc/{member}/comm").read_text().strip(), pss))


def _start_plain() -> _Start:
    port, target = plain_envoy.free_port(), plain_envoy.free_port()
    config = plain_envoy.forwarding(port, target, plain_envoy.LOOPBACK, ["/items"])
    with plain_envoy.running(plain_envoy.upstream(target)):
        plain_envoy.wait_for(lambda: plain_envoy.ask(target) == 200)
        begun = time.perf_counter()
        with plain_envoy.running(config) as envoy:
            plain_envoy.wait_for(lambda: plain_envoy.ask(port, "/items") == 200)
            return _Start(time.perf_counter() - begun, envoy.pid)


def _start_small(folder: Path) -> _Start:
    port, target = plain_envoy.free_port(), plain_envoy.free_port()
    (folder / "all.yaml").write_text(route_sets.render_file(1, port=port, target=target))
    with plain_envoy.running(plain_envoy.upstream(target)):
        plain_envoy.wait_for(lambda: plain_envoy.ask(target) == 200)
        return _start_run([str(folder)], f"shop-0.example.com:{port}/items")


def _start_run(arguments: list[str], url: str) -> _Start:
    where, _, path = url.partition("/")
    host, _, port = where.rpartition(":")
    running = gateway.Gateway(*arguments)
    try:
        plain_envoy.wait_for(lambda: running.is_over or plain_envoy.ask(int(port), f"/{path}", host) == 200)
        if running.is_over:
            raise SystemExit(f"anygate run ended:\n{running.said}")
        return _Start(time.perf_counter() - running.started, running.process.pid)
    finally:
        running.stop()


def _quickstart() -> str:
    """The host, port and path of a request that the quickstart answers."""
    from anygate.compiler import compile_sources
    from anygate.diagnostics import Report
    from anygate.manifests import load_sources
    from anygate.model.route_table import virtual_hosts

    gateways = compile_sources(load_sources([str(QUICKSTART)], Report())).model.gateways
    listener = next(one for each in gateways for one in each.listeners if one.servers[0].protocol == "http")
    hosts = virtual_hosts([server for server in listener.servers if server.protocol == "http"])
    for host in hosts:
        for row in host.rows:
            plain = row.match is None or not (
                row.match.headers or row.match.query or row.match.method not in ("", "GET")
            )
            if plain:
                path = row.match.path.value if row.match is not None and row.match.path else "/"
                port = listener.port if listener.port >= 1024 else listener.port + 10_000
                return f"{host.domain.replace('*', 'any')}:{port}{path}"
    raise SystemExit("the quickstart has no route that a plain GET takes")


if __name__ == "__main__":
    sys.exit(main())
