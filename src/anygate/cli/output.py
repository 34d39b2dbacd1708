"""How commands speak: diagnostics and words on standard error, data on standard output."""

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TextIO

from anygate.diagnostics import Diagnostic
from anygate.diagnostics.render_text import render_summary, render_text

_PATIENCE = 1.0
"""Seconds that pass before a step is worth a word."""


def wants_colour(stream: object) -> bool:
    """Whether a stream is a terminal whose user has not asked for plain text (no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(getattr(stream, "isatty", bool)())


def print_diagnostics(diagnostics: Sequence[Diagnostic], stream: TextIO | None = None) -> None:
    """Print diagnostics and their sum, to standard error unless they are what was asked for."""
    if not diagnostics:
        return
    stream = stream or sys.stderr
    print(render_text(diagnostics, colour=wants_colour(stream)), file=stream)
    print(render_summary(diagnostics), file=stream, flush=True)


def say(text: str) -> None:
    """Print a word to standard error."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def show_step(text: str) -> Iterator[None]:
    """Show what is being done if it takes over a second and somebody is looking."""
    if not sys.stderr.isatty():
        yield
        return
    turn = threading.Lock()
    with ExitStack() as stack:

        def show() -> None:
            from rich.console import Console

            with turn:
                if not is_over:
                    stack.enter_context(Console(stderr=True).status(text))

        is_over = False
        timer = threading.Timer(_PATIENCE, show)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            with turn:
                is_over = True


def show_cursor() -> None:
    """Give a terminal its cursor back, which a step that is cut off has hidden."""
    if sys.stderr.isatty():
        print("\x1b[?25h", end="", file=sys.stderr, flush=True)
