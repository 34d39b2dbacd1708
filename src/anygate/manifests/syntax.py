"""What YAML's own errors mean, in words for the person who wrote the file."""

import re
from typing import NamedTuple

import yaml

from anygate.diagnostics import Rule
from anygate.manifests import syntax_rules as rules

_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")

_INDENTATION = "check the indentation: the entries of one mapping or list start in the same column"
_QUOTES = "put the value in quotes if it is meant as text"

# libyaml's problem -> what is wrong, what to do.
_EXPLANATIONS = {
    "mapping values are not allowed in this context": (
        'a ":" is not allowed here',
        'check the indentation of this line, or put a value that contains ": " in quotes',
    ),
    "did not find expected key": ("expected a key at this indentation", _INDENTATION),
    "did not find expected '-' indicator": ('expected "-" at this indentation', _INDENTATION),
    "could not find expected ':'": ('expected ":" after a key', 'a key is written "name: value"'),
    "block sequence entries are not allowed in this context": (
        "a list item is not allowed here",
        "start the list on its own line, below its key",
    ),
    "did not find expected ',' or ']'": ('expected "," or "]"', 'a list that starts with "[" ends with "]"'),
    "did not find expected ',' or '}'": (
        'expected "," or "}"',
        'a mapping that starts with "{" ends with "}"',
    ),
    "did not find expected <document start>": (
        "unexpected text after the end of the value",
        'put "---" on a line of its own between two documents',
    ),
    "did not find expected node content": ("expected a value", _QUOTES),
    "found unexpected end of stream": ("a quotation mark is never closed", "close the string"),
    "found unexpected document indicator": ("a quotation mark is never closed", "close the string"),
    "found unknown escape character": (
        "unknown escape in a double-quoted string",
        'write "\\\\" for a backslash, or use single quotes',
    ),
}

_STARTS = {
    "while parsing a block mapping": "the mapping starts here",
    "while parsing a block collection": "the list starts here",
    "while parsing a flow mapping": "the mapping starts here",
    "while parsing a flow sequence": "the list starts here",
}


class Problem(NamedTuple):
    """A diagnostic that does not know yet where in the file its chunk starts."""

    rule: Rule
    message: str
    start: int
    end: int
    hint: str = ""
    related: tuple[str, int, int] | None = None


def explain_error(error: Exception, text: str) -> Problem:
    """Turn an error that libyaml raised on `text` into a problem with a position."""
    if isinstance(error, yaml.MarkedYAMLError):
        return _explain_marked(error, text)
    return _explain_character(text)


def _explain_character(text: str) -> Problem:
    found = _UNREADABLE.search(text)
    at = found.start() if found else 0
    code = ord(found[0]) if found else 0
    message = f"control character U+{code:04X} is not allowed"
    return Problem(rules.YAML_SYNTAX, message, at, at + 1, "remove it, or write it as an escape in quotes")


def _explain_marked(error: yaml.MarkedYAMLError, text: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    at = min(mark.index, len(text)) if mark else 0
    problem = error.problem or "cannot be parsed"
    tab = _find_tab(text, at)
    if tab is not None:
        message = "a tab cannot be used for indentation"
        return Problem(rules.YAML_SYNTAX, message, tab, tab + 1, "indent with spaces")
    if problem == "found character that cannot start any token" and at < len(text):
        message = f'"{text[at]}" cannot start a value'
        return Problem(rules.YAML_SYNTAX, message, at, at + 1, "put the value in quotes")
    if problem == "did not find expected key" and text[at : at + 1] in ("}", "]"):
        return Problem(rules.YAML_SYNTAX, f'"{text[at]}" closes nothing', at, at + 1)
    return _explain_grammar(error, text, problem, at)


def _explain_grammar(error: yaml.MarkedYAMLError, text: str, problem: str, at: int) -> Problem:
    message, hint = _EXPLANATIONS.get(problem, (problem.replace("'", '"'), ""))
    context = error.context_mark
    if context and "quotation mark" in message:
        at = context.index
    last = len(text.rstrip())
    started = _STARTS.get(error.context or "")
    related = None
    if context and context.index < at and started:
        if at >= last and text[context.index] in "[{":
            message, at = f'"{text[context.index]}" is never closed', context.index
        else:
            related = (started, context.index, context.index + 1)
    # At the end of a document the next line is another's; the mistake is in what stands before.
    at = min(at, last)
    end = at + 1 if at < len(text) and text[at] not in "\r\n" else at
    return Problem(rules.YAML_SYNTAX, message, at, end, hint, related)


def _find_tab(text: str, at: int) -> int | None:
    """The tab in the indentation of the line at `at`, if there is one."""
    start = text.rfind("\n", 0, at) + 1
    line = text[start : start + 1000]
    tab = line.find("\t")
    return start + tab if tab >= 0 and not line[:tab].strip(" ") else None
