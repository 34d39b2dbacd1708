"""`anygate run` as a process: its streams, its signals, its exit codes, and what it leaves behind."""

import os
import resource
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import pytest
from program import DEADLINE, Program, await_end, program
from running import find_offset, gateway, join, served_by, services

from anygate.proxy.run_folder import RunFolder

EXAMPLES = Path(__file__).parents[2] / "examples"
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec: {parentRefs: [{name: web}], rules: [{backendRefs: [{name: shop, port: 8080}]}]}
"""
SHOP = join(gateway(), services("shop", port=8080), ROUTE)


@pytest.fixture
def offset() -> int:
    return find_offset([80])


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for run folders; the path of pytest's own is too long for Unix sockets."""
    with TemporaryDirectory(prefix="e2e-") as made:
        yield Path(made)


@pytest.fixture
def running(offset: int, folder: Path) -> Iterator[Program]:
    options = ("run", "--stub", "-", f"--port-offset={offset}")
    with program(*options, stdin=SHOP, XDG_RUNTIME_DIR=str(folder)) as started:
        started.out.await_line("ready")
        yield started


def get(offset: int, **headers: str) -> httpx2.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.get(f"http://127.0.0.1:{80 + offset}/", headers=sent, timeout=DEADLINE)


def test_table_then_ready(running: Program, offset: int) -> None:
    url = f"http://127.0.0.1:{80 + offset}"
    assert "".join(running.out.seen).splitlines() == [
        f"{'URL'.ljust(len(url))}  HOST  ROUTES  GATEWAY",
        f"{url}  *     1       default/web, port 80 in the manifest",
        "",
        "BACKEND            IS    AT",
        "shop.default:8080  stub",
        "",
        "ready",
    ]
    assert served_by(get(offset)) == "shop"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_requests_in_flight_finish(
    running: Program, offset: int, folder: Path, number: signal.Signals
) -> None:
    (envoy,) = running.children
    with ThreadPoolExecutor(1) as pool:
        # The second answer cannot start before the first request is in Envoy.
        slow = pool.submit(get, offset, x_stub_delay="1s")
        get(offset)
        await_requests(folder, 1)
        running.signal(number)
        assert served_by(slow.result(DEADLINE)) == "shop"
    assert running.await_exit() == 0
    await_end(envoy)
    assert running.err.rest() == ""
    assert list(folder.iterdir()) == []


def test_a_second_signal_ends_it_at_once(running: Program, offset: int, folder: Path) -> None:
    (envoy,) = running.children
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(get, offset, x_stub_delay="60s")
        await_requests(folder, 1)
        running.signal(signal.SIGINT)
        await_closed(offset)
        running.signal(signal.SIGINT)
        assert running.await_exit() == 130
        with pytest.raises(httpx2.TransportError):
            slow.result(DEADLINE)
    await_end(envoy)
    assert list(folder.iterdir()) == []


def test_envoy_never_outlives_a_killed_run(running: Program, offset: int, folder: Path) -> None:
    (envoy,) = running.children
    running.signal(signal.SIGKILL)
    running.await_exit()
    await_end(envoy)
    (left,) = folder.iterdir()
    living = folder / "anygate-young"  # without a lock, as a folder that is just being made
    living.mkdir()
    options = ("run", "--stub", "-", f"--port-offset={offset}")
    with program(*options, stdin=SHOP, XDG_RUNTIME_DIR=str(folder)) as again:
        again.out.await_line("ready")
        assert not left.exists()
        assert living.exists()
        assert served_by(get(offset)) == "shop"


def test_stale_folders_of_living_runs_stay(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    with RunFolder() as first, RunFolder() as second:
        assert first.path.is_dir()
        assert second.path.is_dir()


@pytest.mark.parametrize("length", [60, 75, 90, 120])
def test_a_runtime_folder_with_a_long_path(folder: Path, offset: int, length: int) -> None:
    """Where no Unix socket fits, sockets are elsewhere."""
    deep = folder / ("x" * (length - len(str(folder)) - 1))
    deep.mkdir()
    options = ("run", "--stub", "-", f"--port-offset={offset}")
    with program(*options, stdin=SHOP, XDG_RUNTIME_DIR=str(deep)) as started:
        started.out.await_line("ready")
        assert served_by(get(offset)) == "shop"


def test_a_killed_envoy_comes_back(running: Program, offset: int) -> None:
    (envoy,) = running.children
    os.kill(envoy, signal.SIGKILL)
    running.err.await_line("Envoy was ended by SIGKILL")
    await_end(envoy)
    with httpx2.Client(transport=httpx2.HTTPTransport(retries=40), timeout=DEADLINE) as client:
        assert served_by(client.get(f"http://127.0.0.1:{80 + offset}/")) == "shop"
    assert running.children != [envoy]


def test_a_taken_port_names_who_has_it(offset: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 80 + offset))
        taken.listen()
        with program("run", "--stub", "-", f"--port-offset={offset}", stdin=SHOP) as started:
            assert started.await_exit() == 3
            errors = started.err.rest()
    where = f"127.0.0.1:{80 + offset}/tcp"
    assert f"error: cannot listen on {where}: address already in use by " in errors
    assert f"({os.getpid()})" in errors
    assert "hint: choose other ports with --port-offset" in errors


def test_two_runs_do_not_share_a_port(running: Program, offset: int) -> None:
    with program("run", "--stub", "-", f"--port-offset={offset}", stdin=SHOP) as second:
        assert second.await_exit() == 3
        assert "cannot listen on" in second.err.rest()
    assert served_by(get(offset)) == "shop"


def test_access_log_on_standard_output(offset: int) -> None:
    options = ("run", "--stub", "-", f"--port-offset={offset}", "--access-log=-")
    with program(*options, stdin=SHOP) as started:
        started.out.await_line("ready")
        get(offset)
        assert started.out.await_line("{").startswith("{")


def test_access_log_of_the_manifests_on_standard_output() -> None:
    example = EXAMPLES / "app-mesh" / "api-versions"
    text = "---\n".join(file.read_text() for file in sorted(example.iterdir()))
    log = '  logging: {accessLog: {file: {path: /dev/stdout, format: {text: "%PROTOCOL% %RESPONSE_CODE%\\n"}}}}\n'
    offset = find_offset([8080])
    options = ("run", "--stub", "-", f"--port-offset={offset}")
    with program(*options, stdin=text.replace("  listeners:\n", f"{log}  listeners:\n", 1)) as started:
        started.out.await_line("ready")
        httpx2.get(f"http://127.0.0.1:{8080 + offset}/v3", timeout=DEADLINE)
        assert started.out.await_line("HTTP/1.1") == "HTTP/1.1 404\n"


def test_gateways_that_want_one_port(offset: int) -> None:
    other = gateway(name="other")
    route = ROUTE.replace("name: web", "name: other").replace("name: shop}\n", "name: two}\n")
    options = ("run", "--stub=all", "-", f"--port-offset={offset}")
    with program(*options, stdin=join(SHOP, other, route)) as started:
        started.out.await_line("ready")
        for address in ("127.0.0.1", "127.0.0.2"):
            assert served_by(httpx2.get(f"http://{address}:{80 + offset}/")) == "shop"


def test_resolved_backends(offset: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        port = server.getsockname()[1]
        server.settimeout(DEADLINE)
        pool.submit(_answer_once, server)
        words = ("run", "-", f"--port-offset={offset}", f"--resolve=shop=127.0.0.1:{port}", "--resolve=nobody=[::1]:1")
        with program(*words, stdin=SHOP) as started:
            assert started.out.await_line("shop.default").split() == [
                "shop.default:8080",
                "resolved",
                f"127.0.0.1:{port}",
            ]
            started.out.await_line("ready")
            started.err.await_line("warning: --resolve nobody: no backend has this name and port")
            assert get(offset).text == "real"
            assert "no-endpoints" not in "".join(started.err.seen)


def test_missing_endpoints_without_stubs(offset: int) -> None:
    with program("run", "-", f"--port-offset={offset}", stdin=SHOP) as started:
        started.err.await_line("note[no-endpoints]")
        started.out.await_line("ready")
        assert get(offset).status_code == 503


def _answer_once(server: socket.socket) -> None:
    channel, _ = server.accept()
    with channel:
        channel.recv(65_536)
        channel.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nreal")


def await_requests(folder: Path, count: int) -> None:
    """Wait until Envoy has this many requests in flight, as its admin interface tells."""
    (socket_path,) = folder.glob("anygate-*/admin.sock")
    transport = httpx2.HTTPTransport(uds=str(socket_path))
    with httpx2.Client(transport=transport, base_url="http://admin", timeout=DEADLINE) as admin:
        while True:
            text = admin.get("/stats", params={"filter": "^http\\.default.*downstream_rq_active$"}).text
            if sum(int(line.rpartition(": ")[2]) for line in text.splitlines()) >= count:
                return


def await_closed(offset: int) -> None:
    """Wait until nobody accepts connections."""
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", 80 + offset)):
                return


def test_more_stubs_than_the_shell_allows_files(offset: int) -> None:
    """The soft limit of open files is raised, for each stub takes one."""
    names = [f"s{number}" for number in range(200)]
    routes = [ROUTE.replace("{name: shop", f"{{name: {name}").replace("8080", "80") for name in names]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        text = join(gateway(), services(*names), *routes)
        with program("run", "--stub", "-", f"--port-offset={offset}", stdin=text) as started:
            started.out.await_line("and 175 more")
            started.out.await_line("ready")
            assert get(offset).status_code == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
