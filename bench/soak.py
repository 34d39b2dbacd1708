"""Memory of each process of `anygate run` over many AI requests of every kind, well behaved and not.

wrk asks for answers and streams, native, with a model override and translated, in turns, until so many have come;
beside it clients hang up midway and send what is no request. A process whose memory grows from the middle of the
run to its end by more than a tenth (and 8 MB) is marked, and the exit code is 1.

wrk: `apt-get install wrk`.
"""

import argparse
import re
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, suppress
from itertools import cycle
from pathlib import Path

import ai
import ai_bodies
import gateway
import plain_envoy
from measure import describe_box, family, render_table, resident

_DONE = re.compile(r"(\d+) requests in")
_KINDS = {"anygate.adapter": "adapter", "anygate.services": "services", "--config-path": "Envoy", "anygate": "run"}
_MIB = 1 << 20
_ALLOWED = 8 * _MIB
_READINGS = 10


def main() -> int:
    """Run until so many requests are done and print the memory of each process on the way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    print(describe_box())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        target, port = plain_envoy.free_port(), plain_envoy.free_port()
        stack.enter_context(ai.providing(target))
        (folder / "ai.yaml").write_text(ai.MANIFESTS.format(port=port, target=target))
        usage = ("--usage", str(folder / "usage.db"), "--access-log", str(folder / "access.log"))
        running = stack.enter_context(gateway.running("--concurrency", "2", *usage, folder / "ai.yaml"))
        stopped = threading.Event()
        vandals = threading.Thread(target=_misbehave, args=(port, stopped))
        vandals.start()
        stack.callback(vandals.join)
        stack.callback(stopped.set)
        return _soak(running.process.pid, port, options)


def _soak(pid: int, port: int, options: argparse.Namespace) -> int:
    readings: list[tuple[int, dict[int, int]]] = []
    done = 0
    loads = cycle([(model, stream) for stream in (False, True) for model in ("native", "override", "translated")])
    while done < options.requests:
        done += _load(port, *next(loads), options.connections)
        if done >= len(readings) * options.requests / _READINGS:
            readings.append((done, {one: resident(one)[0] for one in family(pid)}))
    names = {one: _name(one) for one in family(pid)}
    middle, end = readings[len(readings) // 2][1], readings[-1][1]
    grown = {one for one in end if end[one] - middle.get(one, 0) > max(_ALLOWED, middle.get(one, 0) / 10)}
    rows = [
        [names[one], *(f"{reading.get(one, 0) / _MIB:.1f}" for _, reading in readings), "GROWS" if one in grown else ""]
        for one in sorted(end, key=lambda one: names[one])
    ]
    print(render_table(["MB after requests", *(f"{count:,}" for count, _ in readings), ""], rows))
    return 1 if grown else 0


def _load(port: int, model: str, stream: bool, connections: int) -> int:
    """One second of load; how many answers came."""
    body = ai_bodies.chat_request(model, stream=stream).decode()
    kind = "stream" if stream else "unary"
    script = f"""
    wrk.method = "POST"
    wrk.body = [==[{body}]==]
    wrk.headers["content-type"] = "application/json"
    wrk.headers["x-bench"] = "{kind}"
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        url = f"http://{plain_envoy.LOOPBACK}:{port}{ai.PATH}"
        command = ["wrk", "-t1", f"-c{connections}", "-d1s", "-s", file.name, url]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    found = _DONE.search(said)
    if found is None or "Non-2xx" in said:
        raise SystemExit(f"wrk for {model}, {kind}:\n{said}")
    return int(found[1])


def _misbehave(port: int, stopped: threading.Event) -> None:
    """Hang up within a request or an answer, and send what is none, a hundred times a second."""
    bodies = [ai_bodies.chat_request(model, stream=True) for model in ("native", "translated", "nobody")]
    for number in cycle(range(1000)):
        if stopped.wait(0.01):
            return
        body = bodies[number % 3]
        content = body if number % 5 else body[:-9]
        head = f"POST {ai.PATH} HTTP/1.1\r\nhost: a\r\nx-bench: stream\r\ncontent-length: {len(content)}\r\n\r\n"
        sent = head.encode() + content
        with suppress(OSError), socket.create_connection((plain_envoy.LOOPBACK, port), 5) as connection:
            connection.sendall(sent if number % 2 else sent[: len(sent) - number % 200])
            if number % 2:
                connection.recv(100)


def _name(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return f"{next((name for word, name in _KINDS.items() if word in words), 'other')} ({pid})"


if __name__ == "__main__":
    sys.exit(main())
