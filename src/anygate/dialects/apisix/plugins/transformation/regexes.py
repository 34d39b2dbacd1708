"""Patterns of paths and what takes the place of what they find, as the model has them."""

import re

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.findings import PLUGIN_CONFIG
from anygate.dialects.apisix.pcre import refuse_pattern
from anygate.dialects.apisix.plugins.plugin import Refusal
from anygate.model.edit import PathRewrite
from anygate.model.re2 import groups_of

_REFERENCE = re.compile(r"\$(?:(\d+)|\{(\d+)\})")


def read_pair(pattern: str, template: str, path: FieldPath) -> PathRewrite | Refusal:
    """A pattern that is searched for once in a path, and a template in which `$1` stands for a group."""
    problem = refuse_pattern(pattern)
    if problem:
        return Refusal(PLUGIN_CONFIG, f"the regular expression {pattern!r} cannot be used: {problem}", "", path)
    groups = [int(one or other) for one, other in _REFERENCE.findall(template)]
    if max(groups, default=0) > min(groups_of(pattern), 8):
        return Refusal(PLUGIN_CONFIG, f"the pattern {pattern!r} has no group {max(groups)}", "", path)
    if re.search(r"\$[a-zA-Z_{]", _REFERENCE.sub("", template)):
        return Refusal(PLUGIN_CONFIG, "only groups such as $1 can stand in what takes the place of a path", "", path)
    # The model replaces every match, APISIX the first one: so all of the path is matched, and its ends are kept.
    whole = rf"^(.*?)(?:{pattern})(.*)$"
    value = template.replace("\\", "\\\\")
    value = _REFERENCE.sub(lambda found: _shifted(int(found[1] or found[2])), value)
    return PathRewrite(kind="regex", pattern=whole, value=rf"\1{value}\{groups_of(pattern) + 2}")


def _shifted(group: int) -> str:
    return rf"\{group + 1}"
