"""What a TokenPolicy and a plugin cost: CPU and latency of AI requests, beside the same route without any.

A provider that answers at once, in a process of its own, is behind all of them. Sides: a route to an AIService; the
same with a policy of all three limits, counted in memory and in Redis; the same with a plugin that copies a header, in
Envoy's engine and in the sandbox. wrk makes the load, with a key of its own for all requests; rounds alternate between
the sides. CPU counts every process of a gateway, from /proc, and not that of Redis. Ratios and added times are to the
free route's medians of the same gateway.

wrk and redis-server: `apt-get install wrk redis-server`.
"""

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import ai_bodies
import gateway
import plain_envoy
from ai import providing
from measure import describe_box, median, render_table
from wrk import Load, post

sys.path.append(str(Path(__file__).parents[1] / "tests" / "e2e"))

_GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: web}}
spec: {{gatewayClassName: nantian, listeners: [{{name: http, port: {port}, protocol: HTTP}}]}}
---
apiVersion: gateway.nantian.dev/v1alpha1
kind: AIService
metadata: {{name: gpt}}
spec: {{provider: openai, model: gpt-4o, endpoint: 'http://127.0.0.1:{target}/v1'}}
"""
_ROUTE = """
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}}}
spec:
  parentRefs: [{{name: web}}]
  rules:
  - matches: [{{path: {{value: /{name}}}}}]
    filters: [{{type: URLRewrite, urlRewrite: {{path: {{type: ReplacePrefixMatch, replacePrefixMatch: /}}}}}}]
    backendRefs: [{{group: gateway.nantian.dev, kind: AIService, name: gpt}}]
"""
_POLICY = """
---
apiVersion: gateway.nantian.dev/v1alpha1
kind: TokenPolicy
metadata: {{name: {name}}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: {name}}}]
  tokensPerMinute: 4000000000
  tokensPerHour: 4000000000
  requestsPerMinute: 4000000000
"""
_PLUGIN = """
---
apiVersion: gateway.nantian.dev/v1alpha1
kind: WasmPlugin
metadata: {{name: {name}}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: {name}}}]
  wasm: {{inline: {module}}}
  hooks: [onRequest]
  sandbox: {{maxExecutionTimeMs: 1000}}
"""


@dataclass
class Side:
    """One route of a gateway under load; `free` is the side that it is compared to."""

    name: str
    free: str
    port: int
    pid: int
    path: str


def main() -> int:
    """Run everything and print one table for each load."""
    options = _parse_arguments()
    missing = [program for program in ("wrk", "redis-server") if shutil.which(program) is None]
    if missing:
        print(f"missing: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 3
    print(f"{describe_box()}; 1 Envoy worker each")
    with _serving() as sides:
        for stream in (False, True) if options.streams else (False,):
            for connections in options.connections:
                _show(sides, stream, connections, options)
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of load on each side")
    parser.add_argument("--seconds", type=int, default=2, help="length of a round")
    parser.add_argument("--connections", type=int, nargs="*", default=[1, 32])
    parser.add_argument("--streams", action="store_true", help="also streams of 100 chunks")
    return parser.parse_args()


@contextmanager
def _serving() -> Iterator[list[Side]]:
    import wasm_modules

    target, port, shared_port = (plain_envoy.free_port() for _ in range(3))
    modules = {
        "envoy": wasm_modules.inline(wasm_modules.build_proxy(wasm_modules.MARK)),
        "sandbox": wasm_modules.inline(wasm_modules.build(wasm_modules.COPY)),
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(providing(target))
        text = _GATEWAY.format(port=port, target=target) + "".join(
            _ROUTE.format(name=name) for name in ("free", "limited", *modules)
        )
        text += _POLICY.format(name="limited")
        text += "".join(_PLUGIN.format(name=name, module=module) for name, module in modules.items())
        shared = _GATEWAY.format(port=shared_port, target=target) + _POLICY.format(name="limited")
        shared += "".join(_ROUTE.format(name=name) for name in ("free", "limited"))
        own = _start(stack, folder / "memory.yaml", text, "memory")
        other = _start(stack, folder / "redis.yaml", shared, stack.enter_context(_redis(folder)))
        sides = [
            Side("free", "free", port, own, "free"),
            Side("limited, memory", "free", port, own, "limited"),
            Side("plugin, Envoy's engine", "free", port, own, "envoy"),
            Side("plugin, sandbox", "free", port, own, "sandbox"),
            Side("free, beside Redis", "free, beside Redis", shared_port, other, "free"),
            Side("limited, Redis", "free, beside Redis", shared_port, other, "limited"),
        ]
        for side in sides:
            plain_envoy.wait_for(lambda side=side: _is_served(side))  # type: ignore[misc]
        yield sides


def _start(stack: ExitStack, path: Path, text: str, counters: str) -> int:
    path.write_text(text)
    options = ("--concurrency", "1", "--usage", "off", "--ratelimit", counters)
    return stack.enter_context(gateway.running(*options, path)).process.pid


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    place = folder / "redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", str(place), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        plain_envoy.wait_for(place.exists)
        yield f"unix://{place}"
    finally:
        process.terminate()
        process.wait()


def _is_served(side: Side) -> bool:
    body = ai_bodies.chat_request("any", stream=False)
    head = f"POST /{side.path}/v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
    try:
        with socket.create_connection((plain_envoy.LOOPBACK, side.port), 30) as connection:
            connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            return connection.recv(65536).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def _show(sides: list[Side], stream: bool, connections: int, options: argparse.Namespace) -> None:
    loads: dict[str, list[Load]] = {side.name: [] for side in sides}
    for number in range(options.rounds + 1):
        for side in sides if number % 2 else reversed(sides):
            load = _load(side, stream, connections, options.seconds if number else 1)
            loads[side.name] += [load] if number else []
    found = {name: _middle(own) for name, own in loads.items()}
    rows = []
    for side in sides:
        own, free = found[side.name], found[side.free]
        times = (f"{own.p50:.2f}", f"{own.p50 - free.p50:+.2f}", f"{own.p99:.2f}", f"{own.p99 - free.p99:+.2f}")
        rows.append((side.name, f"{own.cpu:.0f}", f"{own.cpu / free.cpu:.2f}", *times))
    what = "a stream of 100 chunks" if stream else "1 KB in, 1 KB out"
    print(f"\n{what}, {connections} at once, {options.rounds} rounds of {options.seconds} s")
    print(render_table(("", "CPU us/request", "ratio", "p50 ms", "added", "p99 ms", "added"), rows))


def _middle(loads: list[Load]) -> Load:
    return Load(*(median([getattr(one, name) for one in loads]) for name in ("cpu", "p50", "p99")))


def _load(side: Side, stream: bool, connections: int, seconds: int) -> Load:
    headers = {
        "content-type": "application/json",
        "authorization": "Bearer bench",
        "x-bench": "stream" if stream else "unary",
    }
    url = f"http://{plain_envoy.LOOPBACK}:{side.port}/{side.path}/v1/chat/completions"
    body = ai_bodies.chat_request("any", stream=stream)
    return post(url, headers, body, side.pid, connections=connections, seconds=seconds)


if __name__ == "__main__":
    sys.exit(main())
