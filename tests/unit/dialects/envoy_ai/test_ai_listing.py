"""GET /v1/models and GET /anthropic/v1/models: which models, for which hosts, in which order."""

import json
from typing import Any

from ai_model import GATEWAY, Outcome, model_rule, provider, route

REF = "{name: openai}"
AUTH = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: auth}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: %s}]
  authorization: {defaultAction: Deny}
"""


def listing(found: Outcome, rule: str = "models/*/openai", host: str = "") -> dict[str, Any]:
    name = "models/default/web/http" + (f"/{host}" if host else "")
    value: dict[str, Any] = json.loads(found.rule(rule, name).action.body)  # type: ignore[union-attr]
    return value


def names(found: Outcome, rule: str = "models/*/openai", host: str = "") -> list[str]:
    return [one["id"] for one in listing(found, rule, host)["data"]]


def test_every_exact_match_is_listed_as_it_is_written() -> None:
    rules = """
- matches:
  - headers: [{name: x-ai-eg-model, value: gpt-4o}, {name: x-tenant, value: a}]
  - headers: [{name: x-ai-eg-model, value: o3}]
  - headers: [{name: x-ai-eg-model, type: RegularExpression, value: "gpt-.*"}]
  - headers: [{name: X-AI-EG-Model, value: wrong-case}]
  modelsOwnedBy: me
  modelsCreatedAt: "2024-05-21T10:00:00+02:00"
  backendRefs: [{name: openai}]
- matches: [{headers: [{name: x-ai-eg-model, value: o3}]}]
  backendRefs: [{name: openai}]
- matches: [{headers: [{name: x-ai-eg-model, value: hidden}]}]
  excludeFromModelsEndpoint: true
  backendRefs: [{name: openai}]
- backendRefs: [{name: openai}]
"""
    created = ", creationTimestamp: '2025-01-01T00:00:00Z'"
    found = Outcome(GATEWAY, provider("openai"), route(rules, metadata=created))
    assert listing(found) == {
        "object": "list",
        "data": [
            {"id": "gpt-4o", "object": "model", "created": 1716278400, "owned_by": "me"},
            {"id": "o3", "object": "model", "created": 1716278400, "owned_by": "me"},
            {"id": "o3", "object": "model", "created": 1735689600, "owned_by": "Envoy AI Gateway"},
        ],
    }
    anthropic = listing(found, "models/*/anthropic")
    assert (anthropic["first_id"], anthropic["last_id"], anthropic["has_more"]) == ("gpt-4o", "o3", False)
    assert anthropic["data"][0] == {
        "id": "gpt-4o",
        "type": "model",
        "display_name": "gpt-4o",
        "created_at": "2024-05-21T08:00:00Z",
    }
    rule = found.rule("models/*/anthropic", "models/default/web/http")
    assert [(one.method, one.path.value) for one in rule.matches if one.path] == [("GET", "/anthropic/v1/models")]
    bare = found.rule("models/*/anthropic-bare", "models/default/web/http")
    assert bare.action == rule.action
    (match,) = bare.matches
    assert match.path is not None
    assert (match.path.value, [header.name for header in match.headers]) == ("/v1/models", ["anthropic-version"])


def test_without_any_time_the_answer_is_the_same_each_time() -> None:
    found = Outcome(GATEWAY, provider("openai"), route(model_rule("a", REF)))
    assert listing(found)["data"][0]["created"] == 0


def test_hosts_have_lists_of_their_own() -> None:
    def of(name: str, *hosts: str) -> str:
        more = f"hostnames: [{', '.join(json.dumps(host) for host in hosts)}]" if hosts else ""
        return route(model_rule(name, REF), name=name, more=more)

    found = Outcome(
        GATEWAY,
        provider("openai"),
        of("everywhere"),
        of("exact", "ai.example.com"),
        of("wild", "*.example.com"),
        of("both", "ai.example.com", "*.example.com"),
    )
    assert names(found) == ["everywhere"]
    assert sorted(names(found, "models/ai.example.com/openai", "ai.example.com")) == ["both", "exact"]
    assert sorted(names(found, "models/*.example.com/openai", "*.example.com")) == ["both", "wild"]
    # Where the star stands for several labels, the routes without hosts are listed.
    assert names(found, "models/**.example.com/openai", "*.example.com") == ["everywhere"]
    (one, several) = (
        found.rule(name, "models/default/web/http/*.example.com").matches[0]
        for name in ("models/*.example.com/openai", "models/**.example.com/openai")
    )
    assert [(header.name, header.kind, header.value) for header in one.headers] == [
        (":authority", "regex", r"[^.:]+\.example\.com(:\d+)?")
    ]
    assert several.headers == ()
    assert one.rank > several.rank


def test_a_list_is_protected_as_its_routes_are() -> None:
    parts = (GATEWAY, provider("openai"), route(model_rule("a", REF), name="a"), route(model_rule("b", REF), name="b"))
    found = Outcome(*parts, AUTH % "a")
    rule = found.rule("models/*/openai", "models/default/web/http")
    assert rule.security is not None
    assert names(found) == ["a", "b"]
    both = Outcome(*parts, AUTH % "a", (AUTH % "b").replace("name: auth", "name: other"))
    # Who may see the models of one may not see those of the other.
    assert names(both) == ["a"]
