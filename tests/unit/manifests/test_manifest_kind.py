from typing import Literal

import pytest
from manifest_parsing import read
from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from anygate.manifests.core import Secret, Service
from anygate.manifests.kind import Duration, IntOrString, Kind, Many, Node, Port


class Backend(Node):
    name: str
    port: Port | None = None
    weight: int = 1


class Rule(Node):
    name: str = ""
    backend_refs: Many[Backend] = Field((), max_length=2)
    timeout: Duration | None = None
    path_prefix: str = ""

    @model_validator(mode="after")
    def _check(self):
        if self.name == "bad":
            raise ValueError("a rule must not be bad")
        if self.name == "worse":
            errors = [
                InitErrorDetails(
                    type=PydanticCustomError("missing", "{text}", {"text": "timeout is required"}),
                    loc=("timeout",),
                    input=None,
                ),
                InitErrorDetails(
                    type=PydanticCustomError("forbidden", "{text}", {"text": "no {such} name"}),
                    loc=("name",),
                    input=None,
                ),
            ]
            raise ValidationError.from_exception_data("rules", errors)
        return self


class RouteSpec(Node):
    rules: Many[Rule] = Field(min_length=1)
    mode: Literal["Fast", "Slow"] = "Fast"
    limits: dict[str, int] = Field({})
    target: IntOrString = 1
    either: int | bool | None = None
    secure: bool = False
    share: float = 1.0


class Route(Kind):
    spec: RouteSpec


def found_in(spec):
    lines = "".join(f"  {line}\n" for line in spec.split("\n"))
    route, found = read(f"apiVersion: x.io/v1\nkind: Route\nmetadata: {{name: a}}\nspec:\n{lines}", Route)
    assert (route is None) == bool(found)
    return [line.removeprefix("in.yaml:") for line in found]


def test_a_sound_object_knows_its_manifest():
    route, found = read(
        "apiVersion: x.io/v1\nkind: Route\n"
        "metadata: {name: a, namespace: b, labels: {x: v}, managedFields: [{manager: me}], uid: z}\n"
        "spec: {rules: [{backendRefs: [{name: s, port: 80}], timeout: 1m30s}]}\nstatus: {any: [thing]}\n",
        Route,
    )
    assert found == []
    assert (route.name, route.namespace, route.metadata.labels) == ("a", "b", {"x": "v"})
    assert route.spec.rules[0].backend_refs == (Backend.model_construct(name="s", port=80),)
    assert route.spec.rules[0].timeout.total_seconds() == 90
    assert str(route.span(("spec", "rules", 0, "timeout"))) == "in.yaml:4:62"
    assert route.ref == route.manifest.ref


def test_null_is_absent():
    assert found_in("rules: [{backendRefs: null, timeout: ~, name: }]\nmode: null\nlimits:\ntarget: ~") == []
    assert found_in("rules: [{nope: null}]\nmode: null") == [
        '5:12: error[unknown-field]: unknown field "nope" at spec.rules[0]'
    ]
    assert found_in("rules: [null]") == ["5:11: error[wrong-type]: expected a mapping, found nothing at spec.rules[0]"]
    assert found_in("rules: null") == ['5:3: error[missing-field]: missing field "rules" at spec']


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            "rules: [{pathPrefx: /}]",
            '5:12: error[unknown-field]: unknown field "pathPrefx" at spec.rules[0]; did you mean "pathPrefix"?',
        ),
        (
            "rules: [{port: 80}]",
            '5:12: error[unknown-field]: unknown field "port" at spec.rules[0]; '
            '"port" belongs in spec.rules[0].backendRefs[0]',
        ),
        (
            "rules: [{backendRefs: [{name: a, mode: Fast}]}]",
            '5:36: error[unknown-field]: unknown field "mode" at spec.rules[0].backendRefs[0]; "mode" belongs in spec',
        ),
        ("rules: [{xyzzy: 1}]", '5:12: error[unknown-field]: unknown field "xyzzy" at spec.rules[0]'),
        (
            "rules: [{path_prefix: /}]",
            '5:12: error[unknown-field]: unknown field "path_prefix" at spec.rules[0]; did you mean "pathPrefix"?',
        ),
        (
            "rules:\n- backendRefs:\n  - weight: 1",
            '7:7: error[missing-field]: missing field "name" at spec.rules[0].backendRefs[0]',
        ),
        (
            'rules: [{backendRefs: [{name: a, port: "80"}]}]',
            '5:42: error[wrong-type]: expected an integer, found a string "80" '
            "at spec.rules[0].backendRefs[0].port; remove the quotes: 80",
        ),
        (
            "rules: [{name: 0o17}]",
            "5:18: error[wrong-type]: expected a string, found a number 0o17 at spec.rules[0].name; "
            'put it in quotes: "0o17"',
        ),
        (
            "rules: {name: a}",
            "5:10: error[wrong-type]: expected a list, found a mapping at spec.rules; "
            'write it as a list, each item on a line that starts with "- "',
        ),
        ("rules: [[]]", "5:11: error[wrong-type]: expected a mapping, found a list at spec.rules[0]"),
        (
            "rules: [{}]\nsecure: 'yes'",
            '6:11: error[wrong-type]: expected a boolean, found a string "yes" at spec.secure; remove the quotes: yes',
        ),
        (
            "rules: [{}]\nlimits: {a: 1.5}",
            "6:15: error[wrong-type]: expected an integer, found a number 1.5 at spec.limits.a",
        ),
        (
            "rules: [{}]\ntarget: [x]",
            "6:11: error[wrong-type]: expected an integer or a string, found a list at spec.target",
        ),
        (
            "rules: [{}]\neither: x",
            '6:11: error[wrong-type]: expected an integer or a boolean, found a string "x" at spec.either',
        ),
        (
            "rules: [{}]\nmode: fast",
            '6:9: error[invalid-value]: expected one of "Fast", "Slow", found a string "fast" at spec.mode; '
            'did you mean "Fast"?',
        ),
        ("rules: []", "5:10: error[invalid-value]: expected at least one entry at spec.rules"),
        (
            "rules:\n- backendRefs: [{name: a}, {name: b}, {name: c}]",
            "6:18: error[invalid-value]: expected at most 2 entries at spec.rules[0].backendRefs",
        ),
        (
            "rules: [{backendRefs: [{name: a, port: 0}]}]",
            "5:42: error[invalid-value]: expected at least 1, found an integer 0 at spec.rules[0].backendRefs[0].port",
        ),
        (
            "rules: [{timeout: soon}]",
            '5:21: error[invalid-value]: expected a duration such as "10s", "500ms" or "1h30m", '
            'found a string "soon" at spec.rules[0].timeout',
        ),
        (
            "rules: [{timeout: 10}]",
            "5:21: error[wrong-type]: expected a string, found an integer 10 at spec.rules[0].timeout; "
            'put it in quotes: "10"',
        ),
        ("rules: [{name: bad}]", "5:11: error[invalid-value]: a rule must not be bad at spec.rules[0]"),
        ("rules: [{}]\nshare: 1", None),
        (
            "rules: [{}]\nshare: .nan2",
            '6:10: error[wrong-type]: expected a number, found a string ".nan2" at spec.share',
        ),
    ],
)
def test_every_mistake_is_said_in_the_words_of_the_manifest(spec, expected):
    assert found_in(spec) == ([] if expected is None else [expected])


def test_a_kind_may_raise_several_faults_at_once():
    assert found_in("rules: [{name: worse}]") == [
        "5:11: error[missing-field]: timeout is required at spec.rules[0]",
        "5:18: error[invalid-value]: no {such} name at spec.rules[0].name",
    ]


def test_all_mistakes_are_found_at_once():
    assert len(found_in("rules: [{a: 1, name: 2}, {backendRefs: [{}, {name: 3}]}]\nmode: x\nother: 1")) == 6


def test_a_list_whose_items_are_wrong_is_not_called_too_short():
    assert [line.split(": ")[1] for line in found_in("rules: [{name: 5}]")] == ["error[wrong-type]"]


def test_a_secret_never_shows_its_values():
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n"
    text += "data: {a: 'hunter2!', b: 777}\nstringData: {c: [hunter2]}\ntype: 5\nimmutabel: x\n"
    _, found = read(text, Secret)
    assert len(found) == 5
    assert not any("hunter2" in line or "777" in line for line in found)
    assert found[0] == (
        "in.yaml:4:11: error[invalid-value]: expected base64; plain text belongs in stringData, "
        "found a string at data.a"
    )


def test_services_accept_every_real_field_and_find_typos():
    text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"
    text += "spec:\n  clusterIPs: [x]\n  sessionAffinity: None\n"
    service, found = read(text + "  clusterIP: None\n  ports: [{port: 80, targetPort: http, nodePort: 1}]\n", Service)
    assert found == []
    assert service.spec.cluster_ip == "None"
    assert service.spec.ports[0].target_port == "http"
    assert service.spec.ports[0].protocol == "TCP"
    _, found = read(text + "  sessionAfinity: x\n", Service)
    assert found == [
        'in.yaml:7:3: error[unknown-field]: unknown field "sessionAfinity" at spec; did you mean "sessionAffinity"?'
    ]


def test_errors_of_pydantic_itself_do_not_show_input():
    with pytest.raises(ValidationError) as raised:
        Backend.model_validate({"name": ["hunter2"]})
    assert "hunter2" not in str(raised.value)
