"""Unknown fields are warnings: upstream prunes them, and its own templates write removed ones."""

from ai_reading import read_all

from anygate.dialects.envoy_ai.normalise import normalise_backend

TEMPLATE = """
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIServiceBackend
metadata: {name: openai}
spec:
  timeouts: {request: 3m}
  schema: {name: OpenAI, prefx: /v1}
  backendRef: {group: gateway.envoyproxy.io, kind: Backend, name: openai}
"""


def test_unknown_fields_are_named_and_left_out():
    (backend,), found = read_all(TEMPLATE)
    assert backend.spec.api_schema.prefix is None
    assert found == [
        'in.yaml:6:3: warning[unknown-field]: unknown field "timeouts" is ignored at spec; '
        "v0.3 removed it; set timeouts in the rules of the routes",
        'in.yaml:7:26: warning[unknown-field]: unknown field "prefx" is ignored at spec.schema; did you mean "prefix"?',
    ]


def test_what_was_said_when_reading_stays_with_the_object():
    (backend,), _ = read_all(TEMPLATE)
    assert [remark.path for remark in backend.remarks] == [("spec",), ("spec", "schema")]
    assert normalise_backend(backend).remarks == backend.remarks
    assert not normalise_backend(backend).refused


def test_mistakes_beside_unknown_fields_are_still_errors():
    (backend,), found = read_all(TEMPLATE.replace("kind: Backend", "kind: Bucket"))
    assert backend is None
    assert [line.split(": ")[1] for line in found] == [
        "warning[unknown-field]",
        "warning[unknown-field]",
        "error[invalid-value]",
    ]


def test_mistakes_behind_null_and_unknown_fields_are_found():
    text = TEMPLATE.replace("name: openai}\nspec", "name: openai}\nextra: 1\nspec").replace(
        "prefx: /v1", "prefix: null"
    )
    (backend,), found = read_all(text)
    assert backend is not None
    assert [line.partition("field ")[2].partition(" is")[0] for line in found] == ['"extra"', '"timeouts"']


def test_credential_override_is_pruned_from_v1alpha1():
    (policy,), found = read_all("""
apiVersion: aigateway.envoyproxy.io/v1alpha1
kind: BackendSecurityPolicy
metadata: {name: key}
spec:
  type: APIKey
  apiKey: {secretRef: {name: key}}
  credentialOverride: {fromRequestHeaders: {}}
""")
    assert policy is not None
    assert found == [
        'in.yaml:8:3: warning[unknown-field]: unknown field "credentialOverride" is ignored at spec; '
        "it needs apiVersion aigateway.envoyproxy.io/v1beta1",
    ]
