"""Every example is clean, runs, and does what its comments say."""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from program import program, run_anygate
from running import Running, find_offset
from transcript import DEADLINE, Step, check_answer, read_steps, repeat, run_curl, run_netcat

from anygate.cli.app import main
from anygate.cli.settings_source import make_stand_in
from anygate.compiler import compile_sources
from anygate.diagnostics import Report
from anygate.errors import EnvironmentProblem
from anygate.loading import load_manifests

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples"
EXAMPLES = sorted(
    str(one.relative_to(ROOT))
    for one in (*FOLDER.iterdir(), *(FOLDER / "app-mesh").iterdir())
    if (one.is_dir() and one.name != "app-mesh") or one.suffix in (".yaml", ".yml", ".json")
)
REMARKED = {
    "examples/app-mesh/products": ("mesh-not-honoured",),
    "examples/app-mesh/partner-api": (),
    "examples/apisix": ("apisix-no-certificate",),
}
"""Examples with notes: as a manual has them, or more than gateways need; with the warnings that they are known for."""

_ATTEMPTS = 5


@pytest.fixture(autouse=True)
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def read_text(example: str) -> str:
    path = Path(example)
    files = sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
    return "\n".join(file.read_text() for file in files)


def list_ports(example: str) -> set[int]:
    """The ports of listeners."""
    model = compile_sources((*load_manifests([example], Report()), make_stand_in())).model
    return {listener.port for gateway in model.gateways for listener in gateway.listeners}


class Served:
    """A running example, whose ports are not those of its comments."""

    def __init__(self, running: Running, ports: set[int]) -> None:
        self._requests = running.requests
        self._moved = {port if port >= 1024 else port + 10000: port + running.offset for port in ports}

    def place(self, text: str) -> str:
        """Put the ports of a text in their place."""
        return re.sub(r"(?<=[: ])\d{4,5}\b", lambda found: str(self._moved.get(int(found[0]), int(found[0]))), text)

    def run(self, step: Step, capsys: pytest.CaptureFixture[str]) -> None:
        if step.command.startswith("anygate "):
            main(shlex.split(step.command)[1:])
            printed = re.sub(r" +", " ", capsys.readouterr().out)
            assert step.outcome in printed, printed
        elif " nc " in step.command:
            assert run_netcat(self.place(step.command)).strip() == step.outcome
        else:
            outcome = self.place(step.outcome)
            command = self.place(step.command)
            if outcome.startswith("soon "):
                repeat(lambda: self._ask(command, outcome.removeprefix("soon ")))
            else:
                self._ask(command, outcome)

    def _ask(self, command: str, outcome: str) -> None:
        self._list_asked(0)
        check_answer(run_curl(command), outcome, self._list_asked)

    def _list_asked(self, least: int) -> list[str]:
        """The services whose stubs got requests since the last call."""
        asked = []
        while len(asked) < least or not self._requests.empty():
            asked.append(self._requests.get(timeout=DEADLINE).backend.partition(".")[0])
        return asked


@contextmanager
def serve(example: str, ports: set[int]) -> Iterator[Served]:
    """Run an example at other ports."""
    for attempt in range(_ATTEMPTS):
        running = Running(Path(example), find_offset(sorted(ports)))
        try:
            running.start()
            break
        except EnvironmentProblem:
            # Another worker may have taken a port since it was tried.
            if attempt == _ATTEMPTS - 1:
                raise
    try:
        yield Served(running, ports)
    finally:
        running.close()


@pytest.mark.parametrize("example", EXAMPLES)
def test_clean(example: str) -> None:
    report = Report()
    report.extend(compile_sources(load_manifests([example], report)).diagnostics)
    rules = {found.rule for found in report.diagnostics}
    if example in REMARKED:
        rules = {found.rule for found in report.diagnostics if found.severity != "note"}
    assert rules <= {"no-endpoints", *REMARKED.get(example, ())}


@pytest.mark.parametrize("example", EXAMPLES)
def test_does_what_it_says(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = read_text(example)
    steps = read_steps(text)
    assert steps, "an example shows what it does"
    assert example in text
    with serve(example, list_ports(example)) as served:
        for step in steps:
            served.run(step, capsys)


def test_strict_check_passes() -> None:
    done = run_anygate("check", "--strict", *EXAMPLES[:1])
    assert done.returncode == 0, done.stderr


def test_readme_lists_every_example() -> None:
    listed = re.findall(r"\]\(([^)]+)\)", (FOLDER / "README.md").read_text())
    assert sorted(f"examples/{one.rstrip('/')}" for one in listed) == EXAMPLES


def test_new_manifests_run_together() -> None:
    made = [
        run_anygate("new", *words).stdout
        for words in (
            ("gateway", "web"),
            ("httproute", "shop", "--gateway", "web"),
            ("service", "shop"),
        )
    ]
    offset = find_offset([80])
    with program("run", "--stub", f"--port-offset={offset}", "-", stdin="".join(made)) as running:
        running.out.await_line("ready")
        answer = run_curl(f"curl http://127.0.0.1:{80 + offset}/")
    assert (answer.status, answer.headers["x-stub-backend"]) == (200, "shop.default")


def test_new_ai_manifests_run_together() -> None:
    made = [
        run_anygate("new", *words.split()).stdout
        for words in (
            "gateway ai --port 1975",
            "aigatewayroute chat --gateway ai --model gpt-4o",
            "aiservicebackend openai",
            "backendsecuritypolicy openai",
        )
    ]
    offset = find_offset([1975])
    url = f"http://127.0.0.1:{1975 + offset}"
    with program("run", "--stub", f"--port-offset={offset}", "-", stdin="".join(made)) as running:
        running.out.await_line("ready")
        body = '{"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}'
        answer = run_curl(f"curl -d '{body}' {url}/v1/chat/completions")
    assert (answer.status, answer.headers["x-stub-backend"]) == (200, "openai.default")
    assert "".join(running.out.seen).split("\n\n")[1:3] == [
        f"CLIENTS    BASE URL\nOpenAI     {url}/v1\nAnthropic  {url}/anthropic",
        "MODEL   ANSWERED BY\ngpt-4o  openai",
    ]


def test_new_mesh_manifests_run_together() -> None:
    made = [
        run_anygate("new", *words.split()).stdout
        for words in (
            "mesh shop",
            "virtualgateway web",
            "gatewayroute cart --path /cart",
            "virtualservice cart --with router",
            "virtualrouter cart",
            "virtualnode cart",
        )
    ]
    offset = find_offset([8080])
    with program("run", "--stub", f"--port-offset={offset}", "-", stdin="".join(made)) as running:
        running.out.await_line("ready")
        answer = run_curl(f"curl http://127.0.0.1:{8080 + offset}/cart/7")
        missing = run_curl(f"curl http://127.0.0.1:{8080 + offset}/other")
    assert (answer.status, answer.headers["x-stub-backend"], answer.seen["path"]) == (200, "cart.default", "/cart/7")
    assert missing.status == 404
