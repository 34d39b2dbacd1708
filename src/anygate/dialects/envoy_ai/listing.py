"""The models of a server: answers to GET /v1/models and, for Anthropic's clients, GET /anthropic/v1/models.

A model is listed for each exact match on the model header. A host's list is that of the routes that name the host, else
of the longest wildcard whose star stands for one label, else of the routes without hosts.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from anygate.dialects.envoy_ai.derive import Plan
from anygate.dialects.envoy_ai.kinds.aigatewayroute import MODEL_HEADER, AIGatewayRouteRule
from anygate.model.edit import Respond
from anygate.model.match import HttpMatch, PathMatch, ValueMatch
from anygate.model.route import Forward, HttpRoute, HttpRule
from anygate.model.security import Cors, Security

OPENAI_PATH = "/v1/models"
ANTHROPIC_PATH = "/anthropic/v1/models"
_EXACT_PATH = 3
_ANTHROPIC_CLIENT = ValueMatch(name="anthropic-version", kind="present")
_UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""When a model was made of which nothing says when: the same manifests give the same answer."""


class ListedModel(NamedTuple):
    """One entry."""

    name: str
    owner: str
    created: datetime


class Listed(NamedTuple):
    """A refined route with its models, and what protects them."""

    route: HttpRoute
    models: tuple[ListedModel, ...]
    security: Security | None
    cors: Cors | None


def list_models(plan: Plan, route: HttpRoute, refined: HttpRoute) -> Listed:
    """The models of a route; those of rules that policies have closed are left out."""
    models: list[ListedModel] = []
    guards: list[HttpRule] = []
    for rule, written in zip(route.rules, plan.source.spec.rules, strict=True):
        if not isinstance(rule.action, Forward) or written.exclude_from_models_endpoint:
            continue
        guards.append(rule)
        # Rules of one route may be protected apart: the listing asks what the first protected one asks.
        models += _list_rule(written, route.created)
    guard = next((rule for rule in guards if rule.security is not None), None)
    security = guard.security if guard is not None else None
    if any(rule.security not in (None, security) for rule in guards):
        kept = (
            _list_rule(written, route.created)
            for rule, written in zip(route.rules, plan.source.spec.rules, strict=True)
            if isinstance(rule.action, Forward)
            and not written.exclude_from_models_endpoint
            and rule.security in (None, security)
        )
        models = [one for found in kept for one in found]
    cors = next((rule.cors for rule in guards if rule.cors is not None), None)
    return Listed(refined, tuple(models), security, cors)


def _list_rule(written: AIGatewayRouteRule, created: str) -> Iterator[ListedModel]:
    time = written.models_created_at or _parse_time(created)
    for match in written.matches:
        for header in match.headers:
            if header.name == MODEL_HEADER and header.type == "Exact":
                yield ListedModel(header.value, written.models_owned_by, time)


def _parse_time(created: str) -> datetime:
    try:
        found = datetime.fromisoformat(created)
    except ValueError:
        return _UNKNOWN_TIME
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def build_listings(server: str, listed: Sequence[Listed]) -> Iterator[HttpRoute]:
    """The routes that answer with the models of a server's routes, one for each of their hosts."""
    by_host: dict[str, list[Listed]] = {}
    for one in listed:
        for hostname in one.route.hostnames or ("",):
            by_host.setdefault(hostname, []).append(one)
    unbound = by_host.get("", [])
    for hostname, own in sorted(by_host.items()):
        name = hostname or "*"
        groups = [(name, "", own)]
        if hostname.startswith("*."):
            groups = [(name, _one_label(hostname), own), (f"*{name}", "", unbound)]
        rules = tuple(rule for group, pattern, found in groups for rule in _build_rules(found, own, pattern, group))
        first = own[0].route
        yield HttpRoute(
            origin=first.origin,
            name=f"models/{server}/{hostname}" if hostname else f"models/{server}",
            hostnames=(hostname,) if hostname else (),
            rules=rules,
        )


def _one_label(wildcard: str) -> str:
    """The hosts, with or without a port, for which the star of a wildcard stands for exactly one label."""
    return rf"[^.:]+{re.escape(wildcard[1:])}(:\d+)?"


def _build_rules(found: Sequence[Listed], own: Sequence[Listed], pattern: str, name: str) -> Iterator[HttpRule]:
    """Both listings; models that are protected otherwise than the first protected ones are left out."""
    guard = next((one for one in found if one.security is not None), None)
    security = guard.security if guard is not None else None
    models = [model for one in found if one.security in (None, security) for model in one.models]
    here = (found or own)[0].route.origin
    cors = next((one.cors for one in found if one.cors is not None), None)
    only = (ValueMatch(name=":authority", kind="regex", value=pattern),) if pattern else ()
    for label, path, headers, body in (
        ("openai", OPENAI_PATH, only, render_openai(models)),
        ("anthropic", ANTHROPIC_PATH, only, render_anthropic(models)),
        # Anthropic's own clients look here when they are given the gateway's bare address.
        ("anthropic-bare", OPENAI_PATH, (*only, _ANTHROPIC_CLIENT), render_anthropic(models)),
    ):
        rank = (_EXACT_PATH, len(path), 1, len(headers), 0)
        match = HttpMatch(
            origin=here, path=PathMatch(kind="exact", value=path), method="GET", headers=headers, rank=rank
        )
        yield HttpRule(
            origin=here,
            name=f"models/{name}/{label}",
            matches=(match,),
            action=Respond(origin=here, status=200, body=body, content_type="application/json"),
            security=security,
            cors=cors,
        )


def render_openai(models: Iterable[ListedModel]) -> str:
    """The list as OpenAI's clients read it."""
    entries = [
        {"id": one.name, "created": int(one.created.timestamp()), "object": "model", "owned_by": one.owner}
        for one in models
    ]
    return json.dumps({"data": entries, "object": "list"}, ensure_ascii=False, separators=(",", ":"))


def render_anthropic(models: Iterable[ListedModel]) -> str:
    """The list as Anthropic's clients read it."""
    entries = [
        {"id": one.name, "type": "model", "display_name": one.name, "created_at": _render_time(one.created)}
        for one in models
    ]
    value = {
        "data": entries,
        "first_id": entries[0]["id"] if entries else None,
        "last_id": entries[-1]["id"] if entries else None,
        "has_more": False,
    }
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _render_time(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
