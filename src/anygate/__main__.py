"""`python -m anygate`."""

import os
import sys


def main() -> None:
    """Run the program; a bug ends it with 70 and a word on how to report it."""
    from anygate.cli.app import main as run

    try:
        code = run()
    except Exception as problem:
        if os.environ.get("ANYGATE_DEBUG"):
            raise
        print(f"internal error: {type(problem).__name__}: {problem}", file=sys.stderr)
        print("\nhint: this is a bug in anygate; set ANYGATE_DEBUG=1 to see where it happened", file=sys.stderr)
        code = 70
    sys.exit(code)


if __name__ == "__main__":
    main()
