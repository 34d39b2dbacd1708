"""Python's search for cyclic garbage, kept out of the way while many lasting objects are made."""

import gc
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

_MANY = 200_000
"""Objects whose search would be felt: it takes about 0.1 s and finds nothing."""

P = ParamSpec("P")
R = TypeVar("R")


def without_collection(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function run without searches for cyclic garbage, which would double the time it takes.

    What it makes is set aside from later searches when it is much: the values of a compile hold no cycles and are
    freed with their last reference, and a search through millions of them would stop the event loop for a second.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if not gc.isenabled():
            return function(*args, **kwargs)
        gc.disable()
        try:
            return function(*args, **kwargs)
        finally:
            if gc.get_count()[0] > _MANY:
                gc.freeze()
            gc.enable()

    return run
