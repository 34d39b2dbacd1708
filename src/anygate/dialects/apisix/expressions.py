"""Conditions on variables of nginx and APISIX, as the model's conditions on requests.

Both ways of writing them come here: `match.exprs` of an ApisixRoute, and the `vars` of plugins (`vars.py`). All of a
list must hold. https://apisix.apache.org/docs/apisix/apisix-variable/, https://github.com/api7/lua-resty-expr
"""

import re
from collections.abc import Iterable
from ipaddress import ip_network
from typing import NamedTuple

import msgspec

from anygate.dialects.apisix.kinds.expressions import Expression, Operator
from anygate.dialects.apisix.networks import exclude_networks, intersect_networks
from anygate.dialects.apisix.numbers import compare_pattern
from anygate.dialects.apisix.pcre import (
    leading_pattern,
    refuse_pattern,
    search_path_pattern,
    search_pattern,
    search_query_pattern,
)
from anygate.model.body_paths import FORM, read_steps
from anygate.model.match import HttpMatch, ValueMatch

_QUERY = r"(?:\?.*)?"
_PORT = r"(?::\d+)?"
_NEGATIVE = frozenset(("NotEqual", "NotIn", "RegexNotMatch", "RegexNotMatchCaseInsensitive"))
_LITERAL = frozenset(("Equal", "NotEqual", "In", "NotIn"))
_REGEX = frozenset(("RegexMatch", "RegexNotMatch", "RegexMatchCaseInsensitive", "RegexNotMatchCaseInsensitive"))
_HEADERS = {"request_uri": ":path", "request_method": ":method", "scheme": ":scheme", "http_host": ":authority"}
_NOBODY = ("0.0.0.0/32",)
"""An address that no connection comes from, where two conditions leave none."""

_SCOPES = {"Header": "http_", "Query": "arg_", "Cookie": "cookie_", "Variable": "", "Body": "post_arg."}


class Conditions(NamedTuple):
    """What is asked of a request besides its path, its method and its host."""

    headers: tuple[ValueMatch, ...] = ()
    query: tuple[ValueMatch, ...] = ()
    cookies: tuple[ValueMatch, ...] = ()
    source_cidrs: tuple[str, ...] = ()
    body: tuple[ValueMatch, ...] = ()

    def narrow(self, match: HttpMatch) -> HttpMatch:
        """A match that asks for these conditions too."""
        cidrs = self.source_cidrs or match.source_cidrs
        if self.source_cidrs and match.source_cidrs:
            cidrs = intersect_networks(match.source_cidrs, self.source_cidrs) or _NOBODY
        return msgspec.structs.replace(
            match,
            headers=match.headers + self.headers,
            query=match.query + self.query,
            cookies=match.cookies + self.cookies,
            source_cidrs=cidrs,
            body=match.body + self.body,
        )


class Unread(NamedTuple):
    """Why some conditions cannot be asked of a request, and alternatives without them: they hold for more requests than
    are meant, so that nothing but a refusal may come of them."""

    reason: str
    rest: tuple[Conditions, ...]


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
        cidrs = found.source_cidrs + part.source_cidrs
        if part.source_cidrs and found.source_cidrs:
            cidrs = intersect_networks(found.source_cidrs, part.source_cidrs)
        if part.source_cidrs and not cidrs:
            return "no address satisfies what is asked of it"
        found = Conditions(
            found.headers + part.headers,
            found.query + part.query,
            found.cookies + part.cookies,
            cidrs,
            found.body + part.body,
        )
    return found


def read_all_asked(tests: Iterable[Asked | str]) -> Conditions | Unread:
    """The conditions that some tests are together, those of them that can be asked of a request.

    A text is why something is no test at all.
    """
    found, reason = Conditions(), ""
    for test in tests:
        found, wrong = add_condition(
            found, Unread(test, (Conditions(),)) if isinstance(test, str) else read_asked(test)
        )
        reason = reason or wrong
    return Unread(reason, (found,)) if reason else found


def add_condition(known: Conditions, part: Conditions | Unread) -> tuple[Conditions, str]:
    """Conditions with what can be asked for of another one, and why that is not all of it."""
    reason = part.reason if isinstance(part, Unread) else ""
    joined = join_conditions((known, part.rest[0] if isinstance(part, Unread) else part))
    return (known, reason or joined) if isinstance(joined, str) else (joined, reason)


def read_asked(test: Asked) -> Conditions | Unread:
    """The condition that a test is, as far as it can be asked of a request.

    An absent variable satisfies the negative operators only, as in lua-resty-expr.
    """
    problem = refuse_pattern(test.values[0]) if test.operator in _REGEX else ""
    if not problem:
        found = _read_test(test)
        return Unread(found, (Conditions(),)) if isinstance(found, str) else found
    stem = leading_pattern(test.values[0]) if test.operator not in _NEGATIVE else ""
    wider = _read_test(test._replace(values=(stem,))) if stem else ""
    reason = f"the regular expression {test.values[0]!r} cannot be used: {problem}"
    return Unread(reason, (Conditions() if isinstance(wider, str) else wider,))


def _read_test(test: Asked) -> Conditions | str:
    variable, operator, values = test
    if variable == "remote_addr":
        return _read_source(operator, values)
    if variable == "uri":
        return _read_path(operator, values)
    if variable == "host":
        return _read_host(operator, values)
    value = _compare(operator, values)
    if isinstance(value, str):
        return value
    if variable in ("args", "query_string"):
        return _read_query(value)
    if variable.startswith("post_arg"):
        return _read_body(variable, value)
    scope, _, name = variable.partition("_")
    if variable in _HEADERS:
        return Conditions(headers=(msgspec.structs.replace(value, name=_HEADERS[variable]),))
    if scope == "http" and name:
        header = name.lower().replace("_", "-")
        return Conditions(headers=(msgspec.structs.replace(value, name=header),))
    if scope == "arg" and name:
        return _read_parameter(name, test, value)
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


def _read_source(operator: Operator, values: tuple[str, ...]) -> Conditions | str:
    if operator not in _LITERAL:
        return "the client's address is compared with addresses only"
    try:
        cidrs = exclude_networks(values) if operator in _NEGATIVE else _check_networks(values)
    except ValueError as problem:
        return str(problem)
    return Conditions(source_cidrs=cidrs) if cidrs else "no address satisfies what is asked of it"


def _check_networks(values: tuple[str, ...]) -> tuple[str, ...]:
    for text in values:
        ip_network(text, strict=False)
    return values


def _read_parameter(name: str, test: Asked, value: ValueMatch) -> Conditions | str:
    """A condition on a parameter of the query: Envoy looks for what it must not be in the midst of the path."""
    if value.invert and test.operator in _REGEX:
        found = search_query_pattern(test.values[0], ignore_case=test.operator.endswith("Insensitive"))
        if found is None:
            return f"{test.values[0]!r} has anchors inside, which cannot be told from the ends of a parameter"
        value = msgspec.structs.replace(value, value=found)
    if test.operator == "NotIn":
        return Conditions(query=tuple(ValueMatch(name=name, value=one, invert=True) for one in test.values))
    return Conditions(query=(msgspec.structs.replace(value, name=name),))


def _read_query(value: ValueMatch) -> Conditions:
    """A condition on the whole query, which Envoy has in `:path` behind the path."""
    wanted = value.value if value.kind == "regex" else re.escape(value.value)
    pattern = rf"[^?]*\?(?:{wanted})"
    return Conditions(headers=(ValueMatch(name=":path", kind="regex", value=pattern, invert=value.invert),))


def _read_body(variable: str, value: ValueMatch) -> Conditions | str:
    """`post_arg.` goes by the type of the body, `post_arg_` looks into URL-encoded forms only."""
    scope, name = variable[: len("post_arg.")], variable[len("post_arg.") :]
    if scope not in ("post_arg.", "post_arg_") or read_steps(name) is None:
        return f"nothing in a body is found by {variable}: expected a path such as post_arg.a.b[0].c or post_arg.a[*]"
    prefix = FORM if scope == "post_arg_" else ""
    return Conditions(body=(msgspec.structs.replace(value, name=prefix + name),))


def _read_host(operator: Operator, values: tuple[str, ...]) -> Conditions | str:
    if operator not in _LITERAL:
        return "a host is compared with whole names only; write hosts instead"
    pattern = f"(?i:{_alternatives(values)}){_PORT}"
    value = ValueMatch(name=":authority", kind="regex", value=pattern, invert=operator in _NEGATIVE)
    return Conditions(headers=(value,))
