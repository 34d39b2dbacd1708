"""Envoys with a configuration written by hand, to measure beside those that anygate configures."""

import http.client
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anygate.envoy.binary import executable

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def ask(port: int, path: str = "/", host: str = LOOPBACK, timeout: float = 5.0) -> int:
    """The status that a GET is answered with; 0 when there is no answer."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"host": host})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return 0
    else:
        return answer.status
    finally:
        connection.close()


def wait_for(condition: Callable[[], bool], seconds: float = 60.0, pause: float = 0.002) -> float:
    """Seconds until a condition holds."""
    start = time.perf_counter()
    while not condition():
        if time.perf_counter() - start > seconds:
            raise SystemExit(f"nothing happened within {seconds:g} s")
        time.sleep(pause)
    return time.perf_counter() - start


@contextmanager
def running(config: dict[str, Any], *, concurrency: int = 2) -> Iterator[subprocess.Popen[bytes]]:
    """A plain Envoy with a static configuration; it is ended with the block."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "envoy.json"
        file.write_text(json.dumps(config))
        command = [str(executable()), "--config-path", str(file), "--concurrency", str(concurrency)]
        flags = ["--disable-hot-restart", "--log-level", "error"]
        process = subprocess.Popen([*command, *flags], stdout=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def upstream(port: int, body: str = "hello from upstream") -> dict[str, Any]:
    """The configuration of an Envoy that answers every request by itself."""
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": body}}}
    return {"static_resources": {"listeners": [_listener(port, [{"domains": ["*"], "routes": [route]}])]}}


def forwarding(port: int, target: int, host: str, paths: list[str]) -> dict[str, Any]:
    """The configuration of an Envoy that forwards a few path prefixes of one host: what a careful person writes."""
    routes = [{"match": {"path_separated_prefix": path}, "route": {"cluster": "upstream"}} for path in paths]
    endpoint = {"endpoint": {"address": _address(target)}}
    cluster = {
        "name": "upstream",
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": "upstream", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    listener = _listener(port, [{"domains": [host], "routes": routes}])
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _listener(port: int, hosts: list[dict[str, Any]]) -> dict[str, Any]:
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    }
    connection = {
        "@type": (
            "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
        ),
        "stat_prefix": "plain",
        "route_config": {"virtual_hosts": [{"name": str(number), **host} for number, host in enumerate(hosts)]},
        "http_filters": [router],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": connection}]
    return {"name": "plain", "address": _address(port), "filter_chains": [{"filters": filters}]}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}
