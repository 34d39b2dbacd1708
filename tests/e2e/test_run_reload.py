"""Reloading: what is served follows the files, never loses a request and never gets worse by a mistake."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from running import DEADLINE, Running, gateway, join, run_manifests, served_by, services

from anygate.runner.inputs import Inputs


def route(backend: str, name: str = "shop", path: str = "/", kind: str = "PathPrefix") -> str:
    return f"""
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {{name: {name}}}
    spec:
      parentRefs: [{{name: web}}]
      rules:
      - matches: [{{path: {{type: {kind}, value: "{path}"}}}}]
        backendRefs: [{{name: {backend}, port: 80}}]
    """


ONE = join(gateway(), services("one"), route("one"))
TWO = join(gateway(), services("two"), route("two"))


@pytest.fixture
def running() -> Iterator[Running]:
    with run_manifests(ONE, ports=(80, 81)) as found:
        yield found


def ask(running: Running, path: str = "/", port: int = 80) -> str:
    return served_by(httpx2.get(running.url(port) + path, timeout=DEADLINE))


class Hammer:
    """Clients that ask without a pause. `answers` counts them; anything but 200 is kept in `failures`."""

    def __init__(self, url: str, clients: int = 6) -> None:
        self.answers = 0
        self.backends: set[str] = set()
        self.failures: list[str] = []
        self._url = url
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(clients)]

    def __enter__(self) -> "Hammer":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(DEADLINE)

    def _ask(self, number: int) -> None:
        # Every other client takes a new connection for each request.
        keep = httpx2.Limits(max_keepalive_connections=0 if number % 2 else 1)
        with httpx2.Client(limits=keep, timeout=DEADLINE) as client:
            while not self._over.is_set():
                try:
                    answer = client.get(self._url)
                except httpx2.HTTPError as problem:
                    self.failures.append(repr(problem))
                    continue
                self.answers += 1
                self.backends.add(served_by(answer))
                if answer.status_code != 200:
                    self.failures.append(f"{answer.status_code} {answer.text}")


def test_no_request_fails_while_routes_change(running: Running) -> None:
    with Hammer(running.url()) as hammer:
        for turn in range(20):
            name = f"s{turn}"
            listener = f"name: http, port: 80, protocol: HTTP, hostname: '*.test{turn}'"
            more = gateway("name: http, port: 80, protocol: HTTP", listener.replace("http", "more"))
            running.write(join(more, services(name), route(name, name=f"r{turn % 3}")))
            running.await_word("reloaded")
            assert ask(running) == name
    assert hammer.failures == []
    assert hammer.answers > 100
    assert {"s5", "s10", "s15"} <= hammer.backends


def test_listeners_come_and_go(running: Running) -> None:
    both = gateway("name: http, port: 80, protocol: HTTP", "name: more, port: 81, protocol: HTTP")
    for _ in range(3):
        running.write(join(both, services("one"), route("one")))
        word = running.await_word("reloaded")
        assert f"+  {running.url(81)}  *  1  default/web" in word
        assert ask(running, port=81) == "one"
        running.write(ONE)
        word = running.await_word("reloaded")
        assert f"-  {running.url(81)}  *  1  default/web" in word
        assert ask(running) == "one"
        with pytest.raises(httpx2.ConnectError):
            ask(running, port=81)


def test_a_gateway_takes_over_the_port_of_another(running: Running) -> None:
    for name in ("other", "web"):
        running.write(join(gateway(name=name), services("one"), route("one").replace("name: web", f"name: {name}")))
        running.await_word("reloaded")
        assert ask(running) == "one"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (ONE + "---\nkind: [half", "yaml-syntax"),
        (ONE.replace("PathPrefix", "PathPrefx"), ""),
        (ONE.replace("name: one, port: 80", "name: gone, port: 80"), "backend-not-found"),
        ("", "nothing-to-serve"),
        (services("one"), "nothing-to-serve"),
    ],
)
def test_a_mistake_keeps_the_last_good_configuration(running: Running, text: str, rule: str) -> None:
    running.write(text)
    assert running.await_word("not reloaded") == "not reloaded: the last good configuration keeps serving"
    assert rule in ("", *running.rules())
    assert any(found.span for found in running.findings) or not text or rule == "nothing-to-serve"
    assert ask(running) == "one"
    running.write(TWO)
    running.await_word("reloaded")
    assert ask(running) == "two"


def test_stubs_outlive_a_mistake(running: Running) -> None:
    """A refused reload must not retire what the served configuration still needs."""
    running.session.stubs._grace = 0.0
    running.write(TWO.replace("PathPrefix", "PathPrefx"))
    running.await_word("not reloaded")
    running.write(TWO + "---\nkind: [half")
    running.await_word("not reloaded")
    assert ask(running) == "one"


def test_mistakes_that_were_served_do_not_hold_a_reload() -> None:
    broken = route("gone", name="broken", path="/broken")
    with run_manifests(ONE, broken) as running:
        assert ask(running) == "one"
        assert ask(running, "/broken") == "500"
        running.write(join("# moved down by a line", TWO, broken))
        running.await_word("reloaded")
        assert ask(running) == "two"
        assert running.rules().count("backend-not-found") == 1  # told once
        second = route("gone", name="second", path="/second")
        told = len(running.findings)
        running.write(join(ONE, broken, second))
        running.await_word("not reloaded")
        assert ask(running) == "two"
        # Nothing of what was there before stands between the reader and what is to blame.
        assert [str(found.object) for found in running.findings[told:]] == ["HTTPRoute/default/second"]


def test_a_deleted_file(running: Running) -> None:
    running.path.unlink()
    word = running.await_word("error: ")
    assert "in.yaml: no such file or folder\nnot reloaded" in word
    assert ask(running) == "one"
    running.write(TWO)
    running.await_word("reloaded")
    assert ask(running) == "two"


def test_a_file_written_in_place(running: Running) -> None:
    running.path.write_text(TWO)
    running.await_word("reloaded")
    assert ask(running) == "two"


def test_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "gateway.yaml").write_text(gateway_text := join(gateway(), services("one", "two")))
    (folder / "route.yaml").write_text(join(route("one")))
    with run_manifests("", path=folder) as running:
        assert ask(running) == "one"
        deep = folder / "deep"
        deep.mkdir()
        (deep / "more.yml").write_text(join(route("two", "more", "/more")))
        running.await_word("reloaded")
        assert ask(running, "/more") == "two"
        (folder / "notes.txt").write_text(gateway_text)
        (folder / "route.yaml").rename(folder / "renamed.yaml")
        (folder / "renamed.yaml").write_text(join(route("two")))
        running.await_word("reloaded")
        assert ask(running) == "two"
        (deep / "more.yml").unlink()
        running.await_word("reloaded")
        assert ask(running, "/more") == "two"
        assert ask(running) == "two"


def test_a_taken_port_holds_a_reload(running: Running) -> None:
    import socket

    with socket.create_server(running.address(81)):
        both = gateway("name: http, port: 80, protocol: HTTP", "name: more, port: 81, protocol: HTTP")
        running.write(join(both, services("two"), route("two")))
        assert "cannot listen on" in running.await_word("error: ")
        assert ask(running) == "one"
    running.write(TWO)
    running.await_word("reloaded")
    assert ask(running) == "two"


def test_what_envoy_refuses_is_reported_on_its_object(running: Running) -> None:
    """Our checks let this pattern pass, and RE2 finds it too large."""
    large = route("two", "large", "/(a{500}){500}", "RegularExpression")
    running.write(join(TWO, large))
    running.await_word("reloaded in part")
    (found,) = [found for found in running.findings if found.rule == "envoy-refused"]
    assert found.span is not None
    assert found.span.file.name == str(running.path)
    assert "a{500}" in found.span.file.line(found.span.line)
    assert found.object is not None
    assert found.object.name == "large"
    assert ask(running) == "one"
    running.write(TWO)
    running.await_word("reloaded")
    assert ask(running) == "two"


def test_standard_input_is_read_once() -> None:
    from io import BytesIO

    from anygate.diagnostics import Report

    inputs = Inputs(["-"], BytesIO(ONE.encode()))
    first, second = inputs.load(Report()), inputs.load(Report())
    assert first[0].text == second[0].text == ONE
