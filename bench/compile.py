"""How long manifests take to become Envoy's configuration, and what one changed route costs.

For 100, 1,000 and 10,000 HTTPRoutes (two rules with three matches each and a hostname of their own, sharing 100
Services) it prints wall time, CPU time and the process's peak memory of each stage, from the bytes of the files
to the snapshot, and by how much each grows from one size to the next. Then one route changes: how long the second
compile takes and how many resources differ (it must be one).

Then the same of App Mesh: meshes of 75, 150 and 300 nodes with as many services and routers, each with five routes, and
twice as many gateway routes. And of APISIX: 500 and 5,000 ApisixRoutes with two rules each.

With --envoy, instead, a real Envoy is connected over ADS through `anygate run`: how long from saving the file until the
changed route answers, beside how long Envoy by itself takes for a RouteConfiguration of that size.

Each size runs in a process of its own; figures are medians of --rounds such processes. CPU time is the figure to
compare: wall time suffers from whatever else the machine does.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apisix_sets
import mesh_sets
import route_sets
from measure import MEGABYTE, Cost, describe_box, measured, median, render_table

import anygate.compiler as compiler
from anygate.compiler import CompileCache, Result, compile_sources
from anygate.diagnostics import Report
from anygate.envoy.snapshot import TYPES
from anygate.manifests import load_sources

STAGES = ("load", "YAML", "kinds", "read", "build", "total")
PARTS = {"parse_sources": "YAML", "_read_kinds": "kinds", "_read_model": "read", "build_snapshot": "build"}
"""The compiler's own names for its stages."""
SIZES = (100, 1_000, 10_000)
MESH_SIZES = (75, 150, 300)
APISIX_SIZES = (500, 5_000)
LAYOUTS = {
    "file": "one file",
    "folder": "a folder with a file for each route",
    "mesh": "a mesh of nodes, routers and gateway routes",
    "apisix": "ApisixRoutes in one file",
}


def main() -> int:
    """Run what the command line asks for."""
    options = _parse_arguments()
    if options.child:
        print(json.dumps(measure_once(options.sizes[0], options.layout, options.changed)))
        return 0
    print(describe_box())
    if options.envoy:
        import served_change

        served_change.show(options.sizes[-1], options.rounds)
        return 0
    for layout in ("file", "folder"):
        show_sizes(layout, options.sizes, options.rounds)
    for layout in ("file", "folder"):
        for changed in ("same length", "longer"):
            show_change(layout, changed, options.sizes[-1], options.rounds)
    show_sizes("mesh", options.mesh_sizes, options.rounds)
    show_sizes("apisix", options.apisix_sizes, options.rounds)
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of routes")
    parser.add_argument("--mesh-sizes", type=int, nargs="+", default=MESH_SIZES, help="numbers of nodes")
    parser.add_argument("--apisix-sizes", type=int, nargs="+", default=APISIX_SIZES, help="numbers of ApisixRoutes")
    parser.add_argument("--rounds", type=int, default=3, help="processes per size")
    parser.add_argument("--envoy", action="store_true", help="instead, change one route under a running Envoy")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--layout", choices=[*LAYOUTS], default="file", help=argparse.SUPPRESS)
    parser.add_argument("--changed", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def show_sizes(layout: str, sizes: list[int], rounds: int) -> None:
    """One table: the stages of a first compile at each size."""
    rows = []
    before: dict[str, Cost] = {}
    for size in sizes:
        costs = _medians(size, layout, "", rounds)["first"]
        growths = {stage: costs[stage].cpu / before[stage].cpu if before else 0.0 for stage in STAGES}
        rows += [
            _row(f"{size:,}" if stage == STAGES[0] else "", stage, costs[stage], growths[stage]) for stage in STAGES
        ]
        before = costs
    print(f"\nFirst compile, {LAYOUTS[layout]}")
    print(
        render_table(
            ("nodes" if layout == "mesh" else "routes", "stage", "wall s", "CPU s", "peak MB", "CPU growth"), rows
        )
    )


def _row(size: str, stage: str, cost: Cost, growth: float) -> tuple[str, ...]:
    grown = f"x{growth:.1f}" if growth else ""
    return size, stage, f"{cost.wall:.3f}", f"{cost.cpu:.3f}", f"{cost.peak / MEGABYTE:.0f}", grown


def show_change(layout: str, changed: str, size: int, rounds: int) -> None:
    """One table: the stages of a second compile in which one route differs."""
    found = _medians(size, layout, changed, rounds)
    first, second = found["first"], found["second"]
    rows = [
        (stage, f"{second[stage].wall:.3f}", f"{second[stage].cpu:.3f}", f"{second[stage].cpu / first[stage].cpu:.2f}")
        for stage in STAGES
    ]
    where = "of one file" if layout == "file" else "in a file of its own"
    print(f"\nOne of {size:,} routes changed ({changed} text, {where}); resources that differ: {found['differing']}")
    print(render_table(("stage", "wall s", "CPU s", "of the first"), rows))


def _medians(size: int, layout: str, changed: str, rounds: int) -> dict[str, Any]:
    """Medians over the rounds of what processes of their own measured."""
    runs = [_run_child(size, layout, changed) for _ in range(rounds)]
    found: dict[str, Any] = {"differing": runs[0]["differing"]}
    for which in ("first", "second"):
        found[which] = {stage: _median_cost([run[which][stage] for run in runs if run[which]]) for stage in STAGES}
    return found


def _median_cost(costs: list[dict[str, float]]) -> Cost:
    if not costs:
        return Cost()
    return Cost(
        median([one["wall"] for one in costs]),
        median([one["cpu"] for one in costs]),
        int(median([one["peak"] for one in costs])),
    )


def _run_child(size: int, layout: str, changed: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", "--sizes", str(size), "--layout", layout, "--changed", changed]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def measure_once(size: int, layout: str, changed: str) -> dict[str, Any]:
    """Compile once, and once more after a change if one is asked for."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, size, layout)
        cache = CompileCache()
        compile_sources([], cache=cache)  # imports and Envoy's descriptors are start-up, not compile
        first, result = _compile(folder, cache)
        assert not result.diagnostics, result.diagnostics[0]
        second: dict[str, dict[str, float]] = {}
        differing = 0
        if changed:
            change(folder, size, layout, longer=changed == "longer")
            second, again = _compile(folder, cache)
            differing = count_differing(result, again)
    return {"first": first, "second": second, "differing": differing}


def write(folder: Path, size: int, layout: str, *, port: int = route_sets.GATEWAY_PORT, target: int = 9000) -> None:
    """Write manifests of a size as one file, as one file for each route, or as another dialect's in one file."""
    if layout == "apisix":
        (folder / "all.yaml").write_text(apisix_sets.render_routes(size))
        return
    if layout == "mesh":
        (folder / "all.yaml").write_text(mesh_sets.render_mesh(size, port=port))
        return
    if layout == "file":
        (folder / "all.yaml").write_text(route_sets.render_file(size, port=port, target=target))
        return
    route_sets.write_folder(folder, route_sets.render_folder(size, port=port, target=target))


def change(folder: Path, size: int, layout: str, *, longer: bool) -> None:
    """Change one path of a route in the middle."""
    file = folder / ("all.yaml" if layout == "file" else f"shop-{size // 2:05}.yaml")
    name = f"  name: shop-{size // 2}\n"
    head, found, tail = file.read_text().partition(name)
    assert found
    file.write_text(head + found + tail.replace("/cart", "/basket" if longer else "/crab", 1))


def count_differing(old: Result, new: Result) -> int:
    """How many resources a client that has the old snapshot would be sent."""
    return sum(
        old.snapshot[type_url].get(name) != new.snapshot[type_url].get(name)
        for type_url in TYPES
        for name in {*old.snapshot[type_url], *new.snapshot[type_url]}
    )


def _compile(folder: Path, cache: CompileCache) -> tuple[dict[str, dict[str, float]], Result]:
    costs = {stage: Cost() for stage in STAGES}
    with watched(costs), measured() as total:
        with measured() as loading:
            sources = load_sources([str(folder)], Report())
        result = compile_sources(sources, cache=cache)
    costs["load"], costs["total"] = loading, total
    costs["total"].peak = max(cost.peak for cost in costs.values())
    return {stage: vars(cost) for stage, cost in costs.items()}, result


@contextmanager
def watched(costs: dict[str, Cost]) -> Iterator[None]:
    """Measure the stages of every compile in the block, by standing between the compiler and its parts."""

    def timed(stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            with measured() as cost:
                result = work(*arguments)
            costs[stage] = Cost(
                costs[stage].wall + cost.wall, costs[stage].cpu + cost.cpu, max(costs[stage].peak, cost.peak)
            )
            return result

        return run

    originals = {name: vars(compiler)[name] for name in PARTS}
    vars(compiler).update({name: timed(stage, originals[name]) for name, stage in PARTS.items()})
    try:
        yield
    finally:
        vars(compiler).update(originals)


if __name__ == "__main__":
    sys.exit(main())
