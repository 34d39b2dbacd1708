"""Regular expressions, looked at before Envoy refuses every route beside one."""

from anygate.envoy.refusal import CannotBuild
from anygate.model.origin import Origin
from anygate.model.re2 import problem_of


def checked_regex(pattern: str, origin: Origin) -> str:
    """Return a pattern that RE2 accepts; refuse any other."""
    problem = problem_of(pattern)
    if problem is not None:
        raise CannotBuild(origin, not_a_regex(pattern, problem))
    return pattern


def not_a_regex(pattern: str, problem: str) -> str:
    """Tell people about a pattern and what is wrong with it."""
    return f"the regular expression {pattern!r} is not RE2: {problem}"
