import pytest
from manifest_parsing import build_index, read

from anygate.diagnostics import Report, SourceFile
from anygate.manifests import Sensitive, parse_sources
from anygate.manifests.core import CORE_KINDS, EndpointSlice
from anygate.manifests.grants import ReferenceGrant, is_granted
from anygate.manifests.index import Index
from anygate.manifests.selector import LabelSelector
from anygate.manifests.unread import check_unread

TEXT = """
apiVersion: v1
kind: Service
metadata: {name: b, namespace: two}
---
apiVersion: v1
kind: Service
metadata: {name: a, namespace: two}
---
apiVersion: v1
kind: Namespace
metadata: {name: one, labels: {team: web, kubernetes.io/metadata.name: lie}}
---
apiVersion: v1
kind: Secret
metadata: {name: s, namespace: one}
data: {k: b2xk, l: bA==}
stringData: {k: new}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c, namespace: one}
data: {k: text}
binaryData: {l: bA==}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: a-1, namespace: two, labels: {kubernetes.io/service-name: a}}
addressType: IPv4
endpoints:
- addresses: [10.0.0.1]
- addresses: [10.0.0.2]
  conditions: {ready: false}
- addresses: [10.0.0.3]
  conditions: {ready: true, terminating: true}
  zone: z
  deprecatedTopology: {a: b}
ports: [{name: http, port: 80}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: b, namespace: two}
subsets: [{addresses: [{ip: 10.0.0.9}], ports: [{port: 80}]}]
"""


@pytest.fixture(scope="module")
def index():
    return build_index(TEXT)


def test_objects_are_found_by_identity_and_kind(index):
    assert index.get("", "Service", "two", "a").name == "a"
    assert index.get("", "Service", "one", "a") is None
    assert [one.name for one in index.all("", "Service")] == ["a", "b"]
    assert index.names("", "Service", "two") == ("a", "b")
    assert index.all("x", "Service") == ()
    assert index.service("two", "b").name == "b"
    assert index.endpoints("two", "b").subsets[0].addresses[0].ip == "10.0.0.9"
    assert index.every(EndpointSlice) == index.endpoint_slices("two", "a")
    assert index.endpoint_slices("two", "b") == ()
    ready = [one.is_ready for one in index.endpoint_slices("two", "a")[0].endpoints]
    assert ready == [True, False, False]


def test_values_of_secrets_and_config_maps(index):
    assert index.secret("one", "s").values == {"k": Sensitive(b"new"), "l": Sensitive(b"l")}
    assert index.config_map("one", "c").values == {"k": "text", "l": Sensitive(b"l")}
    assert index.secret("two", "s") is None
    assert "new" not in repr(index.secret("one", "s"))


def test_namespaces_have_labels_even_undeclared(index):
    assert index.namespaces == ("one", "two")
    assert index.namespace_labels("one") == {"team": "web", "kubernetes.io/metadata.name": "one"}
    assert index.namespace_labels("two") == {"kubernetes.io/metadata.name": "two"}
    assert index.namespace_labels("nowhere") == {"kubernetes.io/metadata.name": "nowhere"}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchLabels": {"x": ""}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "x", "operator": "In", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}, True),
        ({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]}, False),
    ],
)
def test_label_selectors(index, selector, selected):
    parsed = LabelSelector.model_validate(selector)
    assert index.selects(parsed, {"a": "1"}) is selected


def test_namespaces_are_selected_by_their_labels(index):
    web = LabelSelector.model_validate({"matchLabels": {"team": "web"}})
    assert [index.namespace_matches(name, web) for name in ("one", "two")] == [True, False]


@pytest.mark.parametrize(("operator", "values"), [("In", []), ("Exists", ["a"]), ("Near", ["a"])])
def test_selectors_that_make_no_sense(operator, values):
    with pytest.raises(ValueError):
        LabelSelector.model_validate({"matchExpressions": [{"key": "a", "operator": operator, "values": values}]})


def test_objects_that_could_not_be_read_are_kept_apart():
    (manifest,) = parse_sources([SourceFile("a", TEXT.split("---")[0])], Report())
    index = Index([], [manifest])
    assert index.broken("Service") == (manifest,)
    assert index.broken("Secret") == ()
    assert index.all("", "Service") == ()


GRANT = """
apiVersion: gateway.networking.k8s.io/{version}
kind: ReferenceGrant
metadata: {{name: g, namespace: to}}
spec:
  from: [{{group: gw, kind: Route, namespace: from}}, {{group: gw, kind: Other, namespace: else}}]
  to: [{{group: "", kind: Service{name}}}]
"""


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha2"])
def test_grants(version):
    index = build_index(GRANT.format(version=version, name=""))
    assert is_granted(index, "gw", "Route", "from", "", "Service", "to", "any")
    assert is_granted(index, "x", "X", "same", "", "Secret", "same", "any")
    refused = [
        ("gw", "Route", "else", "", "Service", "to"),
        ("gw", "Other", "from", "", "Service", "to"),
        ("", "Route", "from", "", "Service", "to"),
        ("gw", "Route", "from", "", "Secret", "to"),
        ("gw", "Route", "from", "x", "Service", "to"),
        ("gw", "Route", "from", "", "Service", "third"),
    ]
    assert [one for one in refused if is_granted(index, *one, "any")] == []


def test_a_grant_for_one_name():
    index = build_index(GRANT.format(version="v1", name=", name: a"))
    assert is_granted(index, "gw", "Route", "from", "", "Service", "to", "a")
    assert not is_granted(index, "gw", "Route", "from", "", "Service", "to", "b")


def test_grants_are_checked():
    _, (found,) = read(GRANT.format(version="v1", name=", nme: a"), ReferenceGrant)
    assert found.startswith('in.yaml:7:35: error[unknown-field]: unknown field "nme" at spec.to[0]; did you')


@pytest.mark.parametrize(
    ("api_version", "kind", "expected"),
    [
        ("v1", "Service", ""),
        ("apps/v1", "Deployment", "note[kind-not-used]: Deployment does not shape traffic and is not used"),
        (
            "v1",
            "ServiceAccount",
            "note[kind-not-used]: ServiceAccount does not shape traffic and is not used",
        ),
        (
            "v1",
            "Servce",
            'error[unknown-kind]: unknown kind "Servce" in the core group; did you mean "Service"?',
        ),
        ("v1", "Podd", 'error[unknown-kind]: unknown kind "Podd" in the core group; did you mean "Pod"?'),
        ("v2", "Service", 'error[unknown-kind]: unknown version "v2" of Service; use v1'),
        (
            "discovery.k8s.io/v1",
            "Xyz",
            'error[unknown-kind]: unknown kind "Xyz" in discovery.k8s.io',
        ),
        (
            "x.io/v1",
            "Wizard",
            "warning[kind-not-supported]: Wizard of x.io/v1 is not supported and is not used",
        ),
        (
            "services/v1",
            "Service",
            "warning[kind-not-supported]: Service of services/v1 is not supported and is not used; "
            'did you mean apiVersion "v1"?',
        ),
    ],
)
def test_objects_that_nothing_reads(api_version, kind, expected):
    report = Report()
    text = f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\n"
    (manifest,) = parse_sources([SourceFile("in.yaml", text)], report)
    check_unread(manifest, CORE_KINDS, report)
    found = [f"{one}; {one.hint}".removesuffix("; ").split(": ", 1)[1] for one in report.diagnostics]
    assert found == ([expected] if expected else [])
