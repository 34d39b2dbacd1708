"""The `vars` of plugins: conditions as lua-resty-expr writes them, such as `[["arg_beta", "==", "1"]]`."""

from typing import Any

from anygate.dialects.apisix.expressions import Asked, Conditions, Unread, read_all_asked
from anygate.dialects.apisix.kinds.expressions import Operator

_OPERATORS: dict[str, tuple[Operator, Operator | None]] = {
    "==": ("Equal", "NotEqual"),
    "~=": ("NotEqual", "Equal"),
    ">": ("GreaterThan", None),
    ">=": ("GreaterThanEqual", None),
    "<": ("LessThan", None),
    "<=": ("LessThanEqual", None),
    "~~": ("RegexMatch", "RegexNotMatch"),
    "~*": ("RegexMatchCaseInsensitive", "RegexNotMatchCaseInsensitive"),
    "in": ("In", "NotIn"),
    "ipmatch": ("In", None),
    "has": ("Equal", "NotEqual"),
}
"""The operators, each with what it is after a `!`."""

_NO_LIST = Unread("expected a list of conditions", (Conditions(),))


def read_vars(written: Any) -> Conditions | Unread:
    """All conditions of one list, as far as they can be asked of a request. An empty list always holds."""
    if not isinstance(written, list):
        return _NO_LIST
    if written and written[0] == "AND":
        written = written[1:]
    return read_all_asked(map(_read_entry, written))


def read_alternatives(written: Any) -> tuple[Conditions, ...] | Unread:
    """Lists of conditions of which one must hold, as `vars` of fault-injection or of an `OR`."""
    if not isinstance(written, list):
        return _NO_LIST
    groups = written
    if written and written[0] == "OR":
        groups = [[entry] for entry in written[1:]]
    elif not all(isinstance(group, list) and all(isinstance(entry, list) for entry in group) for group in written):
        groups = [written]
    found: list[Conditions] = []
    reason = ""
    for group in groups:
        conditions = read_vars(group)
        if isinstance(conditions, Unread):
            reason = reason or conditions.reason
            found += conditions.rest
        else:
            found.append(conditions)
    return Unread(reason, tuple(found)) if reason else tuple(found)


def _read_entry(entry: Any) -> Asked | str:
    is_negated = isinstance(entry, list) and len(entry) == 4 and entry[1] == "!"
    if not isinstance(entry, list) or (len(entry) != 3 and not is_negated) or not isinstance(entry[0], str):
        return f"expected [variable, operator, value], got {entry!r}"
    operator, value = entry[-2:]
    if operator not in _OPERATORS:
        return f"the operator {operator!r} cannot be used here"
    meant = _OPERATORS[operator][is_negated]
    if meant is None:
        return f"the operator {operator!r} cannot be negated"
    if operator == "ipmatch" and entry[0] != "remote_addr":
        return "ipmatch is for remote_addr only"
    variable = entry[0]
    if operator == "has":
        if not variable.startswith("post_arg."):
            return f"{variable} is no list, which has is for"
        # A list is written by its name alone, and what is found in several places is a list too.
        variable += "" if "[" in variable else "[*]"
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(one, str | int | float) for one in values):
        return f"{value!r} cannot be compared with"
    if len(values) > 1 and meant not in ("In", "NotIn"):
        return f"the operator {operator!r} takes one value"
    return Asked(variable, meant, tuple(str(one) for one in values))
