"""How long `diff_models` takes for tables of many routes, on hosts of their own and all on one host.

Compared are two readings of the same routes, one route of which differs, and routes all of which do. 1,000 routes are
6,000 rows a side. It exits with 1 when 1,000 routes with one difference take more than 3 s of CPU.
"""

import argparse
import sys

from measure import describe_box, measured, median, render_table
from route_sets import SERVICES, render_backend, render_gateway, render_route

from anygate.compiler import read_sources
from anygate.diagnostics import Report, SourceFile
from anygate.diff import diff_models
from anygate.model import Model

SIZES = (100, 1_000, 2_000)
LIMIT = (1_000, 3.0)


def main() -> int:
    """Measure every size and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of routes")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(describe_box())
    rows, slowest = [], 0.0
    for size in options.sizes:
        for one_host in (False, True):
            times = [measure(size, changed, options.rounds, one_host=one_host) for changed in (1, size)]
            hosts = "one" if one_host else f"{size:,}"
            rows.append((f"{size:,}", hosts, *(f"{time:.2f}" for time in times)))
            slowest = max(slowest, times[0]) if size == LIMIT[0] else slowest
    print()
    print(render_table(("routes", "hosts", "one differs, CPU s", "all differ, CPU s"), rows))
    if slowest:
        print(f"\n{LIMIT[0]} routes: {slowest:.2f} s, {LIMIT[1]:.0f} s are allowed")
    return 1 if slowest > LIMIT[1] else 0


def measure(size: int, changed: int, rounds: int, *, one_host: bool) -> float:
    """Seconds of CPU to compare, when so many routes differ."""
    old, new = read(size, 0, one_host=one_host), read(size, changed, one_host=one_host)
    times = []
    for _ in range(rounds):
        with measured() as cost:
            found = diff_models(old, new)
        assert len(found.entries) == changed * 2
        times.append(cost.cpu)
    return median(times)


def read(size: int, changed: int, *, one_host: bool) -> Model:
    """Routes, the first of which have another path."""
    routes = []
    for number in range(size):
        text = render_route(number, changed="/basket" if number < changed else "/cart")
        if one_host:
            text = text.replace(f"shop-{number}.example.com", "shop.example.com").replace(
                "value: /", f"value: /{number}/"
            )
        routes.append(text)
    backends = (render_backend(number) for number in range(min(size, SERVICES)))
    text = "---\n".join((render_gateway(), *backends, *routes))
    return read_sources([SourceFile("routes.yaml", text)], Report()).model


if __name__ == "__main__":
    sys.exit(main())
