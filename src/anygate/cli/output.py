"""How commands speak: diagnostics and words on standard error, data on standard output."""

import os
import sys
from collections.abc import Sequence

from anygate.diagnostics import Diagnostic
from anygate.diagnostics.render_text import render_summary, render_text


def wants_colour(stream: object) -> bool:
    """Whether a stream is a terminal whose user has not asked for plain text (no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(getattr(stream, "isatty", bool)())


def print_diagnostics(diagnostics: Sequence[Diagnostic]) -> None:
    """Print diagnostics and their sum to standard error."""
    if not diagnostics:
        return
    print(render_text(diagnostics, colour=wants_colour(sys.stderr)), file=sys.stderr)
    print(render_summary(diagnostics), file=sys.stderr)


def say(text: str) -> None:
    """Print a word to standard error."""
    print(text, file=sys.stderr, flush=True)
