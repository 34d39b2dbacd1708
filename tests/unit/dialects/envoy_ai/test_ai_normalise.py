"""Every older shape becomes the one of v1beta1, and each rewrite is named at the field that the user wrote."""

from pathlib import Path

import pytest
from ai_reading import BACKEND, POLICY, ROUTE, lines, read_all, read_one

from anygate.diagnostics import ObjectRef, Rule
from anygate.dialects.envoy_ai import findings
from anygate.dialects.envoy_ai.attachments import attach_policies
from anygate.dialects.envoy_ai.kinds.aigatewayroute import AIGatewayRouteSpec
from anygate.dialects.envoy_ai.kinds.aiservicebackend import AIServiceBackendSpec
from anygate.dialects.envoy_ai.kinds.backendsecuritypolicy import BackendSecurityPolicySpec
from anygate.dialects.envoy_ai.normalise import (
    Normal,
    find_timeouts,
    normalise_backend,
    normalise_config,
    normalise_policy,
    normalise_pool,
    normalise_route,
)

HERE = Path(__file__).parent
BACKEND_REF = "backendRef: {group: gateway.envoyproxy.io, kind: Backend, name: openai}\n"
SERVICE_REF = "backendRef: {name: openai, port: 80}\n"
KEY = "type: APIKey\napiKey: {secretRef: {name: key}}\n"


def said(normal: Normal) -> list[str]:
    return [line.removeprefix("in.yaml:") for line in lines(normal.remarks)]


def test_what_is_new_stays_as_it_is():
    kinds, found = read_all((HERE / "kinds.yaml").read_text())
    assert found == []
    normals = {
        "AIGatewayRoute": normalise_route,
        "AIServiceBackend": normalise_backend,
        "BackendSecurityPolicy": normalise_policy,
        "InferencePool": normalise_pool,
    }
    for kind in kinds:
        if kind.api_version.endswith(("/v1beta1", "/v1")) and kind.kind in normals:
            normal = normals[kind.kind](kind, True) if kind.kind != "InferencePool" else normalise_pool(kind)
            assert (normal.spec, normal.remarks, normal.moved) == (kind.spec, (), {})


def test_target_refs_become_parent_refs():
    route = read_one(
        ROUTE,
        """
targetRefs:
- {group: gateway.networking.k8s.io, kind: Gateway, name: web, sectionName: https}
schema: {name: OpenAI}
filterConfig: {type: DynamicModule}
rules: []
""",
    )
    normal = normalise_route(route)
    assert type(normal.spec) is AIGatewayRouteSpec
    (parent,) = normal.spec.parent_refs
    assert (parent.group, parent.kind, parent.name, parent.section_name, parent.namespace, parent.port) == (
        "gateway.networking.k8s.io",
        "Gateway",
        "web",
        "https",
        None,
        None,
    )
    assert said(normal) == [
        "6:3: warning[ai-target-refs]: targetRefs is read as parentRefs at spec.targetRefs; rename it to parentRefs",
        "6:79: warning[ai-target-refs]: sectionName is honoured here; v0.2 attached to all listeners "
        "at spec.targetRefs[0].sectionName",
        "7:11: warning[ai-route-schema]: schema is ignored at spec.schema; remove it",
        "8:17: warning[ai-filter-config]: filterConfig is ignored; type DynamicModule was never implemented "
        "at spec.filterConfig; remove it; a GatewayConfig describes the filter of newer releases",
    ]
    assert not normal.refused


def test_positions_survive_a_rewrite():
    spec = "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]\nrules: []\n"
    normal = normalise_route(read_one(ROUTE, spec))
    assert normal.path(("spec", "parentRefs", 0, "name")) == ("spec", "targetRefs", 0, "name")
    assert normal.path(("spec", "rules", 0)) == ("spec", "rules", 0)
    assert str(normal.span(("spec", "parentRefs", 0, "name"))) == "in.yaml:5:72"
    assert normal.ref == normal.kind.ref


def test_routes_of_v1alpha1_with_parent_refs_keep_them():
    normal = normalise_route(read_one(ROUTE, "parentRefs: [{name: web}]\nrules: []\n"))
    assert [parent.name for parent in normal.spec.parent_refs] == ["web"]
    assert (normal.remarks, normal.moved) == ((), {})


def test_more_rules_than_a_cluster_takes_work_here():
    route = read_one(ROUTE, f"rules: [{', '.join(['{}'] * 16)}]\n", "v1beta1")
    assert said(normalise_route(route)) == [
        "5:10: warning[ai-too-many-rules]: 16 rules are more than the 15 that a cluster takes at spec.rules; "
        "spread them over several routes"
    ]
    strict = normalise_route(route, strict=True)
    assert strict.refused
    assert "error[ai-too-many-rules]: Too many: 16: must have at most 15 items at spec.rules" in said(strict)[0]


POOL_RULE = """
rules:
- backendRefs:
  - group: inference.networking.x-k8s.io
    kind: InferencePool
    name: llama
    priority: 1
    modelNameOverride: llama-3
    headerMutation: {}
    bodyMutation: {}
"""


def test_pools_get_their_new_group_and_lose_what_is_not_for_them():
    route = read_one(ROUTE, POOL_RULE)
    normal = normalise_route(route)
    assert normal.spec.rules[0].backend_refs[0].group == "inference.networking.k8s.io"
    assert route.spec.rules[0].backend_refs[0].group == "inference.networking.x-k8s.io"
    at = "spec.rules[0].backendRefs[0]"
    assert said(normal) == [
        "7:14: warning[ai-pool-group]: group inference.networking.x-k8s.io is read as inference.networking.k8s.io "
        f"at {at}.group; use inference.networking.k8s.io",
        f"10:17: warning[ai-pool-setting-ignored]: priority is ignored for an InferencePool at {at}.priority",
        "11:26: warning[ai-pool-setting-ignored]: modelNameOverride is ignored for an InferencePool "
        f"at {at}.modelNameOverride",
        "12:23: warning[ai-pool-setting-ignored]: headerMutation is ignored for an InferencePool "
        f"at {at}.headerMutation",
        f"13:21: warning[ai-pool-setting-ignored]: bodyMutation is ignored for an InferencePool at {at}.bodyMutation",
    ]
    strict = normalise_route(route, strict=True)
    assert "error[ai-pool-group]: only InferencePool from inference.networking.k8s.io" in said(strict)[0]


@pytest.mark.parametrize(
    ("version", "schema", "rest", "prefix"),
    [
        ("v1alpha1", "{name: OpenAI, version: v9}", "timeouts: {request: 1m}\n" + BACKEND_REF, "v9"),
        ("v1alpha1", "{name: OpenAI, version: v9}", SERVICE_REF, "v9"),
        ("v1alpha1", "{name: OpenAI, version: v9}", BACKEND_REF, None),
        ("v1alpha1", "{name: OpenAI, version: v9, prefix: /p}", SERVICE_REF, "/p"),
        ("v1beta1", "{name: OpenAI, version: v9}", SERVICE_REF, None),
        ("v1beta1", "{name: OpenAI, version: v9}", BACKEND_REF, None),
    ],
)
def test_the_version_of_openai_is_a_prefix_in_old_manifests_only(version, schema, rest, prefix):
    normal = normalise_backend(read_one(BACKEND, f"schema: {schema}\n{rest}", version))
    assert (normal.spec.api_schema.prefix, normal.spec.api_schema.version) == (prefix, None)
    (remark,) = [one for one in normal.remarks if one.rule == "ai-schema-version"]
    assert remark.path == ("spec", "schema", "version")
    assert remark.message.endswith("is read as prefix" if prefix == "v9" else "is ignored")
    if prefix == "v9":
        assert normal.path(("spec", "schema", "prefix")) == ("spec", "schema", "version")


def test_the_version_of_openai_is_a_prefix_when_asked_for():
    backend = read_one(BACKEND, "schema: {name: OpenAI, version: v9}\n" + BACKEND_REF)
    assert normalise_backend(backend, version_is_prefix=True).spec.api_schema.prefix == "v9"
    newer = read_one(BACKEND, "schema: {name: OpenAI, version: v9}\n" + BACKEND_REF, "v1beta1")
    assert normalise_backend(newer, version_is_prefix=True).spec.api_schema.prefix is None


def test_the_version_of_others_stays():
    spec = 'schema: {name: AzureOpenAI, version: "2025-01-01"}\n' + BACKEND_REF
    normal = normalise_backend(read_one(BACKEND, spec))
    assert (normal.spec.api_schema.version, normal.remarks) == ("2025-01-01", ())
    assert type(normal.spec) is AIServiceBackendSpec
    assert normal.spec.header_value_filters is None


def test_a_service_is_accepted_unless_strict():
    backend = read_one(BACKEND, "schema: {name: OpenAI}\n" + SERVICE_REF, "v1beta1")
    assert said(normalise_backend(backend)) == [
        "6:15: warning[ai-service-backend]: a Service is accepted here, but a cluster takes only a Backend "
        "at spec.backendRef; refer to a Backend of gateway.envoyproxy.io with the Service's DNS name"
    ]
    (line,) = said(normalise_backend(backend, strict=True))
    assert (
        "error[ai-service-backend]: BackendRef must be a Backend resource of Envoy Gateway. "
        "See https://github.com/envoyproxy/ai-gateway/issues/902 for more details. at spec.backendRef"
    ) in line


OLD_BACKEND = (
    "schema: {name: OpenAI}\n"
    + BACKEND_REF
    + "backendSecurityPolicyRef: {group: aigateway.envoyproxy.io, kind: BackendSecurityPolicy, name: key}\n"
    + "timeouts: {request: 3m}\n"
)


def test_a_backend_keeps_its_policy_and_its_timeouts_beside_its_spec():
    normal = normalise_backend(read_one(BACKEND, OLD_BACKEND))
    assert (normal.policy_name, normal.timeouts.request.total_seconds()) == ("key", 180)
    assert [(one.rule, one.path) for one in normal.remarks] == [
        ("ai-policy-ref", ("spec", "backendSecurityPolicyRef")),
        ("ai-backend-timeouts", ("spec", "timeouts")),
    ]


def test_rules_without_timeouts_take_those_of_their_first_backend():
    backend = normalise_backend(read_one(BACKEND, OLD_BACKEND))
    route = normalise_route(
        read_one(
            ROUTE,
            """
rules:
- {backendRefs: [{name: openai}, {name: other}]}
- {backendRefs: [{name: other}, {name: openai}]}
- {backendRefs: [{name: openai}], timeouts: {request: 1m}}
- {backendRefs: [{name: openai, group: inference.networking.k8s.io, kind: InferencePool}]}
- {}
""",
        )
    )
    known = {"openai": backend}
    found = [find_timeouts(rule, lambda ref: known.get(ref.name)) for rule in route.spec.rules]
    assert [timeouts and timeouts.request.total_seconds() for timeouts, _ in found] == [180, None, 60, None, None]
    assert [owner for _, owner in found] == [backend, None, None, None, None]


def policy(name: str, targets: str = "", version: str = "v1beta1") -> Normal[BackendSecurityPolicySpec]:
    return normalise_policy(read_one(POLICY, f"targetRefs: [{targets}]\n" + KEY, version, name=name))


TARGET = "{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: openai}"
POOL_TARGET = "{group: inference.networking.k8s.io, kind: InferencePool, name: llama}"
OPENAI = ObjectRef("aigateway.envoyproxy.io", "AIServiceBackend", "default", "openai")
LLAMA = ObjectRef("inference.networking.k8s.io", "InferencePool", "default", "llama")


def test_a_policy_attaches_by_either_side():
    backend = normalise_backend(read_one(BACKEND, OLD_BACKEND))
    by_backend = attach_policies([backend], [policy("key"), policy("other", POOL_TARGET)])
    assert by_backend.policies[OPENAI].policy.ref.name == "key"
    assert by_backend.policies[OPENAI].path == ("spec", "backendSecurityPolicyRef")
    assert by_backend.policies[OPENAI].kind is backend.kind
    assert by_backend.policies[LLAMA].path == ("spec", "targetRefs", 0)
    both = attach_policies([backend], [policy("key", f"{TARGET}, {TARGET}", "v1alpha1")])
    assert both.policies[OPENAI].path == ("spec", "targetRefs", 0)
    assert (both.conflicts, both.remarks) == ({}, ())
    assert attach_policies([backend], []).policies == {}


def test_two_policies_of_one_backend_are_refused():
    backend = normalise_backend(read_one(BACKEND, OLD_BACKEND))
    found = attach_policies([backend], [policy("zeta", TARGET), policy("key")])
    assert found.policies == {}
    assert {one.policy.ref.name for one in found.conflicts[OPENAI]} == {"key", "zeta"}
    text = "multiple BackendSecurityPolicies found for AIServiceBackend openai: [key zeta]"
    assert [(one.rule, one.message, one.path) for one in found.remarks] == [
        ("ai-policy-conflict", text, ("spec", "targetRefs", 0)),
        ("ai-policy-conflict", text, ("spec", "backendSecurityPolicyRef")),
    ]
    assert [one.object.kind for one in found.remarks] == ["BackendSecurityPolicy", "AIServiceBackend"]
    assert all(len(one.related) == 1 for one in found.remarks)


def test_gcp_credentials_without_a_source_are_those_of_the_environment():
    spec = "type: GCPCredentials\ngcpCredentials: {projectName: a, region: b}\n"
    old = read_one(POLICY, spec, name="gcp")
    normal = normalise_policy(old)
    assert type(normal.spec) is BackendSecurityPolicySpec
    assert normal.spec.credential_override is None
    assert [one.rule for one in normal.remarks] == ["ai-default-credentials"]
    (line,) = said(normalise_policy(old, strict=True))
    assert (
        "error[ai-default-credentials]: Exactly one of GCPWorkloadIdentityFederationConfig or GCPCredentialsFile "
        "must be specified at spec.gcpCredentials"
    ) in line
    assert normalise_policy(read_one(POLICY, spec, "v1beta1", name="gcp"), strict=True).remarks == ()


def test_a_pool_of_v1alpha2_gets_the_shape_of_v1():
    kinds, _ = read_all((HERE / "kinds.yaml").read_text())
    normal = normalise_pool(next(one for one in kinds if one.name == "mistral"))
    spec, picker = normal.spec, normal.spec.endpoint_picker_ref
    assert (spec.selector.match_labels, spec.target_ports[0].number) == ({"app": "mistral"}, 8000)
    assert (picker.name, picker.port.number, picker.failure_mode) == ("picker", 9003, "FailOpen")
    assert normal.path(("spec", "targetPorts", 0, "number")) == ("spec", "targetPortNumber")
    assert normal.path(("spec", "endpointPickerRef", "name")) == ("spec", "extensionRef", "name")
    assert [one.rule for one in normal.remarks] == ["ai-pool-group"]
    assert normal.kind.span(normal.remarks[0].path) == normal.remarks[0].span


def test_the_container_of_a_gateway_config_is_ignored():
    kinds, _ = read_all((HERE / "kinds.yaml").read_text())
    normal = normalise_config(next(one for one in kinds if one.kind == "GatewayConfig"))
    assert [(one.rule, one.severity, one.path) for one in normal.remarks] == [
        ("ai-container-ignored", "note", ("spec", "extProc", "kubernetes"))
    ]


def test_the_example_of_the_route_skill_needs_no_rewrite():
    route = read_one(
        ROUTE,
        """
parentRefs:
  - name: web
    kind: Gateway
    group: gateway.networking.k8s.io
rules:
  - matches:
      - headers:
          - type: Exact
            name: x-ai-eg-model
            value: gpt-4o
    timeouts:
      request: 300s
    backendRefs:
      - name: primary-openai
        priority: 0
      - name: azure-openai-backend
        priority: 1
        weight: 20
        modelNameOverride: gpt-4o
  - backendRefs:
      - name: my-inference-pool
        group: inference.networking.k8s.io
        kind: InferencePool
""",
    )
    assert normalise_route(route, strict=True).remarks == ()


@pytest.mark.parametrize("rule", [one for one in vars(findings).values() if isinstance(one, Rule)], ids=lambda r: r.id)
def test_the_examples_of_a_rule_show_it(rule):
    assert rule.id in raised(rule.wrong)
    assert rule.id not in raised(rule.right)


def raised(text: str) -> set[str]:
    kinds, found = read_all(text)
    assert found == []
    normals = {
        "AIGatewayRoute": normalise_route,
        "AIServiceBackend": normalise_backend,
        "BackendSecurityPolicy": normalise_policy,
        "InferencePool": normalise_pool,
        "GatewayConfig": normalise_config,
    }
    done = {kind: [normals[kind](one) for one in kinds if one.kind == kind] for kind in normals}
    attached = attach_policies(done["AIServiceBackend"], done["BackendSecurityPolicy"])
    remarks = [remark for some in done.values() for one in some for remark in one.remarks]
    return {remark.rule for remark in (*remarks, *attached.remarks)}
