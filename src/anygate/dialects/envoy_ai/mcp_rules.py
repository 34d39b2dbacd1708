"""Who may use what of an MCP route: authorization of tools, and the choice of servers for a session."""

from collections.abc import Iterator

from anygate.diagnostics import FieldPath
from anygate.dialects.envoy_ai.context import origin
from anygate.dialects.envoy_ai.kinds.mcproute import MCPRoute
from anygate.dialects.envoy_ai.kinds.mcpsecurity import MCPRouteAuthorizationRule
from anygate.model.mcp import McpClaim, McpRule, McpRules
from anygate.providers.mcp.expressions import ExpressionError, check_expression

_OF_TOKENS = "request.auth"


def read_authorization(source: MCPRoute) -> McpRules | None:
    """The rules for calls of tools and for lists of them."""
    found = source.spec.security_policy.authorization if source.spec.security_policy else None
    if found is None:
        return None
    base: FieldPath = ("spec", "securityPolicy", "authorization")
    return McpRules(
        origin=origin(source.manifest, base),
        rules=tuple(_read_rule(source, rule, (*base, "rules", at)) for at, rule in enumerate(found.rules)),
        allow_by_default=found.default_action == "Allow",
    )


def read_selector(source: MCPRoute) -> McpRules | None:
    """The rules for servers of new sessions."""
    found = source.spec.backend_selector
    if found is None:
        return None
    base: FieldPath = ("spec", "backendSelector")
    return McpRules(
        origin=origin(source.manifest, base),
        rules=tuple(
            McpRule(
                origin=origin(source.manifest, (*base, "rules", at)),
                allow=rule.action == "Allow",
                expression=(rule.cel or "").strip(),
            )
            for at, rule in enumerate(found.rules)
        ),
        allow_by_default=found.default_action == "Allow",
    )


def _read_rule(source: MCPRoute, rule: MCPRouteAuthorizationRule, path: FieldPath) -> McpRule:
    jwt = rule.source.jwt if rule.source else None
    return McpRule(
        origin=origin(source.manifest, path),
        allow=rule.action == "Allow",
        scopes=tuple(jwt.scopes) if jwt else (),
        claims=tuple(
            McpClaim(name=one.name, values=tuple(one.values), is_list=one.value_type == "StringArray")
            for one in jwt.claims
        )
        if jwt
        else (),
        tools=tuple((one.backend, one.tool) for one in rule.target.tools) if rule.target else (),
        expression=(rule.cel or "").strip(),
    )


def find_expression_problems(source: MCPRoute) -> Iterator[tuple[FieldPath, str]]:
    """What of a route's expressions cannot be had, each with a sentence."""
    policy = source.spec.security_policy
    with_tokens = policy is not None and policy.oauth is not None
    authorization = policy.authorization if policy else None
    selector = source.spec.backend_selector
    written: list[tuple[FieldPath, str | None]] = [
        (("spec", "securityPolicy", "authorization", "rules", number), rule.cel)
        for number, rule in enumerate(authorization.rules if authorization else ())
    ]
    written += [
        (("spec", "backendSelector", "rules", number), one.cel)
        for number, one in enumerate(selector.rules if selector else ())
    ]
    for base, text in written:
        expression = (text or "").strip()
        if not expression:
            continue
        path: FieldPath = (*base, "cel")
        try:
            check_expression(expression)
        except ExpressionError as problem:
            yield path, str(problem)
            continue
        if _OF_TOKENS in expression and not with_tokens:
            yield path, "oauth must be configured when an expression uses request.auth"
