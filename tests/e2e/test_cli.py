"""The command line: help, exit codes, hints, and what goes to which stream."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from program import run_anygate
from running import gateway, join, services
from test_run_process import ROUTE, SHOP

from anygate import __version__
from anygate.cli.app import COMMANDS, main, render_help

CLEAN = join(gateway())
EXAMPLES = Path(__file__).parents[2] / "examples"
BROKEN = SHOP.replace("backendRefs", "backendRfs")


def test_help_names_every_command_and_its_purpose() -> None:
    for words in (["--help"], ["-h"], ["help"]):
        done = run_anygate(*words)
        assert (done.returncode, done.stdout, done.stderr) == (0, render_help(), "")
    for name, command in COMMANDS.items():
        assert f"  {name}" in render_help()
        assert command.purpose in render_help()
    done = run_anygate()
    assert (done.returncode, done.stdout) == (2, render_help())


@pytest.mark.parametrize("command", ["run", "check", "rule", "usage"])
def test_help_of_a_command(command: str) -> None:
    done = run_anygate(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: anygate {command} {COMMANDS[command].usage}")


def test_version() -> None:
    for flag in ("--version", "-V"):
        assert run_anygate(flag).stdout == f"anygate {__version__}\n"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["rnu", "x"], 'unknown command "rnu"\nhint: did you mean `anygate run`?'),
        (["frobnicate"], 'unknown command "frobnicate"\nhint: see `anygate --help`'),
        (["--versoin"], 'unknown option "--versoin"\nhint: did you mean `anygate --version`?'),
        (["run"], "name a file or folder to run, or - for standard input\nhint: see `anygate run --help`"),
        (["check"], "name a file or folder to check, or - for standard input\nhint: see `anygate check --help`"),
        (["run", "--sub", "x"], "unknown option: --sub\nhint: did you mean --stub?"),
        (["check", "--format=jsn", "x"], "did you mean json?"),
        (["run", "--port-offset=x", "y"], 'invalid value for --port-offset: unable to convert "x" into int'),
        (["run", "--port-offset=-1", "y"], "--port-offset -1: expected 0 or more"),
        (["run", "--bind=somewhere", "y"], "--bind somewhere: expected an IP address"),
        (["run", "--resolve=shop", "y"], "--resolve shop: expected HOST[:PORT]=ADDRESS:PORT"),
        (["run", "--resolve=shop=[::1]:99999", "y"], "expected HOST[:PORT]=ADDRESS:PORT"),
        (["check", "--format=zzz", "x"], 'invalid value "zzz" for --format\nhint: choose of text, json, '),
        (
            ["run", "--ratelimit=localhost", "y"],
            "--ratelimit: expected memory, or a URL such as redis://127.0.0.1:6379",
        ),
        (["run", "--otlp=localhost:4318", "y"], "expected a URL such as http://127.0.0.1:4318"),
        (["run", "--metrics=99999", "y"], "--metrics 99999: expected a port"),
        (["run", "--show-config", "y"], "--show-config shows what is made of the environment"),
        (["usage", "model"], 'unexpected "model"\nhint: see `anygate usage --help`'),
        (["usage", "--by=modle"], '--by modle: there is no "modle"\nhint: choose of model, backend, '),
        (["usage", "--since=yesterday"], "--since yesterday: expected a span such as 12h or 1d, or a date such as "),
        (["new", "aigatewayroute"], "name the AIGatewayRoute: anygate new aigatewayroute NAME\nhint: it takes "),
        (["rule", "unknown-feld"], "did you mean unknown-field?"),
    ],
)
def test_usage_errors(words: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert error in shown.err
    assert "hint: " in shown.err


def test_check_on_standard_input() -> None:
    done = run_anygate("check", "-", stdin=CLEAN)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no mistakes in 1 object of 1 file\n")
    done = run_anygate("check", "-", stdin=BROKEN)
    assert done.returncode == 1
    assert 'error[unknown-field]: unknown field "backendRfs" at spec.rules[0]' in done.stdout
    assert "| " in done.stdout
    assert done.stdout.endswith("found 1 error\n")


def test_check_formats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "in.yaml"
    path.write_text(BROKEN)

    def check(*options: str) -> str:
        assert main(["check", str(path), *options]) == 1
        shown = capsys.readouterr()
        assert shown.err == ""
        return shown.out

    assert "unknown-field" in json.dumps(json.loads(check("--format=json")))
    assert json.loads(check("--format", "sarif"))["version"] == "2.1.0"
    assert check("--format=github").startswith("::error ")


def test_strict_counts_warnings(tmp_path: Path) -> None:
    twice = tmp_path / "in.yaml"
    twice.write_text(join(CLEAN, CLEAN))  # the same object twice is a warning
    assert main(["check", str(twice)]) == 0
    assert main(["check", "--strict", str(twice)]) == 1


@pytest.mark.parametrize("command", ["check", "run"])
def test_paths_that_cannot_be_read(command: str, tmp_path: Path) -> None:
    done = run_anygate(command, tmp_path / "missing.yaml")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"error: {tmp_path}/missing.yaml: no such file or folder\n"


def test_nothing_to_serve() -> None:
    for text in ("", services("shop"), ROUTE):
        done = run_anygate("run", "-", stdin=text)
        assert done.returncode == 1
        assert "error[nothing-to-serve]: no Gateway has a listener that could serve" in done.stderr


def test_a_missing_envoy() -> None:
    done = run_anygate("run", "--port-offset=23000", "-", stdin=CLEAN, ANYGATE_ENVOY="/nonexistent")
    assert done.returncode == 3
    assert "error: ANYGATE_ENVOY names /nonexistent, which is not a file" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_envoy_that_does_not_start(tmp_path: Path) -> None:
    fake = tmp_path / "envoy"
    fake.write_text("#!/bin/sh\necho no such luck >&2\nexit 1\n")
    fake.chmod(0o755)
    words = ("run", "--port-offset=23000", "-")
    done = run_anygate(*words, stdin=CLEAN, ANYGATE_ENVOY=str(fake))
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr


def test_rules_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rule"]) == 0
    listed = capsys.readouterr().out
    for rule in ("unknown-field", "nothing-to-serve", "envoy-refused", "no-endpoints"):
        assert rule in listed
        assert main(["rule", rule]) == 0
        page = capsys.readouterr().out
        assert page.startswith(f"{rule} (")
        assert "\nWrong:\n" in page
        assert "\nRight:\n" in page


def test_the_reader_may_go_away() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        words = [sys.executable, "-m", "anygate", "rule"]
        done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(write)
    assert done.stderr == b""


def test_help_imports_no_command() -> None:
    done = run_anygate("--help", PYTHONPROFILEIMPORTTIME="1")
    for heavy in ("cyclopts", "pydantic", "google.protobuf", "grpc", "rich", "anygate.compiler"):
        assert f" {heavy}\n" not in done.stderr, heavy


def test_check_imports_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    path = tmp_path / "in.yaml"
    path.write_text(SHOP)
    for checked in (path, EXAMPLES / "ai", EXAMPLES / "mcp.yaml"):
        done = run_anygate("check", checked, PYTHONPROFILEIMPORTTIME="1")
        heavy = {"grpc", "rich.markdown", "watchfiles", "h2", "asyncio", "google.protobuf.json_format"}
        heavy |= {"prompt_toolkit", "uvloop", "httptools", "sqlite3", "redis", "anygate.stubs", "anygate.adapter"}
        assert not heavy & set(re.findall(r"[|] +(\S+)$", done.stderr, re.MULTILINE)), checked
