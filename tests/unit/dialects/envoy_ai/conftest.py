"""Until the dialect is registered, its rules are not among those that the compiler can raise."""

from anygate.diagnostics import RULES, Rule
from anygate.dialects import DIALECTS
from anygate.dialects.envoy_ai import findings
from anygate.dialects.envoy_ai.kinds import KINDS

if not any(KINDS.keys() & dialect.kinds.keys() for dialect in DIALECTS):
    for one in vars(findings).values():
        if isinstance(one, Rule):
            RULES.pop(one.id, None)
