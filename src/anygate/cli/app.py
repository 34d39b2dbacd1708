"""The `anygate` program: its commands, its exit codes, and what it says when something is wrong."""

import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from anygate import __version__
from anygate.errors import AnygateError, UsageError

if TYPE_CHECKING:
    from cyclopts import App


class Command(NamedTuple):
    """Where a command's function is, its arguments in one line, and what it is for."""

    path: str
    usage: str
    purpose: str


COMMANDS = {
    "run": Command("anygate.cli.run:run", "[OPTIONS] [PATH...]", "serve manifests on a local Envoy"),
    "check": Command("anygate.cli.check:check", "[OPTIONS] PATH...", "say what is wrong with manifests"),
    "explain": Command(
        "anygate.cli.explain:explain", "[OPTIONS] PATH... URL", "say where a request goes, and which rule decides"
    ),
    "diff": Command("anygate.cli.diff:diff", "[OPTIONS] OLD NEW", "say what one set of manifests does otherwise"),
    "convert": Command(
        "anygate.cli.convert:convert", "[OPTIONS] PATH... --to gateway-api|envoy", "write manifests in another dialect"
    ),
    "links": Command("anygate.cli.links:links", "STACK -o FOLDER [OPTIONS]", "write the APISIX route files of a stack"),
    "new": Command("anygate.cli.new:new", "KIND NAME [OPTIONS]", "print a commented, valid starting manifest"),
    "rule": Command("anygate.cli.rule:rule", "[RULE-ID]", "say what a diagnostic means, with examples"),
    "usage": Command("anygate.cli.usage:usage", "[OPTIONS]", "say how much of which model was used"),
    "completion": Command("anygate.cli.completion:completion", "SHELL", "print a shell's completion script"),
}
_DASH = "\0"
_HELP_FLAGS = ("--help", "-h")
_VERSION_FLAGS = ("--version", "-V")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code: 0, 1 manifests, 2 usage, 3 environment, 70 internal.

    `diff` has a code for what it finds, as diff(1) does: 1 differences, 2 manifests with errors or usage.
    """
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(tokens)
    except AnygateError as problem:
        return _fail(problem, tokens[0] if tokens else "")
    except BrokenPipeError:
        # The reader has gone, as in `anygate check | head`; python would complain about it once more at exit.
        sys.stdout = None
        return 0
    except KeyboardInterrupt:
        return 130


def build_app() -> "App":
    """Build the program's commands; none of their modules is imported before it is used."""
    from cyclopts import App, Parameter

    app = App(
        name="anygate",
        help="Any gateway manifest, one Envoy.",
        help_format="plaintext",
        version=f"anygate {__version__}",
        version_flags=_VERSION_FLAGS,
        default_parameter=Parameter(negative=()),
        result_action="return_value",
    )
    for name, command in COMMANDS.items():
        app.command(command.path, name=name, usage=f"Usage: anygate {name} {command.usage}")
    return app


def render_help() -> str:
    """What `anygate --help` prints, made without importing any command."""
    width = max(map(len, COMMANDS)) + 2
    rows = "\n".join(f"  {name.ljust(width)}{command.purpose}" for name, command in COMMANDS.items())
    return f"""Any gateway manifest, one Envoy.

Usage: anygate COMMAND [ARGUMENTS]

Commands:
{rows}

Options:
  -h, --help     print this, or with a command what it takes
  -V, --version  print the version

Example: anygate run --stub gateway.yaml
"""


def _run(tokens: list[str]) -> int:
    if not tokens or tokens[0] in _HELP_FLAGS or tokens == ["help"]:
        print(render_help(), end="")
        return 0 if tokens else UsageError.exit_code
    if tokens[0] in _VERSION_FLAGS:
        print(f"anygate {__version__}")
        return 0
    if tokens[0] not in COMMANDS:
        raise UsageError(_render_unknown(tokens[0]))
    from cyclopts import CycloptsError

    try:
        command, bound, _ = build_app().parse_args(_spell_out(tokens), exit_on_error=False, print_error=False)
    except CycloptsError as problem:
        raise UsageError(_reword(str(problem))) from problem
    found = command(*map(_restore, bound.args), **{name: _restore(value) for name, value in bound.kwargs.items()})
    return found if isinstance(found, int) else 0


def _render_unknown(token: str) -> str:
    from difflib import get_close_matches

    known = [*_HELP_FLAGS, *_VERSION_FLAGS] if token.startswith("-") else list(COMMANDS)
    close = get_close_matches(token, known, 1)
    what = "option" if token.startswith("-") else "command"
    return f'unknown {what} "{token}"' + (f"\nhint: did you mean `anygate {close[0]}`?" if close else "")


def _spell_out(tokens: list[str]) -> list[str]:
    """`--stub` alone means what cannot be reached; `-` alone is a value, which the parser would take for an option."""
    end = tokens.index("--") if "--" in tokens else len(tokens)
    meant = {"-": _DASH, **({"--stub": "--stub=unreachable"} if tokens[0] == "run" else {})}
    return [*(meant.get(token, token) for token in tokens[:end]), *tokens[end:]]


def _restore(value: object) -> object:
    """Put `-` back where it was, in lists too."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(_restore, value))
    return "-" if value == _DASH else value


def _reword(text: str) -> str:
    """The parser's sentences as ours: lower case, no full stop, its guess or its choices as a hint."""
    text = " ".join(text.split())
    guess = re.search(r' ?Did you mean "?(?P<name>[^"?]+)"?\?', text)
    if guess:
        text = text.replace(guess[0], "")
    text = (text[:1].lower() + text[1:]).rstrip(".")
    unused = re.fullmatch(r"unused Tokens: \[(?P<words>.*)\]", text)
    if unused:
        return f"unexpected {unused['words'].replace(chr(39), chr(34))}"
    text, _, choices = text.partition(". Choose from: ")
    if guess:
        return f"{text}\nhint: did you mean {guess['name']}?"
    return f"{text}\nhint: choose of {choices.replace(chr(34), '')}" if choices else text


def _fail(problem: AnygateError, command: str) -> int:
    text = str(problem)
    if isinstance(problem, UsageError) and "\nhint: " not in text:
        subject = f"anygate {command}" if command in COMMANDS else "anygate"
        text += f"\nhint: see `{subject} --help`"
    print(f"error: {text}", file=sys.stderr)
    return problem.exit_code
