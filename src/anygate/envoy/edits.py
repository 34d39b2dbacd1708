"""Changes to headers, paths and hosts as Envoy's fields.

Reference: envoy/config/core/v3/base.proto (HeaderValueOption), envoy/config/common/mutation_rules/v3, and
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#custom-request-response-headers
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from anygate.envoy.api import build
from anygate.envoy.refusal import CannotBuild
from anygate.envoy.regex import checked_regex
from anygate.envoy.texts import render_text
from anygate.model.edit import HeaderEdit, PathRewrite
from anygate.model.match import PathMatch
from anygate.model.origin import Origin
from anygate.model.re2 import groups_of
from anygate.model.text import Text, Value

_OPTION = "envoy.config.core.v3.HeaderValueOption"
_OVERWRITE = "OVERWRITE_IF_EXISTS_OR_ADD"
_MUTATION = "envoy.config.common.mutation_rules.v3.HeaderMutation"


def then(first: HeaderEdit | None, second: HeaderEdit | None) -> HeaderEdit | None:
    """The one edit that has the effect of two, one after the other."""
    if first is None or second is None:
        return first or second
    lost = {name.lower() for name in (*second.remove, *(name for name, _ in second.set))}
    return HeaderEdit(
        set=(*(each for each in first.set if each[0].lower() not in lost), *second.set),
        add=(*(each for each in first.add if each[0].lower() not in lost), *second.add),
        remove=(*first.remove, *second.remove),
    )


class SplitEdit(NamedTuple):
    """An edit in two that do not touch the same headers: `hidden` has all changes of headers with secrets."""

    shown: HeaderEdit | None
    hidden: HeaderEdit | None


def split_edit(edit: HeaderEdit | None) -> SplitEdit:
    """Split an edit into what a route may show and what only a filter can make."""
    names = frozenset(name.lower() for name, value in _values(edit) if isinstance(value, Text) and value.secrets)
    if edit is None or not names:
        return SplitEdit(edit, None)

    def part(hidden: bool) -> HeaderEdit:
        return HeaderEdit(
            set=tuple(one for one in edit.set if (one[0].lower() in names) == hidden),
            add=tuple(one for one in edit.add if (one[0].lower() in names) == hidden),
            remove=tuple(one for one in edit.remove if (one.lower() in names) == hidden),
        )

    return SplitEdit(part(hidden=False), part(hidden=True))


def secrets_of(edit: HeaderEdit | None) -> tuple[str, ...]:
    """The names of all secrets that an edit puts into headers."""
    return tuple(name for _, value in _values(edit) if isinstance(value, Text) for name in value.secrets)


def build_header_fields(edit: HeaderEdit | None, side: str, origin: Origin) -> dict[str, Any]:
    """Build `<side>_headers_to_remove` and `<side>_headers_to_add`. Envoy removes first, then adds in order.

    What is set on requests takes the place of what clients say even where its text turns out to be empty.
    """
    if edit is None:
        return {}
    if secrets_of(edit):
        raise CannotBuild(origin, "a header with a secret can be changed by a rule as a whole only")
    _forbid_routing_headers(edit, origin)
    return {
        f"{side}_headers_to_remove": edit.remove,
        f"{side}_headers_to_add": [_option(*change, replaces=side == "request") for change in _changes(edit)],
    }


def build_mutations(edit: HeaderEdit, origin: Origin, *, replaces: bool = False) -> list[Any]:
    """Build the same changes as HeaderMutation messages, for filters. With `replaces` nothing is left of a header that
    is set, even where its text turns out to be empty."""
    _forbid_routing_headers(edit, origin)
    removed = [build(_MUTATION, remove=name) for name in edit.remove]
    return removed + [build(_MUTATION, append=_option(*change, replaces=replaces)) for change in _changes(edit)]


def build_path_rewrite(rewrite: PathRewrite | None, matched: PathMatch | None, origin: Origin) -> dict[str, Any]:
    """Build the path rewrite of a RouteAction or a RedirectAction. The query stays in every case."""
    if rewrite is None:
        return {}
    if rewrite.text is not None:
        return {"path_rewrite": render_text(rewrite.text)}
    if rewrite.kind == "full":
        return {"regex_rewrite": _substitution("^.+$", _escaped(rewrite.value))}
    if rewrite.kind == "regex":
        highest = max((int(group) for group in re.findall(r"\\(\d)", rewrite.value)), default=0)
        if highest > groups_of(rewrite.pattern):
            raise CannotBuild(origin, f"the pattern {rewrite.pattern!r} has no group {highest}")
        return {"regex_rewrite": _substitution(checked_regex(rewrite.pattern, origin), rewrite.value)}
    if matched is not None and matched.kind != "prefix":
        return {"prefix_rewrite": rewrite.value or "/"}
    return _prefix_rewrite(matched, rewrite.value.rstrip("/"))


def _prefix_rewrite(matched: PathMatch | None, replacement: str) -> dict[str, Any]:
    """Replace whole path elements: `/foo` by `/` makes `/foo/bar` into `/bar`, and `/` by `/x` makes `/a` into `/x/a`.

    Envoy swaps characters, so it would make `//bar` and `/xa` of those.
    """
    prefix = matched.value.rstrip("/") if matched else ""
    if not prefix:
        return {"prefix_rewrite": f"{replacement}/"}
    if replacement:
        return {"prefix_rewrite": replacement}
    case = "(?i)" if matched is not None and matched.ignore_case else ""
    return {"regex_rewrite": _substitution(f"{case}^{re.escape(prefix)}/?", "/")}


def _substitution(pattern: str, substitution: str) -> dict[str, Any]:
    return {"pattern": {"regex": pattern}, "substitution": substitution}


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\")


def _values(edit: HeaderEdit | None) -> tuple[tuple[str, Value], ...]:
    return edit.set + edit.add if edit else ()


def _changes(edit: HeaderEdit) -> Iterator[tuple[str, Value, str]]:
    for name, value in edit.set:
        yield name, value, _OVERWRITE
    for name, value in edit.add:
        yield name, value, "APPEND_IF_EXISTS_OR_ADD"


def _option(name: str, value: Value, action: str, *, replaces: bool) -> Any:
    overwrites_by_text = replaces and action == _OVERWRITE and isinstance(value, Text)
    return build(
        _OPTION,
        header={"key": name, "value": render_text(value)},
        append_action=action,
        keep_empty_value=not value or overwrites_by_text or None,
    )


def _forbid_routing_headers(edit: HeaderEdit, origin: Origin) -> None:
    """Refuse what Envoy refuses: the router's "`:`-prefixed or host headers may not be modified" or removed."""
    for name in (*(name for name, _ in edit.set + edit.add), *edit.remove):
        if name.startswith(":") or name.lower() == "host":
            raise CannotBuild(origin, f'the header "{name}" cannot be changed by a header edit; use a rewrite')
