"""CEL as people write costs in it, translated term by term: https://github.com/google/cel-spec/blob/master/doc/langdef.md

Every number becomes a double, so that counts, whole numbers and fractions can be mixed. What was whole before stays
known, because whole numbers are divided without a rest.
"""

import ast
import math
import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

Kind = Literal["whole", "number", "text", "bool", "null", "list", "map", "mixed"]


class NotCel(ValueError):  # noqa: N818 - it says what is wrong with an expression
    """The expression is not CEL, or asks for something that Envoy does not have."""


class Term(NamedTuple):
    """A piece of Envoy's CEL, of a kind; `item` is the kind of what is in a list or map."""

    text: str
    kind: Kind
    item: Kind = "mixed"


_TOKEN = re.compile(
    r"""\s*(?:(?://[^\n]*\n?\s*)*)(?:
    (?P<float>(?:\d+\.\d+(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+))
    |(?P<whole>0[xX][0-9a-fA-F]+|\d+)(?P<unsigned>[uU]?)
    |(?P<text>[rR]?(?:\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>\|\||&&|[<>=!]=|[-+*/%<>!?:.,()\[\]{}])
    )""",
    re.VERBOSE | re.DOTALL,
)
_BAD_ESCAPE = re.compile(r"""(?<!\\)(?:\\\\)*\\[^abfnrtv'"\\xuU0-7]""")
_LONGEST, _LONGEST_TRANSLATED, _DEEPEST = 4096, 65536, 50
_COMPARISONS = ("<=", ">=", "==", "!=", "<", ">", "in")
_NUMBERS = ("whole", "number")
_TESTS = ("startsWith", "endsWith", "contains", "matches")


class _Token(NamedTuple):
    kind: str
    text: str


def translate(expression: str, variables: Mapping[str, Term]) -> Term:
    """Translate an expression over some variables. Raises NotCel."""
    if len(expression) > _LONGEST:
        raise NotCel(f"it is longer than {_LONGEST} characters")
    return _Parser(_split(expression), variables).whole()


def quote(text: str) -> str:
    """Write a text as a literal; everything but plain characters is escaped, as `)%` would end Envoy's format."""
    return f"'{''.join(map(_escape, text))}'"


def _escape(one: str) -> str:
    if (one.isascii() and one.isalnum()) or one in " _-./:":
        return one
    return f"\\u{ord(one):04x}" if ord(one) < 0x10000 else f"\\U{ord(one):08x}"


def _split(expression: str) -> list[_Token]:
    found, at = [], 0
    end = len(expression.rstrip())
    while at < end:
        match = _TOKEN.match(expression, at)
        if match is None or match.end() == at:
            if re.fullmatch(r"\s*//[^\n]*", expression[at:end]):
                break
            raise NotCel(f"nobody can read {expression[at:end].strip()[:20]!r}")
        at = match.end()
        kind = next(name for name in ("float", "whole", "text", "name", "sign") if match[name] is not None)
        found.append(_Token(kind, match[kind]))
    return [*found, _Token("end", "")]


class _Parser:
    def __init__(self, tokens: list[_Token], variables: Mapping[str, Term]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._variables = variables

    def whole(self) -> Term:
        term = self._choice()
        if self._next.kind != "end":
            raise NotCel(f"{self._next.text!r} is not expected")
        return term

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, *texts: str) -> str:
        """Take the next sign or word if it is one of `texts`."""
        token = self._next
        if token.kind in ("sign", "name") and token.text in texts:
            self._at += 1
            return token.text
        return ""

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise NotCel(f"{text!r} is missing" + (f" before {self._next.text!r}" if self._next.text else ""))

    def _choice(self) -> Term:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise NotCel(f"it is nested deeper than {_DEEPEST}")
        term = self._either()
        if self._take("?"):
            _want(term, "bool")
            yes = self._either()
            self._expect(":")
            no = self._choice()
            term = Term(f"({term.text} ? {yes.text} : {no.text})", _join(yes.kind, no.kind))
        self._depth -= 1
        return term

    def _either(self) -> Term:
        return self._logic(self._both, "||")

    def _both(self) -> Term:
        return self._logic(self._comparison, "&&")

    def _logic(self, inner: Callable[[], Term], sign: str) -> Term:
        term = inner()
        while self._take(sign):
            right = inner()
            _want(term, "bool")
            _want(right, "bool")
            term = Term(f"({term.text} {sign} {right.text})", "bool")
        return term

    def _comparison(self) -> Term:
        term = self._sum()
        while sign := self._take(*_COMPARISONS):
            right = self._sum()
            if sign == "in":
                _want(right, "list", "map")
            elif _join(term.kind, right.kind) == "mixed" and "null" not in (term.kind, right.kind):
                raise NotCel(f"{sign} compares a {term.kind} with a {right.kind}")
            term = Term(f"({term.text} {sign} {right.text})", "bool")
        return term

    def _sum(self) -> Term:
        term = self._product()
        while sign := self._take("+", "-"):
            term = _calculate(term, sign, self._product())
        return term

    def _product(self) -> Term:
        term = self._sign()
        while sign := self._take("*", "/", "%"):
            term = _calculate(term, sign, self._sign())
        return term

    def _sign(self) -> Term:
        signs = []
        while sign := self._take("-", "!"):
            signs.append(sign)
        term = self._member()
        for sign in reversed(signs):
            _want(term, *(_NUMBERS if sign == "-" else ("bool",)))
            term = Term(f"({sign}{term.text})", term.kind)
        return term

    def _member(self) -> Term:
        term = self._primary()
        while sign := self._take(".", "["):
            if sign == "[":
                index = self._choice()
                self._expect("]")
                term = _index(term, index)
                continue
            name = self._name()
            self._expect("(")
            term = _call(name, [term, *self._list(")")])
        return term

    def _name(self) -> str:
        token = self._next
        if token.kind != "name":
            raise NotCel(f"a name is missing before {token.text!r}")
        self._at += 1
        return token.text

    def _list(self, end: str) -> list[Term]:
        found: list[Term] = []
        while not self._take(end):
            if found:
                self._expect(",")
                if self._take(end):
                    break
            found.append(self._choice())
        return found

    def _primary(self) -> Term:
        if self._take("("):
            term = self._choice()
            self._expect(")")
            return term
        if self._take("["):
            items = self._list("]")
            return Term(f"[{', '.join(one.text for one in items)}]", "list", _join(*(one.kind for one in items)))
        if self._take("{"):
            return self._map()
        token = self._next
        self._at += 1
        if token.kind in ("whole", "float"):
            return _number(token)
        if token.kind == "text":
            return Term(quote(_read_text(token.text)), "text")
        if token.kind == "name":
            return self._named(token.text)
        raise NotCel(f"{token.text!r} is not expected" if token.text else "it ends too early")

    def _map(self) -> Term:
        keys: list[Term] = []
        values: list[Term] = []
        while not self._take("}"):
            if keys:
                self._expect(",")
                if self._take("}"):
                    break
            keys.append(self._choice())
            _want(keys[-1], "text")
            self._expect(":")
            values.append(self._choice())
        text = ", ".join(f"{key.text}: {value.text}" for key, value in zip(keys, values, strict=True))
        return Term(f"{{{text}}}", "map", _join(*(one.kind for one in values)))

    def _named(self, name: str) -> Term:
        if name in ("true", "false"):
            return Term(name, "bool")
        if name == "null":
            return Term(name, "null")
        if self._take("("):
            return _call(name, self._list(")"))
        if name not in self._variables:
            raise NotCel(f"there is no variable {name!r}")
        return self._variables[name]


def _want(term: Term, *kinds: str) -> None:
    if term.kind not in kinds:
        raise NotCel(f"a {term.kind} stands where a {' or '.join(kinds)} belongs")


def _join(*kinds: Kind) -> Kind:
    """The kind of what may be one of several kinds."""
    found = set(kinds)
    if len(found) == 1:
        return kinds[0]
    return "number" if found and found <= set(_NUMBERS) else "mixed"


def _calculate(left: Term, sign: str, right: Term) -> Term:
    if "text" in (left.kind, right.kind):
        raise NotCel("Envoy cannot put texts together")
    _want(left, *_NUMBERS)
    _want(right, *_NUMBERS)
    kind = _join(left.kind, right.kind)
    if sign not in ("/", "%") or (sign == "/" and kind == "number"):
        return Term(f"({left.text} {sign} {right.text})", kind)
    if kind == "number":
        raise NotCel("% needs whole numbers")
    # Without a rest, as CEL divides whole numbers; what is divided by zero is zero and no error.
    quotient = f"({right.text} == 0.0 ? 0.0 : double(int({left.text} / {right.text})))"
    if len(quotient) > _LONGEST_TRANSLATED:
        raise NotCel("it has too many divisions inside each other")
    return Term(quotient if sign == "/" else f"({left.text} - {quotient} * {right.text})", "whole")


def _number(token: _Token) -> Term:
    try:
        value = float(token.text if token.kind == "float" else int(token.text, 16 if "x" in token.text.lower() else 10))
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise NotCel(f"the number {token.text[:20]} is too large")
    return Term(repr(value), "number" if token.kind == "float" else "whole")


def _read_text(text: str) -> str:
    unreadable = NotCel(f"nobody can read the text {text[:20]}")
    if text[0] not in "rR" and _BAD_ESCAPE.search(text):
        raise unreadable
    try:
        value = str(ast.literal_eval(text))
        value.encode()
    except (SyntaxError, ValueError) as problem:
        raise unreadable from problem
    return value


def _index(term: Term, index: Term) -> Term:
    if term.kind == "map":
        _want(index, "text")
        return Term(f"{term.text}[{index.text}]", term.item)
    _want(term, "list")
    _want(index, "whole")
    return Term(f"{term.text}[int({index.text})]", term.item)


def _call(name: str, given: list[Term]) -> Term:
    if name in ("int", "uint", "double") and len(given) == 1:
        _want(given[0], *_NUMBERS, "text")
        if name == "double":
            return Term(f"double({given[0].text})", "number")
        return Term(f"double(int({given[0].text}))", "whole")
    if name == "size" and len(given) == 1:
        _want(given[0], "text", "list", "map")
        return Term(f"double(size({given[0].text}))", "whole")
    if name in _TESTS and len(given) == 2:
        _want(given[0], "text")
        _want(given[1], "text")
        return Term(f"{given[0].text}.{name}({given[1].text})", "bool")
    raise NotCel(f"Envoy has no {name}() for {len(given)} values")
