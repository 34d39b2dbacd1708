"""The commands in the comments of an example, and what is said to come of them.

    #   $ curl -H 'Host: shop.example.com' http://127.0.0.1:10080/
    #   -> 200, shop, sees x-env: test, cache-control: no-store

After curl come the status, the stub that answers (`a or b` when chance decides), `sees NAME: VALUE` for what the
stub was sent (also `host` and `path`; `sees no NAME`), and `NAME: VALUE` or `no NAME` for headers of the answer. A
value may end in `...`. `also NAME` is another stub that got the request, `tries: N` how often the stub was asked.
`says TEXT` and `never says TEXT` are about its body. `no answer` means that curl fails. After other commands comes a
part of what they print. `soon` in front of an outcome means that the command may be needed more than once.
`NAME=$(COMMAND)` has no outcome; it is run before each command that has $NAME.
"""

import json
import re
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

DEADLINE = 20.0
_STEP = re.compile(r"^#   \$ (?P<command>.*)\n#   -> (?P<outcome>.*)$", re.MULTILINE)
_SETTING = re.compile(r"(?P<name>\w+)=\$\(.*\)")
_COMMAND = re.compile(r"^#   \$ (.*)$", re.MULTILINE)
_HEADER = re.compile(r"(?P<name>[\w-]+): (?P<value>.*)")


@dataclass(frozen=True)
class Step:
    """A command and its outcome."""

    command: str
    outcome: str


def read_steps(text: str) -> list[Step]:
    """Every command that has an outcome; commands that have none must start the example, or keep what one prints."""
    steps = [Step(found["command"], found["outcome"]) for found in _STEP.finditer(text)]
    others = set(_COMMAND.findall(text)) - {step.command for step in steps}
    settings = {found["name"]: found[0] for other in others if (found := _SETTING.fullmatch(other))}
    others -= set(settings.values())
    assert all(other.startswith("anygate run ") for other in others), others
    return [Step(_set(step.command, settings), step.outcome) for step in steps]


def _set(command: str, settings: Mapping[str, str]) -> str:
    return "; ".join([setting for name, setting in settings.items() if f"${name}" in command] + [command])


def repeat(check: Callable[[], None]) -> None:
    """Make a check until it holds."""
    end = time.monotonic() + DEADLINE
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > end:
                raise


@dataclass
class Answer:
    """What curl got; `status` 0 means that it failed."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def seen(self) -> dict[str, str]:
        """What the stub received, if it is a stub that answered."""
        if "x-stub-backend" not in self.headers or not self.body.startswith(b"{"):
            return {}
        echo = json.loads(self.body)
        sent = {name.lower(): ",".join(values) for name, values in echo["headers"].items()}
        return {**sent, "host": echo["host"], "path": echo["path"]}


def run_curl(command: str) -> Answer:
    """Run a line that ends with a call of curl."""
    with TemporaryDirectory() as folder:
        head, body = Path(folder, "head"), Path(folder, "body")
        options = ["-s", "-m", str(DEADLINE), "-D", head, "-o", body, "-w", "%{http_code}"]
        line = f"{command} {shlex.join(map(str, options))}"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return Answer(0)
        pairs = (line.partition(":") for line in head.read_text().splitlines() if ":" in line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        return Answer(int(done.stdout), headers, body.read_bytes() if body.exists() else b"")


def check_answer(answer: Answer, outcome: str, asked: Callable[[int], Sequence[str]]) -> None:
    """Assert that an answer is as the comment says; `asked` waits for that many requests to stubs."""
    if outcome == "no answer":
        assert answer.status == 0
        return
    status, *rest = outcome.split(", ")
    assert answer.status == int(status), (answer, outcome)
    for claim in rest:
        where: Mapping[str, str] = answer.seen if claim.startswith("sees ") else answer.headers
        words = claim.removeprefix("sees ")
        header = _HEADER.fullmatch(words)
        if words.startswith("never says "):
            assert words.removeprefix("never says ") not in answer.body.decode(), (answer, claim)
        elif words.startswith("says "):
            assert words.removeprefix("says ") in answer.body.decode(), (answer, claim)
        elif words.startswith("also "):
            assert words.removeprefix("also ") in asked(2), claim
        elif words.startswith("tries: "):
            assert len(asked(1)) == int(words.removeprefix("tries: ")), claim
        elif words.startswith("no "):
            assert words.removeprefix("no ") not in where, (answer, claim)
        elif header:
            _check_value(where.get(header["name"]), header["value"], claim)
        else:
            service = answer.headers.get("x-stub-backend", "").partition(".")[0]
            assert service in words.split(" or "), (answer, claim)


def _check_value(got: str | None, wanted: str, claim: str) -> None:
    assert got is not None, claim
    if wanted.endswith("..."):
        assert got.startswith(wanted.removesuffix("...")), (got, claim)
    else:
        assert got == wanted, (got, claim)


def run_netcat(command: str) -> str:
    """Do what `printf TEXT | nc [-u] [OPTIONS] HOST PORT` does; nc itself differs from system to system."""
    printf, _, netcat = command.partition(" | ")
    payload = shlex.split(printf)[1].encode().decode("unicode_escape").encode()
    *options, host, port = shlex.split(netcat)
    kind = socket.SOCK_DGRAM if "-u" in options else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as client:
        client.settimeout(DEADLINE)
        client.connect((host, int(port)))
        client.sendall(payload)
        return client.recv(4096).decode()
