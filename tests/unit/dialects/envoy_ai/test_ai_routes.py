"""AIGatewayRoutes in the model: endpoints, targets, failover, timeouts, and what cannot be served."""

import json
from datetime import timedelta

import pytest
from ai_model import GATEWAY, GRANT, Outcome, model_rule, policy, provider, route, secret

from anygate.compiler import CompileCache, Verdict
from anygate.model.edit import Respond
from anygate.model.route import Forward
from anygate.providers.paths import ENDPOINT_PATHS


def test_a_rule_becomes_one_for_each_endpoint() -> None:
    found = Outcome(GATEWAY, provider("openai"), route(model_rule("gpt-4o", "{name: openai}")))
    rules = found.route().rules
    assert [rule.name for rule in rules] == [f"0/{endpoint}" for endpoint in ENDPOINT_PATHS]
    for rule in rules:
        assert rule.inference is not None
        assert [match.path.value for match in rule.matches if match.path] == list(
            ENDPOINT_PATHS[rule.inference.endpoint]
        )
        assert {(header.name, header.value) for match in rule.matches for header in match.headers} == {
            ("x-ai-eg-model", "gpt-4o")
        }
        assert rule.origin.object == "AIGatewayRoute/default/chat"
        assert rule.origin.path == "spec.rules[0]"
    assert found.rules_found == []


def test_each_endpoint_goes_to_the_backends_that_can_serve_it() -> None:
    refs = ["{name: openai}", "{name: claude, weight: 3}", "{name: cohere}"]
    backends = (provider("openai"), provider("claude", "Anthropic"), provider("cohere", "Cohere"))
    found = Outcome(GATEWAY, *backends, route(model_rule("any", *refs)))
    assert found.targets("0/chat") == [("openai", 1, 0, False), ("claude", 3, 0, True), ("cohere", 1, 0, True)]
    assert found.targets("0/messages") == [("openai", 1, 0, True), ("claude", 3, 0, False), ("cohere", 1, 0, True)]
    assert found.targets("0/completions") == [("openai", 1, 0, False)]
    assert found.targets("0/embeddings") == [("openai", 1, 0, False), ("cohere", 1, 0, True)]
    assert found.targets("0/count_tokens") == [("claude", 3, 0, False)]
    assert found.targets("0/rerank") == [("cohere", 1, 0, False)]
    assert found.targets("0/speech") == [("openai", 1, 0, False)]
    assert set(found.rules_found) == {"ai-endpoint-left-out"}


@pytest.mark.parametrize(
    ("endpoint", "backend", "message_at"),
    [("rerank", "openai", ("message",)), ("messages", "cohere2", ()), ("images", "claude", ("error", "message"))],
)
def test_an_endpoint_that_no_backend_serves_is_refused_in_its_own_format(
    endpoint: str, backend: str, message_at: tuple[str, ...]
) -> None:
    backends = (provider("openai"), provider("claude", "Anthropic"), provider("cohere2", "Cohere"))
    found = Outcome(GATEWAY, *backends, route(model_rule("any", f"{{name: {backend}}}")))
    if not message_at:
        assert isinstance(found.action(f"0/{endpoint}"), Forward)
        return
    answer = found.action(f"0/{endpoint}")
    assert isinstance(answer, Respond)
    assert (answer.status, answer.content_type, answer.reason) == (422, "application/json", "")
    value = json.loads(answer.body)
    for step in message_at:
        value = value[step]
    assert "do not serve this endpoint" in value


def test_anthropics_clients_are_refused_in_anthropics_format() -> None:
    found = Outcome(GATEWAY, provider("openai"), route(model_rule("any", "{name: openai}")))
    answer = found.action("0/count_tokens")
    assert answer.status == 422
    assert json.loads(answer.body)["type"] == "error"
    assert json.loads(answer.body)["error"]["type"] == "invalid_request_error"


def test_priorities_fail_over_without_a_policy() -> None:
    refs = ["{name: openai}", "{name: claude, priority: 1, modelNameOverride: sonnet}", "{name: last, priority: 7}"]
    backends = (provider("openai"), provider("claude", "Anthropic"), provider("last"))
    found = Outcome(GATEWAY, *backends, route(model_rule("any", *refs)))
    assert found.targets("0/chat") == [("openai", 1, 0, False), ("claude=sonnet", 1, 1, True), ("last", 1, 7, False)]
    retry = found.rule("0/chat").retry
    assert retry is not None
    assert retry.attempts == 2
    assert retry.statuses == (429, 500, 502, 503, 504, 529)
    assert retry.triggers == (
        "connect-failure",
        "refused-stream",
        "reset-before-request",
        "5xx",
        "retriable-status-codes",
    )
    assert retry.origin.path == "spec.rules[0]"
    # Only two of the three priorities are left where one cannot serve the endpoint, and only one here.
    assert found.rule("0/completions").retry is not None
    assert found.rule("0/completions").retry.attempts == 1  # type: ignore[union-attr]
    assert found.rule("0/count_tokens").retry is None


def test_a_policys_retry_holds_instead() -> None:
    traffic = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: {name: retry}
spec:
  targetRefs: [{group: %s, kind: %s, name: chat}]
  retry: {numRetries: 5, perRetry: {timeout: 30s}, retryOn: {httpStatusCodes: [500], triggers: [connect-failure]}}
"""
    parts = (GATEWAY, provider("openai"), provider("spare"))
    chat = route(model_rule("any", "{name: openai}", "{name: spare, priority: 1}"))
    for group, kind in (
        ("gateway.networking.k8s.io", "HTTPRoute"),
        ("aigateway.envoyproxy.io", "AIGatewayRoute"),
    ):
        found = Outcome(*parts, traffic % (group, kind), chat)
        retry = found.rule("0/chat").retry
        assert retry is not None
        assert (retry.attempts, retry.statuses, retry.per_try_timeout) == (5, (500,), timedelta(seconds=30))
        assert found.rule("0/chat").timeouts.attempt is None
        assert found.rules_found == []


def test_a_policy_that_is_not_valid_closes_the_route() -> None:
    broken = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: broken}
spec:
  targetRefs: [{group: aigateway.envoyproxy.io, kind: AIGatewayRoute, name: chat}]
  basicAuth: {users: 5}
"""
    found = Outcome(GATEWAY, provider("openai"), broken, route(model_rule("any", "{name: openai}")))
    for rule in found.route().rules:
        assert isinstance(rule.action, Respond)
        assert rule.action.status == 500
    # What is closed is not listed either.
    assert json.loads(found.rule("models/*/openai", "models/default/web/http").action.body)["data"] == []  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("written", "request_limit", "attempt", "idle"),
    [
        ("", timedelta(0), timedelta(seconds=60), None),
        ("\n  timeouts: {request: 300s}", timedelta(seconds=300), None, None),
        ("\n  timeouts: {backendRequest: 5s}", timedelta(0), timedelta(seconds=5), None),
        ("\n  timeouts: {request: 9s, backendRequest: 5s}", timedelta(seconds=9), timedelta(seconds=5), None),
        ("\n  streamIdleTimeout: 20s", timedelta(0), timedelta(seconds=60), timedelta(seconds=20)),
    ],
)
def test_timeouts(written: str, request_limit: timedelta, attempt: timedelta | None, idle: timedelta | None) -> None:
    found = Outcome(GATEWAY, provider("openai"), route(model_rule("any", "{name: openai}", more=written)))
    timeouts = found.rule("0/chat").timeouts
    assert (timeouts.request, timeouts.attempt, timeouts.attempt_idle) == (request_limit, attempt, idle)


def test_an_override_makes_a_backend_of_its_own_and_edits_are_translated() -> None:
    refs = [
        "{name: openai, modelNameOverride: a}",
        "{name: openai, modelNameOverride: b}",
        "{name: openai, bodyMutation: {set: [{path: user, value: me}], remove: [seed]}}",
    ]
    found = Outcome(GATEWAY, provider("openai"), route(model_rule("any", *refs)))
    assert found.targets("0/chat") == [("openai=a", 1, 0, False), ("openai=b", 1, 0, False), ("openai", 1, 0, True)]
    # In a form the model can only be replaced by writing the form anew; a form has no body to edit.
    assert found.targets("0/transcription") == [
        ("openai=a", 1, 0, True),
        ("openai=b", 1, 0, True),
        ("openai", 1, 0, False),
    ]
    assert len([one for one in found.model.backends if one.provider]) == 3
    assert not [one for one in found.model.backends if not one.provider]


def test_mutations_of_the_reference_win_over_those_of_the_backend() -> None:
    backend = provider(
        "openai",
        headerMutation="{set: [{name: X-A, value: '1'}, {name: x-b, value: '2'}], remove: [x-c]}",
        bodyMutation="{set: [{path: a, value: '1'}, {path: b, value: '1'}], remove: [c]}",
    )
    ref = (
        "{name: openai, headerMutation:"
        " {set: [{name: x-a, value: '9'}, {name: x-ai-eg-model, value: 'no'}], remove: [X-C, x-d]},"
        " bodyMutation: {set: [{path: b, value: '\"x\"'}, {path: d, value: 'no json'}, {path: e, value: '[1, 2]'}],"
        " remove: [f]}}"
    )
    spoken = Outcome(GATEWAY, backend, route(model_rule("any", ref))).provider("default/openai")
    assert spoken.headers.set == (("x-a", "9"), ("x-b", "2"))
    assert [name.lower() for name in spoken.headers.remove] == ["x-c", "x-d"]
    assert spoken.body.set == (("a", "1"), ("b", '"x"'), ("d", '"no json"'), ("e", "[1, 2]"))
    assert spoken.body.remove == ("c", "f")


def test_a_missing_backend_leaves_the_others() -> None:
    rules = (
        model_rule("a", "{name: openai}", "{name: opnai}") + "\n" + model_rule("b", "{name: nowhere, namespace: far}")
    )
    found = Outcome(GATEWAY, provider("openai"), route(rules))
    assert found.targets("0/chat") == [("openai", 1, 0, False)]
    answer = found.action("1/chat")
    assert (answer.status, answer.content_type) == (503, "application/json")
    assert answer.reason
    assert found.condition("AIGatewayRoute", "chat") == (
        "NotAccepted",
        "failed to construct a new HTTPRoute: failed to get AIServiceBackend opnai.default: "
        "AIServiceBackend opnai.default not found",
    )
    hints = {one.rule: one.hint for one in found.found}
    assert hints["ai-backend-not-found"] == 'did you mean "openai"?'
    assert str(found.condition("AIServiceBackend", "openai")[0]) == "Accepted"


def test_another_namespace_needs_a_grant() -> None:
    parts = (
        GATEWAY,
        provider("openai", namespace="models"),
        route(model_rule("a", "{name: openai, namespace: models}")),
    )
    refused = Outcome(*parts)
    assert refused.rules_found == ["ai-ref-not-permitted"]
    assert refused.action("0/chat").status == 503
    assert refused.condition("AIGatewayRoute", "chat")[1].startswith(
        "cross-namespace reference from AIGatewayRoute in namespace default to AIServiceBackend openai in namespace "
        "models is not permitted: no valid ReferenceGrant found in namespace models"
    )
    assert not refused.model.backends
    for name, permitted in ((", name: openai", True), (", name: other", False), ("", True)):
        to = f"{{group: aigateway.envoyproxy.io, kind: AIServiceBackend{name}}}"
        found = Outcome(*parts, GRANT % ("models", "AIGatewayRoute", to))
        assert (found.rules_found == []) == permitted


def test_a_route_of_the_same_name_is_a_conflict() -> None:
    other = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: chat}
spec: {parentRefs: [{name: web}], rules: [{backendRefs: []}]}
"""
    found = Outcome(GATEWAY, provider("openai"), other, route(model_rule("a", "{name: openai}")))
    assert found.rules_found == ["ai-route-name-taken"]
    assert found.condition("AIGatewayRoute", "chat")[0] == "NotAccepted"
    assert [rule.name for rule in found.route().rules] == ["0"]


def test_a_missing_gateway_is_in_the_status() -> None:
    found = Outcome(provider("openai"), route(model_rule("a", "{name: openai}")))
    assert found.rules_found == ["parent-not-found"]
    assert found.condition("AIGatewayRoute", "chat") == (
        "NotAccepted",
        "failed to sync gw pods: gateway default/web not found",
    )


def test_listeners_and_backends_take_large_messages_unless_a_policy_says_otherwise() -> None:
    limit = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: ClientTrafficPolicy
metadata: {name: limit}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
  connection: {bufferLimit: 64Ki}
"""
    parts = (GATEWAY, provider("openai"), route(model_rule("a", "{name: openai}")))
    plain, limited = Outcome(*parts), Outcome(*parts, limit)
    limits = [one.model.gateways[0].listeners[0].connection.buffer_limit for one in (plain, limited)]
    assert limits == [50 * 1024 * 1024, 64 * 1024]
    assert plain.model.backends[0].connection.buffer_limit == 50 * 1024 * 1024
    assert "ai-buffer-limit" in {one.rule for one in plain.found}
    assert limited.rules_found == ["ai-buffer-small"]


def test_envoy_gateways_fallback_backend_comes_last() -> None:
    spare = provider("spare").replace("spec: {endpoints", "spec: {fallback: true, endpoints")
    found = Outcome(GATEWAY, provider("openai"), spare, route(model_rule("a", "{name: spare}", "{name: openai}")))
    assert found.targets("0/chat") == [("spare", 1, 1, False), ("openai", 1, 0, False)]


def test_references_without_a_share_are_left_out() -> None:
    parts = (GATEWAY, provider("openai"), provider("spare"))
    found = Outcome(*parts, route(model_rule("a", "{name: openai}", "{name: spare, weight: 0}")))
    assert found.targets("0/chat") == [("openai", 1, 0, False)]
    none = Outcome(*parts, route(model_rule("a", "{name: spare, weight: 0}")))
    assert none.action("0/chat").status == 503


def test_headers_that_look_like_the_models_are_warned_about() -> None:
    rules = "- matches: [{headers: [{name: X-Model, value: a}]}]\n  backendRefs: [{name: openai}]"
    found = Outcome(GATEWAY, provider("openai"), route(rules))
    assert found.rules_found == ["ai-model-header"]


def test_pools_are_reached_without_their_picker() -> None:
    pool = """
apiVersion: inference.networking.k8s.io/v1
kind: InferencePool
metadata: {name: llama}
spec:
  selector: {matchLabels: {app: llama}}
  targetPorts: [{number: 8000}]
  endpointPickerRef: {name: picker, port: {number: 9002}}
---
apiVersion: v1
kind: Service
metadata: {name: llama}
spec: {selector: {app: llama}, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: llama-1, labels: {kubernetes.io/service-name: llama}}
addressType: IPv4
ports: [{port: 8000}]
endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.2], conditions: {ready: false}}]
"""
    ref = "{group: inference.networking.k8s.io, kind: InferencePool, name: llama}"
    found = Outcome(GATEWAY, pool, route(model_rule("a", ref)))
    (backend,) = found.model.backends
    assert [(one.host, one.port) for group in backend.groups for one in group.endpoints] == [("10.0.0.1", 8000)]
    assert backend.provider is not None
    assert (backend.provider.format, backend.provider.prefix, backend.provider.name) == (
        "OpenAI",
        "v1",
        "default/llama",
    )
    assert found.rules_found == ["ai-no-picker"]
    without = Outcome(
        GATEWAY,
        pool.replace("  endpointPickerRef: {name: picker, port: {number: 9002}}\n", ""),
        route(model_rule("a", ref)),
    )
    assert without.action("0/chat").status == 503
    assert without.condition("AIGatewayRoute", "chat")[0] == "NotAccepted"


@pytest.mark.parametrize("kind", ["InferenceModel", "InferenceObjective"])
def test_what_only_a_picker_reads_is_noted(kind: str) -> None:
    found = Outcome(
        f"apiVersion: inference.networking.x-k8s.io/v1alpha2\nkind: {kind}\nmetadata: {{name: a}}\nspec: {{}}"
    )
    assert found.rules_found == ["kind-not-used"]


def test_what_a_backend_refers_to_may_be_missing() -> None:
    backend = "---".join(provider("openai").split("---")[1:])
    found = Outcome(GATEWAY, backend, route(model_rule("a", "{name: openai}")))
    assert found.rules_found == ["backend-not-found"]
    assert found.action("0/chat").status == 503
    assert found.condition("AIGatewayRoute", "chat") == ("NotAccepted", "there is no Backend/default/openai")
    verdicts = {ref.kind: one.verdict for ref, one in found.read.outcomes.items()}
    assert (verdicts["AIGatewayRoute"], verdicts["AIServiceBackend"]) == (Verdict.REFUSED, Verdict.ACCEPTED)


def test_findings_lead_to_what_was_written() -> None:
    found = Outcome(GATEWAY, provider("openai"), route(model_rule("a", "{name: openai}", "{name: nope}")))
    (missing,) = [one for one in found.found if one.rule == "ai-backend-not-found"]
    assert str(missing.object) == "AIGatewayRoute/default/chat"
    assert missing.path == ("spec", "rules", 0, "backendRefs", 1)
    assert missing.span is not None
    assert missing.span.file.lines[missing.span.line - 1].strip() == "- {name: nope}"


def test_a_policy_may_name_one_rule() -> None:
    traffic = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: {name: slow}
spec:
  targetRefs: [{group: aigateway.envoyproxy.io, kind: AIGatewayRoute, name: chat, sectionName: slow}]
  timeout: {http: {requestTimeout: 10m}}
"""
    rules = model_rule("a", "{name: openai}", more="\n  name: slow") + "\n" + model_rule("b", "{name: openai}")
    found = Outcome(GATEWAY, provider("openai"), traffic, route(rules))
    assert found.rule("slow/chat").timeouts.request == timedelta(minutes=10)
    assert found.rule("1/chat").timeouts.request == timedelta(0)
    assert found.rules_found == []
    missing = Outcome(GATEWAY, provider("openai"), traffic)
    assert missing.rules_found == ["policy-target-not-found"]


def test_what_has_not_changed_keeps_its_identity() -> None:
    cache = CompileCache()
    parts = [
        GATEWAY,
        provider("openai"),
        provider("claude", "Anthropic"),
        secret(),
        policy("type: APIKey\napiKey: {secretRef: {name: keys}}"),
        route(
            model_rule("a", "{name: openai}", "{name: claude, priority: 1}"),
            more="llmRequestCosts: [{metadataKey: t, type: TotalToken}]",
        ),
        route(model_rule("b", "{name: claude}"), name="other"),
    ]
    first, second = Outcome(*parts, cache=cache), Outcome(*parts, cache=cache)
    assert first.model == second.model
    for one, two in zip(first.server.routes, second.server.routes, strict=True):
        assert one is two
    assert all(one is two for one, two in zip(first.model.backends, second.model.backends, strict=True))
    changed = Outcome(*parts[:-1], parts[-1].replace("{name: claude}", "{name: openai}"), cache=cache)
    assert changed.route() is first.route()
    assert changed.route("default/other") is not first.route("default/other")
    assert changed.model == Outcome(*parts[:-1], parts[-1].replace("{name: claude}", "{name: openai}")).model
    moved = Outcome(parts[0], secret("more"), *parts[1:], cache=cache)
    assert moved.model == Outcome(parts[0], secret("more"), *parts[1:]).model
    assert [str(one) for one in moved.found] == [
        str(one) for one in Outcome(parts[0], secret("more"), *parts[1:]).found
    ]
