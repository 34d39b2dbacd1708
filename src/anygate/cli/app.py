"""The `anygate` program: its commands, its exit codes, and what it says when something is wrong."""

import sys
from collections.abc import Sequence

from anygate import __version__
from anygate.errors import AnygateError, UsageError

COMMANDS = {
    "run": "anygate.cli.run:run",
    "check": "anygate.cli.check:check",
    "explain": "anygate.cli.explain:explain",
    "new": "anygate.cli.new:new",
    "rule": "anygate.cli.rule:rule",
    "completion": "anygate.cli.completion:completion",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code: 0, 1 manifests, 2 usage, 3 environment, 70 internal."""
    from cyclopts import App, CycloptsError

    app = App(
        name="anygate",
        help="Any gateway manifest, one Envoy.",
        version=f"anygate {__version__}",
        version_flags=["--version", "-V"],
        result_action="return_value",
    )
    for name, path in COMMANDS.items():
        app.command(path, name=name)
    tokens = [_spell_out(one) for one in (sys.argv[1:] if arguments is None else arguments)]
    try:
        found = app(tokens, exit_on_error=False, print_error=False)
    except CycloptsError as problem:
        return _fail(UsageError(_say(problem)))
    except AnygateError as problem:
        return _fail(problem)
    except BrokenPipeError:
        # The reader has gone, as in `anygate check | head`; python would complain about it once more at exit.
        sys.stdout = None  # type: ignore[assignment]
        return 0
    except KeyboardInterrupt:
        return 130
    return found if isinstance(found, int) else 0


def _spell_out(token: str) -> str:
    """`--stub` alone means what cannot be reached."""
    return "--stub=unreachable" if token == "--stub" else token


def _say(problem: Exception) -> str:
    text = str(problem).strip()
    return text[:1].lower() + text[1:].rstrip(".")


def _fail(problem: AnygateError) -> int:
    print(f"error: {problem}", file=sys.stderr)
    if isinstance(problem, UsageError):
        print("\nhint: see `anygate --help`", file=sys.stderr)
    return problem.exit_code
