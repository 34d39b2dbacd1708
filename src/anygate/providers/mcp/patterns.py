"""Regular expressions in RE2's syntax for names of tools and prompts, in time linear in the name."""

from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema


class PatternError(ValueError):
    """A text that is no regular expression."""


@lru_cache(maxsize=4096)
def _compile(pattern: str) -> SchemaValidator:
    # The engine inside pydantic descends from RE2: linear time, no look-around, no back-references.
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError as problem:
        raise PatternError(f'"{pattern}" is not a regular expression') from problem


def check_pattern(pattern: str) -> None:
    """Raise PatternError for what is no regular expression."""
    _compile(pattern)


def is_found(pattern: str, text: str) -> bool:
    """Whether a pattern is found anywhere in a text, as Go's `MatchString` does."""
    try:
        _compile(pattern).validate_python(text)
    except ValidationError:
        return False
    return True
