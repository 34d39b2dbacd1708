"""The kinds of this dialect: rich manifests validate, and each mistake is named at its field."""

from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from anygate.dialects.gateway_api.kinds import KINDS
from anygate.dialects.gateway_api.kinds.backendtlspolicy import BackendTLSPolicyV1Alpha2

ABSENT = object()

HERE = Path(__file__).parent
VALID = {one["kind"]: one for one in yaml.safe_load_all((HERE / "kinds.yaml").read_text())}
MISTAKES = [
    (kind, mistake)
    for kind, mistakes in yaml.safe_load((HERE / "mistakes.yaml").read_text()).items()
    for mistake in mistakes
]
HTTP = {"name": "x", "port": 1, "protocol": "HTTP"}


def read(document: dict[str, Any]) -> Any:
    group, _, version = document["apiVersion"].rpartition("/")
    entry = KINDS[group, document["kind"]]
    assert version in entry.versions
    return entry.model.model_validate(document)


def change(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    changed = deepcopy(document)
    *steps, last = path.split(".")
    place: Any = changed
    for step in steps:
        place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
    if last == "+":
        place.append(value)
    elif value is ABSENT:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return changed


def errors(document: dict[str, Any]) -> list[tuple[str, str]]:
    try:
        read(document)
    except ValidationError as error:
        return [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors()]
    return []


@pytest.mark.parametrize("key", KINDS, ids=lambda key: key[1])
def test_a_rich_manifest_validates(key: tuple[str, str]) -> None:
    kind = read(VALID[key[1]])
    assert key == (type(kind).GROUP, type(kind).KIND)


@pytest.mark.parametrize("key", KINDS, ids=lambda key: key[1])
def test_names_written_back_are_those_of_the_manifest(key: tuple[str, str]) -> None:
    """Every alias is right: what was read in comes out under the same names."""
    document = VALID[key[1]]
    written = read(document).model_dump(by_alias=True, exclude_unset=True)
    assert set(list_fields(written["spec"])) == set(list_fields(document["spec"]))


def list_fields(value: Any, at: str = "") -> list[str]:
    if isinstance(value, dict):
        return [at, *(field for key, one in value.items() for field in list_fields(one, f"{at}.{key}"))]
    if isinstance(value, list | tuple):
        return [at, *(field for one in value for field in list_fields(one, at))]
    return [at]


@pytest.mark.parametrize(("kind", "mistake"), MISTAKES, ids=lambda one: one if isinstance(one, str) else one["change"])
def test_a_mistake_is_named_at_its_field(kind: str, mistake: dict[str, Any]) -> None:
    ((at, text),) = errors(change(VALID[kind], mistake["change"], mistake.get("to", ABSENT)))
    assert at == mistake.get("at", mistake["change"])
    assert mistake["error"] in text


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("HTTPRoute", "spec.parentRefs.1.sectionName", "https"),
        ("HTTPRoute", "spec.rules.0.matches", []),
        ("HTTPRoute", "spec.rules.0.matches", [{}] * 64),
        ("HTTPRoute", "spec.rules.0.timeouts.request", "0s"),
        ("HTTPRoute", "spec.rules.0.retry.attempts", 0),
        ("Gateway", "spec.listeners.2.tls.certificateRefs", []),
        ("Gateway", "spec.addresses.0.value", "fd00::1"),
        ("Backend", "spec.tls.minVersion", "Auto"),
        ("BackendTrafficPolicy", "spec.targetRefs", []),
        ("BackendTrafficPolicy", "spec.requestBuffer.limit", 4096),
        ("BackendTrafficPolicy", "spec.healthCheck.active", {"type": "GRPC"}),
        ("SecurityPolicy", "spec.cors.allowOrigins", ["*"]),
    ],
)
def test_what_the_api_allows_is_allowed(kind: str, path: str, value: Any) -> None:
    assert errors(change(VALID[kind], path, value)) == []


def test_a_wrong_entry_is_not_also_reported_as_a_missing_one() -> None:
    document = change(VALID["ListenerSet"], "spec.listeners.0.port", "80")
    assert [at for at, _ in errors(document)] == ["spec.listeners.0.port"]


def test_all_mistakes_of_a_node_are_named_together() -> None:
    document = change(VALID["Gateway"], "spec.listeners.4.hostname", "a.example.com")
    document = change(document, "spec.listeners.4.tls", {"certificateRefs": [{"name": "a"}]})
    document = change(document, "spec.listeners.0.hostname", "A")
    assert [at for at, _ in errors(document)] == [
        "spec.listeners.0.hostname",
        "spec.listeners.4.tls",
        "spec.listeners.4.hostname",
    ]


def test_braces_in_values_are_not_placeholders() -> None:
    document = change(VALID["HTTPRoute"], "spec.rules.0.matches.0.path.value", "{text}")
    assert ("spec.rules.0.matches.0.path.value", "must be an absolute path") in errors(document)


def test_defaults_are_those_of_the_api() -> None:
    document = change(VALID["HTTPRoute"], "spec", {})
    rule = read(document).spec.rules[0]
    assert (rule.matches[0].path.type, rule.matches[0].path.value) == ("PathPrefix", "/")
    gateway = change(VALID["Gateway"], "spec", {"gatewayClassName": "a", "listeners": [HTTP]})
    spec = read(gateway).spec
    assert spec.listeners[0].allowed_routes.namespaces.from_ == "Same"
    assert spec.allowed_listeners.namespaces.from_ == "None"
    budget = change(VALID["XBackendTrafficPolicy"], "spec.retryConstraint", {})
    constraint = read(budget).spec.retry_constraint
    assert (constraint.budget.percent, constraint.budget.interval) == (20, timedelta(seconds=10))
    assert (constraint.min_retry_rate.count, constraint.min_retry_rate.interval) == (10, timedelta(seconds=1))


def test_session_persistence_reads_both_shapes_alike() -> None:
    rules = read(VALID["HTTPRoute"]).spec.rules
    old, _, new, header = (rule.session_persistence for rule in rules)
    assert (old.token_name, old.lifetime_type) == ("shop", "Permanent")
    assert (new.token_name, new.lifetime_type, new.cookie.path) == ("sid", "Permanent", "/a")
    assert (header.token_name, header.lifetime_type) == ("x-session", "Session")


def test_too_many_matches_are_named_at_the_rule_that_exceeds() -> None:
    rules = [{"matches": [{}] * 64}, {"matches": [{}] * 64}, {"matches": [{}]}]
    found = errors(change(VALID["HTTPRoute"], "spec.rules", rules))
    assert found == [("spec.rules.2.matches", "the route has more than 128 matches")]


def test_routes_of_alpha_versions_keep_their_own_rules() -> None:
    tls = change(VALID["TLSRoute"], "apiVersion", "gateway.networking.k8s.io/v1alpha2")
    assert errors(change(tls, "spec.hostnames", ABSENT)) == []
    tls = change(VALID["TLSRoute"], "apiVersion", "gateway.networking.k8s.io/v1alpha3")
    assert [at for at, _ in errors(change(tls, "spec.hostnames", ABSENT))] == ["spec.hostnames"]


def test_backend_tls_policy_v1alpha2_has_its_own_shape() -> None:
    spec = {
        "targetRef": {"group": "", "kind": "Service", "name": "db", "namespace": "shop"},
        "tls": {"hostname": "db.example.com", "wellKnownCACerts": "System"},
    }
    document = VALID["BackendTLSPolicy"] | {"apiVersion": "gateway.networking.k8s.io/v1alpha2", "spec": spec}
    found = read(document)
    assert isinstance(found, BackendTLSPolicyV1Alpha2)
    assert found.spec.tls.well_known_ca_certs == "System"
    assert errors(change(document, "spec.tls.wellKnownCACerts", ABSENT)) == [
        ("spec.tls.caCertRefs", "caCertRefs or wellKnownCACerts is required")
    ]


def test_only_gatewayclass_is_cluster_scoped() -> None:
    assert [key[1] for key, entry in KINDS.items() if not entry.namespaced] == ["GatewayClass"]
