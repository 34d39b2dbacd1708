"""CPU, latency and time to first byte of AI requests through `anygate run`, beside a plain Envoy in the same run.

A provider that answers at once, in a process of its own, is behind all of them; a stream is 100 events, each written
by itself. Sides: a plain Envoy that only forwards; the native path (routed by the model in the body, usage counted);
the same with a model override; the translated path, OpenAI's chat for the client and Anthropic's messages for the
provider. wrk makes the load; rounds alternate between the sides. CPU counts every process of a gateway, from /proc.
Ratios are to the plain Envoy's medians; below 1 is cheaper. Other gateways stand beside them with `--peers`, where
PyPI has them.

wrk: `apt-get install wrk`.
"""

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import ai_bodies
import ai_peers
import gateway
import plain_envoy
from measure import describe_box, family, median, render_table, resident
from wrk import Load, post

PATH = "/v1/chat/completions"

MANIFESTS = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: ai}}
spec: {{gatewayClassName: envoy, listeners: [{{name: http, port: {port}, protocol: HTTP}}]}}
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {{name: models}}
spec:
  parentRefs: [{{name: ai}}]
  llmRequestCosts:
  - {{metadataKey: total, type: TotalToken}}
  rules:
  - matches: [{{headers: [{{name: x-ai-eg-model, value: native}}]}}]
    backendRefs: [{{name: openai}}]
  - matches: [{{headers: [{{name: x-ai-eg-model, value: override}}]}}]
    backendRefs: [{{name: openai, modelNameOverride: gpt-4o-2024-08-06}}]
  - matches: [{{headers: [{{name: x-ai-eg-model, value: translated}}]}}]
    backendRefs: [{{name: anthropic}}]
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIServiceBackend
metadata: {{name: openai}}
spec:
  schema: {{name: OpenAI}}
  backendRef: {{group: gateway.envoyproxy.io, kind: Backend, name: provider}}
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIServiceBackend
metadata: {{name: anthropic}}
spec:
  schema: {{name: Anthropic}}
  backendRef: {{group: gateway.envoyproxy.io, kind: Backend, name: provider}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: provider}}
spec: {{endpoints: [{{ip: {{address: 127.0.0.1, port: {target}}}}}]}}
"""


@dataclass
class Side:
    """One gateway under load: where it listens, whose CPU counts, and which model to ask for."""

    name: str
    port: int
    pid: int
    model: str
    headers: dict[str, str] = field(default_factory=dict)


def main() -> int:
    """Run everything and print one table for each load."""
    options = _parse_arguments()
    if shutil.which("wrk") is None:
        print("wrk is missing: apt-get install wrk", file=sys.stderr)
        return 3
    print(f"{describe_box()}; {options.workers} Envoy workers")
    with ExitStack() as stack:
        sides = list(stack.enter_context(_serving(options)))
        for stream in (False, True):
            for connections in options.connections:
                _show(sides, stream, connections, options)
            _show_first_bytes(sides, stream, options)
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of load on each side")
    parser.add_argument("--seconds", type=int, default=3, help="length of a round")
    parser.add_argument("--connections", type=int, nargs="*", default=[1, 32, 256])
    parser.add_argument("--workers", type=int, default=1, help="worker threads of each Envoy")
    parser.add_argument("--probes", type=int, default=300, help="requests for the time to first byte")
    parser.add_argument("--peers", action="store_true", help="also start the other gateways that PyPI has")
    return parser.parse_args()


@contextmanager
def _serving(options: argparse.Namespace) -> Iterator[list[Side]]:
    target, plain_port, our_port = (plain_envoy.free_port() for _ in range(3))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(providing(target))
        plain_config = plain_envoy.forwarding(plain_port, target, "*", ["/v1"])
        plain = stack.enter_context(plain_envoy.running(plain_config, concurrency=options.workers))
        (folder / "ai.yaml").write_text(MANIFESTS.format(port=our_port, target=target))
        ours = stack.enter_context(gateway.running("--concurrency", str(options.workers), folder))
        pid = ours.process.pid
        sides = [
            Side("plain Envoy", plain_port, plain.pid, "native"),
            Side("native", our_port, pid, "native"),
            Side("native, override", our_port, pid, "override"),
            Side("translated", our_port, pid, "translated"),
        ]
        if options.peers:
            for peer in ai_peers.starting(stack, folder, target):
                sides.append(Side(peer.name, peer.port, peer.pid, peer.model, peer.headers))
        for side in sides:
            plain_envoy.wait_for(lambda side=side: _ask(side) == 200)  # type: ignore[misc]
        yield sides


@contextmanager
def providing(port: int) -> Iterator[None]:
    script = Path(__file__).with_name("ai_provider.py")
    process = subprocess.Popen([sys.executable, str(script), str(port)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _show(sides: list[Side], stream: bool, connections: int, options: argparse.Namespace) -> None:
    loads: dict[str, list[Load]] = {side.name: [] for side in sides}
    for number in range(options.rounds + 1):
        for side in sides if number % 2 else reversed(sides):
            load = _load(side, stream, connections, options.seconds if number else 2)
            loads[side.name] += [load] if number else []
    plain = median([one.cpu for one in loads[sides[0].name]])
    rows = []
    for side in sides:
        own = loads[side.name]
        cpu = median([one.cpu for one in own])
        times = (median([one.p50 for one in own]), median([one.p99 for one in own]))
        rows.append((side.name, f"{cpu:.0f}", f"{cpu / plain:.2f}", f"{times[0]:.2f}", f"{times[1]:.2f}"))
    what = "a stream of 100 chunks" if stream else "1 KB in, 1 KB out"
    print(f"\n{what}, {connections} at once, {options.rounds} rounds of {options.seconds} s")
    print(render_table(("", "CPU us/request", "ratio", "p50 ms", "p99 ms"), rows))


def _show_first_bytes(sides: list[Side], stream: bool, options: argparse.Namespace) -> None:
    rows = []
    plain = 0.0
    for side in sides:
        found = median(_first_bytes(side, stream, options.probes))
        plain = plain or found
        rss = sum(resident(pid)[1] for pid in family(side.pid)) / 2**20
        rows.append((side.name, f"{found:.2f}", f"{found - plain:+.2f}", f"{rss:.0f}"))
    what = "stream" if stream else "unary"
    print(f"\ntime to first byte, {what}, one at a time, {options.probes} requests")
    print(render_table(("", "p50 ms", "added ms", "memory MB (PSS)"), rows))


def _request(side: Side, stream: bool) -> tuple[dict[str, str], bytes]:
    headers = {"content-type": "application/json", "x-bench": "stream" if stream else "unary", **side.headers}
    return headers, ai_bodies.chat_request(side.model, stream=stream)


def _load(side: Side, stream: bool, connections: int, seconds: int) -> Load:
    """One round of load on one side."""
    headers, body = _request(side, stream)
    url = f"http://{plain_envoy.LOOPBACK}:{side.port}{PATH}"
    return post(url, headers, body, side.pid, connections=connections, seconds=seconds)


def _raw(side: Side, stream: bool) -> bytes:
    headers, body = _request(side, stream)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {PATH} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n{lines}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _ask(side: Side) -> int:
    """The status of one request; 0 when there is no answer."""
    try:
        with socket.create_connection((plain_envoy.LOOPBACK, side.port), 30) as connection:
            connection.sendall(_raw(side, stream=False))
            answer = connection.recv(65536)
    except OSError:
        return 0
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0


def _first_bytes(side: Side, stream: bool, count: int) -> list[float]:
    """Milliseconds from the request to the first byte of its answer, one request after the other."""
    found = []
    wanted = _raw(side, stream)
    for _ in range(count):
        with socket.create_connection((plain_envoy.LOOPBACK, side.port), 30) as connection:
            start = time.perf_counter()
            connection.sendall(wanted)
            connection.recv(1)
            found.append((time.perf_counter() - start) * 1e3)
            while connection.recv(65536):
                pass
    return found


if __name__ == "__main__":
    sys.exit(main())
