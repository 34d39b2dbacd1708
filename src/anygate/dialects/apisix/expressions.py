"""Conditions on variables of nginx and APISIX, as the model's conditions on requests.

Both ways of writing them come here: `match.exprs` of an ApisixRoute, and the `vars` of plugins (`vars.py`). All of a
list must hold. https://apisix.apache.org/docs/apisix/apisix-variable/, https://github.com/api7/lua-resty-expr
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from anygate.dialects.apisix.kinds.expressions import Expression, Operator
from anygate.dialects.apisix.numbers import compare_pattern
from anygate.dialects.apisix.pcre import refuse_pattern, search_path_pattern, search_pattern
from anygate.model.match import HttpMatch, ValueMatch

_QUERY = r"(?:\?.*)?"
_PORT = r"(?::\d+)?"
_NEGATIVE = frozenset(("NotEqual", "NotIn", "RegexNotMatch", "RegexNotMatchCaseInsensitive"))
_LITERAL = frozenset(("Equal", "NotEqual", "In", "NotIn"))
_REGEX = frozenset(("RegexMatch", "RegexNotMatch", "RegexMatchCaseInsensitive", "RegexNotMatchCaseInsensitive"))
_HEADERS = {"request_uri": ":path", "request_method": ":method", "scheme": ":scheme", "http_host": ":authority"}
_SCOPES = {"Header": "http_", "Query": "arg_", "Cookie": "cookie_", "Variable": "", "Body": "post_arg."}


class Conditions(NamedTuple):
    """What is asked of a request besides its path, its method and its host."""

    headers: tuple[ValueMatch, ...] = ()
    query: tuple[ValueMatch, ...] = ()
    cookies: tuple[ValueMatch, ...] = ()
    source_cidrs: tuple[str, ...] = ()

    def narrow(self, match: HttpMatch) -> HttpMatch:
        """A match that asks for these conditions too."""
        return msgspec.structs.replace(
            match,
            headers=match.headers + self.headers,
            query=match.query + self.query,
            cookies=match.cookies + self.cookies,
            source_cidrs=self.source_cidrs or match.source_cidrs,
        )


class Asked(NamedTuple):
    """One condition: a variable, an operator by its name in the CRD, and what the variable is compared with."""

    variable: str
    operator: Operator
    values: tuple[str, ...]


def read_expression(expression: Expression) -> Asked:
    """The test that an entry of `match.exprs` is."""
    subject = expression.subject
    variable = "uri" if subject.scope == "Path" else _SCOPES[subject.scope] + subject.name
    values = expression.set if expression.op in ("In", "NotIn") else (expression.value or "",)
    return Asked(variable, expression.op, tuple(values))


def join_conditions(parts: Iterable[Conditions]) -> Conditions | str:
    """All conditions at once, or why they cannot be asked for together."""
    found = Conditions()
    for part in parts:
        if part.source_cidrs and found.source_cidrs:
            return "the client's address can be asked for once only"
        found = Conditions(
            found.headers + part.headers,
            found.query + part.query,
            found.cookies + part.cookies,
            found.source_cidrs + part.source_cidrs,
        )
    return found


def read_all_asked(tests: Sequence[Asked]) -> Conditions | str:
    """The conditions that some tests are together, or why one of them cannot be asked of a request."""
    parts = []
    for test in tests:
        part = read_asked(test)
        if isinstance(part, str):
            return part
        parts.append(part)
    return join_conditions(parts)


def read_asked(test: Asked) -> Conditions | str:
    """The condition that a test is, or why it cannot be asked of a request before its body is there.

    An absent variable satisfies the negative operators only, as in lua-resty-expr.
    """
    variable, operator, values = test
    if operator in _REGEX:
        problem = refuse_pattern(values[0])
        if problem:
            return f"the regular expression {values[0]!r} cannot be used: {problem}"
    if variable.startswith("post_arg"):
        return "a request is routed before its body is read"
    if variable == "remote_addr":
        is_asked = operator in ("Equal", "In")
        return Conditions(source_cidrs=values) if is_asked else "the client's address can be asked for, not be excluded"
    if variable == "uri":
        return _read_path(operator, values)
    if variable == "host":
        return _read_host(operator, values)
    value = _compare(operator, values)
    if isinstance(value, str):
        return value
    scope, _, name = variable.partition("_")
    if variable in _HEADERS:
        return Conditions(headers=(msgspec.structs.replace(value, name=_HEADERS[variable]),))
    if scope == "http" and name:
        header = name.lower().replace("_", "-")
        return Conditions(headers=(msgspec.structs.replace(value, name=header),))
    if scope == "arg" and name:
        return Conditions(query=(msgspec.structs.replace(value, name=name),))
    if scope == "cookie" and name:
        return Conditions(cookies=(msgspec.structs.replace(value, name=name),))
    return f"nothing tells the variable {variable} when a request is routed"


def _compare(operator: Operator, values: tuple[str, ...]) -> ValueMatch | str:
    """A comparison with the name left open."""
    negative = operator in _NEGATIVE
    if operator in _REGEX:
        pattern = search_pattern(values[0], ignore_case=operator.endswith("Insensitive"))
        return ValueMatch(name="", kind="regex", value=pattern, invert=negative)
    if operator in _LITERAL:
        if len(values) == 1:
            return ValueMatch(name="", value=values[0], invert=negative)
        return ValueMatch(name="", kind="regex", value=_alternatives(values), invert=negative)
    number = compare_pattern(operator, values[0])  # type: ignore[arg-type]
    if number is None:
        return f"{values[0]!r} is not a number"
    return ValueMatch(name="", kind="regex", value=number)


def _alternatives(values: tuple[str, ...]) -> str:
    return "|".join(map(re.escape, values))


def _read_path(operator: Operator, values: tuple[str, ...]) -> Conditions | str:
    """A condition on the path without its query, which Envoy has in `:path` together with it."""
    if operator in _LITERAL:
        pattern = f"(?:{_alternatives(values)}){_QUERY}"
    elif operator in _REGEX:
        pattern = search_path_pattern(values[0], ignore_case=operator.endswith("Insensitive"))
    else:
        return "a path is not a number"
    return Conditions(headers=(ValueMatch(name=":path", kind="regex", value=pattern, invert=operator in _NEGATIVE),))


def _read_host(operator: Operator, values: tuple[str, ...]) -> Conditions | str:
    if operator not in _LITERAL:
        return "a host is compared with whole names only; write hosts instead"
    pattern = f"(?i:{_alternatives(values)}){_PORT}"
    value = ValueMatch(name=":authority", kind="regex", value=pattern, invert=operator in _NEGATIVE)
    return Conditions(headers=(value,))
