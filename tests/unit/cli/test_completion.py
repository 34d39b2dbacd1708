"""`anygate completion`: the scripts are what the shells take."""

import subprocess
from pathlib import Path

import pytest

from anygate.cli.app import COMMANDS, main


@pytest.fixture
def scripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Path]:
    made = {}
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        made[shell] = tmp_path / shell
        made[shell].write_text(capsys.readouterr().out)
    return made


def complete(script: Path, *words: str) -> list[str]:
    """What bash offers in the place of the last word."""
    line = " ".join(words)
    code = f"""
    source {script}
    COMP_WORDS=({line}); [[ -z "{words[-1]}" ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
    _anygate
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True, timeout=20)
    assert not done.stderr
    return done.stdout.split()


def test_bash_registers_it(scripts: dict[str, Path]) -> None:
    code = f"source {scripts['bash']}; complete -p anygate"
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout == "complete -o default -F _anygate anygate\n"


def test_bash_completes_commands_and_options(scripts: dict[str, Path]) -> None:
    assert complete(scripts["bash"], "anygate", "") == list(COMMANDS)
    assert complete(scripts["bash"], "anygate", "ex") == ["explain"]
    assert "--strict" in complete(scripts["bash"], "anygate", "check", "--s")
    assert complete(scripts["bash"], "anygate", "check", "--format", "s") == ["sarif"]


def test_every_shell_knows_every_command(scripts: dict[str, Path]) -> None:
    for script in scripts.values():
        text = script.read_text()
        assert all(command in text for command in COMMANDS)


def test_zsh_offers_files(scripts: dict[str, Path]) -> None:
    text = scripts["zsh"].read_text()
    assert text.startswith("#compdef anygate\n")
    assert text.count(":_files'") >= 3


def test_other_shells_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "tcsh" in capsys.readouterr().err
