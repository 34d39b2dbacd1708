"""Who may do what: rules in order, by address, token, header and method."""

from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import build, typed
from anygate.envoy.filters import jwt as tokens
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.filters.matches import cidr_range, exact
from anygate.envoy.refusal import CannotBuild
from anygate.model.listener import Server
from anygate.model.route import HttpRule
from anygate.model.security import Authorization, AuthorizationRule, ClaimMatch, Principal, Security

NAME = "envoy.filters.http.rbac"
PREDICATE = "xds.type.matcher.v3.Matcher.MatcherList.Predicate"
_INPUTS = "envoy.extensions.matching.common_inputs.network.v3"
_SCOPE_CLAIMS = ("scope", "scp")
_ANYTHING: dict[str, Any] = {"safe_regex": {"google_re2": {}, "regex": ".*"}}


class AuthorizationFilter:
    """One entry, with the rules on each route; a refused request is answered with 403.

    The policies of `envoy.config.rbac.v3.RBAC` all allow or all deny, so a list whose first match decides
    needs the matching API: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/rbac_filter#matcher
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry, which stands in every chain (see `HttpFilter.chain`)."""
        del server, rules
        return [ChainEntry(NAME, build("envoy.extensions.filters.http.rbac.v3.RBAC"), disabled=True, inert=True)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the route's list of rules."""
        del scope
        security = rule.security
        if not security or not security.authorization:
            return {}
        for row in security.authorization.rules:
            _check_provider(row, security)
        return {NAME: build_rbac(security.authorization)}


def build_rbac(authorization: Authorization) -> Any:
    """Return the `RBACPerRoute`."""
    matchers = [
        {
            "predicate": _both(_conditions(row)) or _always(),
            "on_match": {"action": _action(row.name, row.allow)},
        }
        for row in authorization.rules
    ]
    matcher = build(
        "xds.type.matcher.v3.Matcher",
        # Envoy refuses an empty list; without one only the default is left.
        matcher_list={"matchers": matchers} if matchers else None,
        on_no_match={"action": _action("default", authorization.allow_by_default)},
    )
    return build("envoy.extensions.filters.http.rbac.v3.RBACPerRoute", rbac={"matcher": matcher})


def _check_provider(row: AuthorizationRule, security: Security) -> None:
    """Refuse a rule on tokens that nothing checks: it would never match, so a denial would not hold."""
    principal = row.principal
    if not (principal.jwt_provider or principal.jwt_claims or principal.jwt_scopes or principal.missing_scopes):
        return
    known = {one.name for one in security.jwt.providers} if security.jwt else set()
    if principal.jwt_provider not in known:
        raise CannotBuild(
            row.origin,
            f"rule {row.name} looks at tokens of {principal.jwt_provider or 'nobody'}, which nothing checks",
        )


def _conditions(row: AuthorizationRule) -> list[Any]:
    principal = row.principal
    found = []
    if row.methods:
        found.append(_unless(row.other_methods, _any_header(":method", row.methods)))
    if principal.cidrs:
        found.append(_unless(principal.other_addresses, _addresses(row)))
    found.extend(_any_header(name, values) for name, values in principal.headers)
    found.extend(_unless(True, _any_header(name, values)) for name, values in principal.other_headers)
    found.extend(_scope(principal, wanted) for wanted in principal.jwt_scopes)
    if principal.missing_scopes:
        found.append(_unless(True, _both([_scope(principal, wanted) for wanted in principal.missing_scopes])))
    found.extend(_claim(principal, claim) for claim in principal.jwt_claims)
    if principal.jwt_provider and not (principal.jwt_scopes or principal.jwt_claims or principal.missing_scopes):
        found.append(_has_token(principal))
    return found


def _any_header(name: str, values: Iterable[str]) -> Any:
    """A header with any of the values, or with any at all where none is given; Envoy has no value for a missing one."""
    source = typed("envoy.type.matcher.v3.HttpRequestHeaderMatchInput", header_name=name)
    wanted: list[dict[str, Any]] = [{"exact": value} for value in values] or [_ANYTHING]
    return _either(
        build(
            PREDICATE,
            single_predicate={
                "input": {"name": "header", "typed_config": source},
                "value_match": match,
            },
        )
        for match in wanted
    )


def _addresses(row: AuthorizationRule) -> Any:
    """The client's address as Envoy found it, so after `x-forwarded-for` of trusted hops."""
    ranges = [cidr_range(cidr, row.origin) for cidr in row.principal.cidrs]
    matcher = typed("envoy.extensions.matching.input_matchers.ip.v3.Ip", cidr_ranges=ranges, stat_prefix="client")
    return _custom(typed(f"{_INPUTS}.SourceIPInput"), "ip", matcher)


def _scope(principal: Principal, wanted: str) -> Any:
    """One scope, in either of the claims that issuers put scopes in; both are lists by then (see `jwt`)."""
    value = {"list_match": {"one_of": {"string_match": exact(wanted)}}}
    return _either(_metadata(principal.jwt_provider, (claim,), value) for claim in _SCOPE_CLAIMS)


def _claim(principal: Principal, claim: ClaimMatch) -> Any:
    path = tuple(claim.name.split("."))
    values: list[dict[str, Any]] = [{"string_match": exact(value)} for value in claim.values]
    if claim.is_list:
        values = [{"list_match": {"one_of": value}} for value in values]
    return _either(_metadata(principal.jwt_provider, path, value) for value in values)


def _has_token(principal: Principal) -> Any:
    """Any token of the provider: its issuer or another registered claim is there."""
    claims = ("iss", "sub", "exp", "aud", "iat", "jti", "nbf")
    return _either(_metadata(principal.jwt_provider, (claim,), {"present_match": True}) for claim in claims)


def _metadata(provider: str, path: Sequence[str], value: dict[str, Any]) -> Any:
    source = typed(
        f"{_INPUTS}.DynamicMetadataInput",
        filter=tokens.NAME,
        path=[{"key": key} for key in (provider, *path)],
    )
    matcher = typed("envoy.extensions.matching.input_matchers.metadata.v3.Metadata", value=value)
    return _custom(source, "claim", matcher)


def _custom(source: Any, name: str, matcher: Any) -> Any:
    return build(
        PREDICATE,
        single_predicate={
            "input": {"name": name, "typed_config": source},
            "custom_match": {"name": name, "typed_config": matcher},
        },
    )


def _always() -> Any:
    """Envoy has no predicate that always holds; every request has a method."""
    return _any_header(":method", ())


def _unless(inverted: bool, predicate: Any) -> Any:
    return build(PREDICATE, not_matcher=predicate) if inverted else predicate


def _either(predicates: Iterable[Any]) -> Any:
    """Envoy refuses a list of one."""
    found = list(predicates)
    return found[0] if len(found) == 1 else build(PREDICATE, or_matcher={"predicate": found})


def _both(found: Sequence[Any]) -> Any:
    if len(found) < 2:
        return found[0] if found else None
    return build(PREDICATE, and_matcher={"predicate": found})


def _action(name: str, allow: bool) -> dict[str, Any]:
    action = typed("envoy.config.rbac.v3.Action", name=name, action="ALLOW" if allow else "DENY")
    return {"name": name, "typed_config": action}
