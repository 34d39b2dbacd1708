"""Load by wrk, and what it costs the processes behind. wrk: `apt-get install wrk`."""

import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass

from measure import cpu_seconds, family

_DONE = re.compile(r"(\d+) requests in")
_PERCENTILE = re.compile(r"^\s+(50|99)%\s+([0-9.]+)(us|ms|s)$", re.MULTILINE)
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass
class Load:
    """One round: microseconds of CPU for a request, and milliseconds at two percentiles."""

    cpu: float
    p50: float
    p99: float


def post(url: str, headers: Mapping[str, str], body: bytes, pid: int, *, connections: int, seconds: int) -> Load:
    """One round of posts; the CPU is that of a process and all its descendants. Every answer has to be a good one."""
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
    script = "\n".join(['wrk.method = "POST"', f"wrk.body = [==[{body.decode()}]==]", *lines])
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        members = family(pid)
        before = cpu_seconds(members)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", file.name, url]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60).stdout
        used = cpu_seconds(members) - before
    done = _DONE.search(said)
    if done is None or "Non-2xx" in said or "Socket errors" in said or not int(done[1]):
        raise SystemExit(f"wrk on {url}:\n{said}")
    times = {name: float(value) * _UNITS[unit] for name, value, unit in _PERCENTILE.findall(said)}
    return Load(used / int(done[1]) * 1e6, times.get("50", 0.0), times.get("99", 0.0))
