"""The diagnostic about variables in the texts of plugins."""

from anygate.diagnostics import Rule, Severity
from anygate.dialects.apisix.examples import render_rule


def _rewrite(value: str) -> str:
    return render_rule(f'plugins: [{{name: proxy-rewrite, config: {{headers: {{set: {{X-Seen: "{value}"}}}}}}}}]')


VARIABLE = Rule(
    "apisix-plugin-variable",
    Severity.WARNING,
    what="A text of a plugin names a variable that nothing here can tell.",
    why="It is empty, as APISIX leaves variables empty that it does not know.",
    wrong=_rewrite("$pid"),
    right=_rewrite("$remote_addr"),
)
