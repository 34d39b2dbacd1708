"""Who may use which server and tool."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from anygate.providers.mcp.expressions import ExpressionError, is_true
from anygate.providers.mcp.order import ClaimOrder, RuleOrder, RulesOrder


class Subject(NamedTuple):
    """Who calls: the claims of the token without its scopes, and these."""

    claims: Mapping[str, Any]
    scopes: tuple[str, ...]


NOBODY = Subject({}, ())


class Decision(NamedTuple):
    """Whether a call is allowed, and which scopes would have made it so."""

    allowed: bool
    missing: tuple[str, ...] = ()


def read_subject(claims: Mapping[str, Any]) -> Subject:
    """Split the claims of a token. Scopes are one text with spaces or a list, in `scope` or `scp`."""
    found = claims.get("scope", claims.get("scp"))
    scopes = found.split() if isinstance(found, str) else found if isinstance(found, list) else []
    rest = {name: value for name, value in claims.items() if name != "scope"}
    return Subject(rest, tuple(one for one in scopes if isinstance(one, str)))


class Call(NamedTuple):
    """What is called, as CEL sees it: the HTTP request, the MCP method, the server and the tool, the parameters."""

    http: Mapping[str, Any]
    method: str
    server: str
    tool: str = ""
    params: Any = None

    def describe(self, subject: Subject) -> dict[str, Any]:
        """The variable `request` of expressions."""
        return {
            **self.http,
            "auth": {"jwt": {"claims": dict(subject.claims), "scopes": sorted(subject.scopes)}},
            "mcp": {
                "method": self.method,
                "backend": self.server,
                "tool": self.tool,
                "params": {} if self.params is None else self.params,
            },
        }


def decide(rules: RulesOrder | None, call: Call, subject: Subject) -> Decision:
    """Ask the rules in order; an expression that fails on this request denies it."""
    if rules is None:
        return Decision(True)
    described: dict[str, Any] | None = None
    missing: tuple[str, ...] = ()
    for rule in rules.rules:
        if rule.tools and (call.server, call.tool) not in rule.tools:
            continue
        if rule.expression:
            described = described or call.describe(subject)
            try:
                if not is_true(rule.expression, described):
                    continue
            except ExpressionError:
                return Decision(False)
        if not all(_holds(claim, subject.claims) for claim in rule.claims):
            continue
        if set(rule.scopes) <= set(subject.scopes):
            return Decision(rule.allow)
        missing = _fewer(missing, rule)
    return Decision(rules.allow_by_default, missing)


def _fewer(missing: tuple[str, ...], rule: RuleOrder) -> tuple[str, ...]:
    """The smallest set of scopes that would have allowed the call."""
    if rule.allow and (not missing or len(rule.scopes) < len(missing)):
        return rule.scopes
    return missing


def _holds(claim: ClaimOrder, claims: Mapping[str, Any]) -> bool:
    found: Any = claims
    for step in claim.name.split("."):
        if not isinstance(found, Mapping) or step not in found:
            return False
        found = found[step]
    if claim.is_list and isinstance(found, list):
        return any(isinstance(one, str) and one in claim.values for one in found)
    return isinstance(found, str) and found in claim.values
