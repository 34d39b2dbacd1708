import pytest

from anygate.diagnostics import ObjectRef, Report, SourceFile
from anygate.manifests import ChunkCache, parse_sources


def parse(*texts):
    report = Report()
    sources = [SourceFile(f"{number}.yaml", text) for number, text in enumerate(texts)]
    return parse_sources(sources, report), report.diagnostics


def test_an_object_knows_who_and_where_it_is():
    manifests, found = parse(
        "apiVersion: gateway.networking.k8s.io/v1\n"
        "kind: Gateway\n"
        "metadata:\n"
        "  name: edge\n"
        "  namespace: infra\n"
        "  labels: {a: b}\n"
        "  annotations: {c: d}\n"
        '  creationTimestamp: "2024-01-02T03:04:05Z"\n'
        "  generation: 3\n"
        "spec: {listeners: []}\n"
    )
    assert found == ()
    (edge,) = manifests
    assert edge.ref == ObjectRef("gateway.networking.k8s.io", "Gateway", "infra", "edge")
    assert (edge.group, edge.version, edge.kind) == ("gateway.networking.k8s.io", "v1", "Gateway")
    assert (edge.labels, edge.annotations) == ({"a": "b"}, {"c": "d"})
    assert (edge.creation_timestamp, edge.generation) == ("2024-01-02T03:04:05Z", 3)
    assert str(edge.where) == "0.yaml:4:9"
    assert str(edge.span(("spec", "listeners"))) == "0.yaml:10:19"
    assert str(edge.span(("spec", "nothing"))) == "0.yaml:10:7"
    assert str(edge.key_span(("spec", "listeners"))) == "0.yaml:10:8"
    assert manifests.get(edge.ref) is edge


def test_namespaces_have_defaults():
    text = "apiVersion: {}\nkind: {}\nmetadata: {{name: x{}}}\n---\n"
    manifests, found = parse(
        text.format("v1", "Service", "")
        + text.format("v1", "Namespace", ", namespace: odd")
        + text.format("gateway.networking.k8s.io/v1", "GatewayClass", "")
        + text.format("appmesh.k8s.aws/v1beta2", "Mesh", "")
    )
    assert found == ()
    assert [one.namespace for one in manifests] == ["default", "", "", ""]
    assert manifests.objects[0].creation_timestamp == ""
    assert manifests.objects[0].generation == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a", "1:1: error[not-an-object]: expected a Kubernetes object, found a list"),
        ("hunter2", "1:1: error[not-an-object]: expected a Kubernetes object, found a string"),
        ("a: b", "1:1: error[not-an-object]: expected a Kubernetes object, found some other mapping"),
        ("kind: A\nmetadata: {name: x}", '1:1: error[missing-field]: missing field "apiVersion"'),
        ("apiVersion: v1\nmetadata: {name: x}", '1:1: error[missing-field]: missing field "kind"'),
        (
            "apiVersion: v1\nkind: 5\nmetadata: {name: x}",
            "2:7: error[wrong-type]: expected a string, found an integer 5 at kind",
        ),
        (
            "apiVersion: v1\nkind: A\nmetadata: x",
            '3:11: error[wrong-type]: expected a mapping, found a string "x" at metadata',
        ),
        ("apiVersion: v1\nkind: A", '1:1: error[missing-field]: missing field "metadata"'),
        (
            "apiVersion: v1\nkind: A\nmetadata: {}",
            '3:11: error[missing-field]: missing field "name" at metadata',
        ),
        (
            "apiVersion: v1\nkind: A\nmetadata: {generateName: x-}",
            '3:26: error[missing-field]: missing field "name" at metadata',
        ),
        (
            "apiVersion: v1\nkind: A\nmetadata: {name: on}",
            "3:18: error[wrong-type]: expected a string, found a boolean on at metadata.name",
        ),
        (
            "apiVersion: v1\nkind: A\nmetadata: {name: A_b}",
            '3:18: error[invalid-name]: "A_b" is not a valid name at metadata.name',
        ),
        (
            "apiVersion: v1\nkind: A\nmetadata: {name: a, namespace: a.b}",
            '3:32: error[invalid-name]: "a.b" is not a valid namespace at metadata.namespace',
        ),
        (
            "apiVersion: v1\nkind: A\nmetadata: {name: a, labels: {v: 1.10}}",
            "3:33: error[wrong-type]: expected a string, found a number 1.10 at metadata.labels.v",
        ),
        (
            "apiVersion: v1\nkind: A\nmetadata: {name: a, annotations: []}",
            "3:34: error[wrong-type]: expected a mapping, found a list at metadata.annotations",
        ),
        (
            "apiVersion: v1\nkind: A\nmetadata: {name: a, generation: true}",
            "3:33: error[wrong-type]: expected an integer, found a boolean true at metadata.generation",
        ),
    ],
)
def test_documents_that_are_no_objects(text, expected):
    manifests, found = parse(text + "\n---\napiVersion: v1\nkind: Service\nmetadata: {name: ok}\n")
    assert [one.name for one in manifests] == ["ok"]
    assert [str(one) for one in found] == [f"0.yaml:{expected}"]


def test_hints_for_unquoted_names():
    _, (found,) = parse("apiVersion: v1\nkind: A\nmetadata: {name: on}")
    assert found.hint == 'put it in quotes: "on"'


def test_long_names_are_refused():
    template = "apiVersion: v1\nkind: A\nmetadata: {{name: {}}}\n"
    assert parse(template.format("a" * 253))[1] == ()
    (found,) = parse(template.format("a" * 254))[1]
    assert found.rule == "invalid-name"
    assert len(found.message) < 120


def test_roles_may_have_other_names():
    text = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: 'system:x'}\n"
    assert parse(text)[1] == ()


def test_empty_documents_are_fine():
    manifests, found = parse("---\n---\n# x\n---\n", "")
    assert (len(manifests), found) == (0, ())


def test_lists_are_expanded_with_positions():
    manifests, found = parse(
        "apiVersion: v1\nkind: List\nitems:\n"
        "- apiVersion: v1\n  kind: Service\n  metadata: {name: a}\n  spec: {type: X}\n"
        "- 5\n"
        "- apiVersion: v1\n  kind: ServiceList\n  metadata: {}\n  items:\n"
        "  - metadata: {name: b}\n    spec: {type: Y}\n"
    )
    assert [str(one) for one in found] == [
        "0.yaml:8:3: error[not-an-object]: expected a Kubernetes object, found an integer"
    ]
    first, second = manifests
    assert str(first.span(("spec", "type"))) == "0.yaml:7:16"
    assert second.ref == ObjectRef("", "Service", "default", "b")
    assert second.api_version == "v1"
    assert str(second.where) == "0.yaml:13:22"
    assert str(second.span(("spec", "type"))) == "0.yaml:14:18"
    # The item itself has no kind; its nearest parent is the item.
    assert str(second.span(("kind",))) == "0.yaml:13:5"


def test_an_empty_list_and_a_kind_that_ends_with_list():
    assert parse("apiVersion: v1\nkind: List\nitems: null\n")[1] == ()
    manifests, found = parse("apiVersion: x.io/v1\nkind: AllowList\nmetadata: {name: a}\n")
    assert ([one.kind for one in manifests], found) == (["AllowList"], ())


def test_the_same_object_twice():
    text = "apiVersion: {}\nkind: Service\nmetadata: {{name: a}}\nspec: {{type: {}}}\n"
    manifests, found = parse(text.format("v1", "A"), text.format("v1", "B") + "---\n" + text.format("v1", "A"))
    assert [one.value["spec"]["type"] for one in manifests] == ["A"]
    assert [str(one) for one in found] == [
        "1.yaml:3:18: error[duplicate-object]: Service/default/a is defined twice",
        "1.yaml:8:18: warning[duplicate-object]: Service/default/a is defined twice, with the same content",
    ]
    assert {str(one.related[0].span) for one in found} == {"0.yaml:3:18"}


def test_a_cache_serves_unchanged_documents():
    cache, report = ChunkCache(), Report()
    text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"
    (first,) = parse_sources([SourceFile("a", text)], report, cache)
    second = parse_sources([SourceFile("a", "kind: [\n---\n" + text)], report, cache).objects[0]
    assert second.value is not first.value  # the marker belongs to the chunk
    third = parse_sources([SourceFile("b", "# moved\n---\n" + text)], report, cache).objects[0]
    assert third.value is second.value
    assert str(third.where) == "b:5:18"
