"""How long `anygate links` takes for stacks of 100, 500 and 2,000 components, each with a link and several attributes.

One component in ten has three ports, one of them a stream. It prints the time of the generator alone, and the wall and
CPU time of the whole command with an empty folder, and again when everything is up to date. The command must take less
than 2 s for 500 components; it exits with 1 when it does not.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import describe_box, measured, median, render_table

from anygate.diagnostics import Report, SourceFile
from anygate.dialects.apisix.links import generate

SIZES = (100, 500, 2_000)
LIMIT = (500, 2.0)


def main() -> int:
    """Measure every size and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of components")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(describe_box())
    rows, slowest = [], 0.0
    for size in options.sizes:
        runs = [measure(size) for _ in range(options.rounds)]
        generating, first, first_cpu, again = (median([run[place] for run in runs]) for place in range(4))
        rows.append((f"{size:,}", f"{generating:.3f}", f"{first:.3f}", f"{first_cpu:.3f}", f"{again:.3f}"))
        slowest = max(slowest, first) if size == LIMIT[0] else slowest
    print()
    print(render_table(("components", "generate s", "command s", "CPU s", "up to date s"), rows))
    if slowest:
        print(f"\n{LIMIT[0]} components: {slowest:.2f} s, {LIMIT[1]:.0f} s are allowed")
    return 1 if slowest > LIMIT[1] else 0


def measure(size: int) -> tuple[float, float, float, float]:
    """Seconds of the generator, and of the command: wall and CPU at first, wall when there is nothing to do."""
    text = render_stack(size)
    with measured() as cost:
        made = generate(SourceFile("stack.yaml", text), Report())
    assert made is not None
    with tempfile.TemporaryDirectory() as name:
        stack = Path(name) / "stack.yaml"
        stack.write_text(text)
        command = (sys.executable, "-m", "anygate", "links", str(stack), "-o", str(Path(name) / "route"))
        before = os.times()
        first = _time(command)
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return cost.wall, first, cpu, _time(command)


def _time(command: tuple[str, ...]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def render_stack(size: int) -> str:
    """A stack of a size."""
    components, links = [], []
    for number in range(size):
        if number % 10:
            kind = ("fastapi", "grafana", "python", "flowise")[number % 4]
            components.append(f"- {{name: part-{number}, type: {kind}}}\n")
        else:
            kind = "image_base"
            ports = f"    http:8000:TCP\n    grpc:9090:TCP\n    agent:{20000 + number}:TCP:stream\n"
            components.append(f"- name: part-{number}\n  type: {kind}\n  ports: |\n{ports}")
        links.append(
            f"- link: apisix-{kind}\n  to: part-{number}\n  subdomain: part-{number}\n  cors: true\n"
            "  rate_limiting: 200/30s\n  ip_whitelist: 10.0.0.0/8 192.0.2.7\n  max_body_size: 10m\n"
            "  apisix_timeout: |\n    connect: 5s\n    read: 300\n" + ("" if number % 10 else "  route_all: true\n")
        )
    return "domain: lab.example.org\ncomponents:\n" + "".join(components) + "links:\n" + "".join(links)


if __name__ == "__main__":
    sys.exit(main())
