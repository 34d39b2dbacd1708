import json

import pytest

from anygate.diagnostics import RULES, Diagnostic, ObjectRef, Related, Severity, SourceFile, Span
from anygate.diagnostics.excerpt import escape_text
from anygate.diagnostics.render_github import render_github
from anygate.diagnostics.render_json import render_json
from anygate.diagnostics.render_sarif import render_sarif
from anygate.diagnostics.render_text import render_summary, render_text
from anygate.manifests import syntax_rules

ROUTES = SourceFile(
    "routes.yaml", "spec:\n  rules:\n  - matches:\n    - pathPrefx: /\n      method: GET\n---\nnext: 1\n"
)
ROUTE = ObjectRef("gateway.networking.k8s.io", "HTTPRoute", "shop", "cart")


def make(span=None, **changes):
    given = {
        "rule": "unknown-field",
        "severity": Severity.ERROR,
        "message": 'unknown field "pathPrefx"',
        "span": span or Span(ROUTES, 4, 7, 4, 16),
        "path": ("spec", "rules", 0, "matches", 0),
        "object": ROUTE,
        "hint": 'did you mean "path"?',
    }
    return Diagnostic(**{**given, **changes})


def test_text_shows_the_source():
    assert render_text([make()]) == (
        'routes.yaml:4:7: error[unknown-field]: unknown field "pathPrefx" at spec.rules[0].matches[0]\n'
        "3 |   - matches:\n"
        "4 |     - pathPrefx: /\n"
        "  |       ^^^^^^^^^\n"
        "5 |       method: GET\n"
        'hint: did you mean "path"?\n'
    )


def test_text_without_a_place():
    found = Diagnostic("port-taken", Severity.WARNING, "port 80 is taken")
    assert render_text([found]) == "warning[port-taken]: port 80 is taken\n"
    assert render_text([]) == ""


def test_text_of_several_and_related_places():
    related = (Related("first defined here", Span(ROUTES, 7, 1, 7, 5)),)
    text = render_text([make(hint="", related=related), make(hint="")])
    first, second = text.split("\n\n")
    assert first.splitlines()[-1] == "related: routes.yaml:7:1: first defined here"
    assert second.startswith("routes.yaml:4:7: ")


def test_neighbouring_documents_are_not_shown():
    assert "---" not in render_text([make(Span(ROUTES, 5, 7, 5, 13))])
    assert "method" not in render_text([make(Span(ROUTES, 7, 1, 7, 5))])


def test_a_span_of_several_lines_is_marked_on_its_first():
    text = render_text([make(Span(ROUTES, 2, 3, 4, 10))])
    assert "2 |   rules:\n  |   ^^^^^^\n" in text


def test_an_empty_span_and_one_behind_the_end_have_a_caret():
    assert "1 | spec:\n  |      ^\n" in render_text([make(Span(ROUTES, 1, 6, 1, 6))])
    assert "  |      ^\n" in render_text([make(Span(ROUTES, 1, 60, 1, 70))])


def test_wide_characters_and_tabs_keep_the_caret_in_place():
    file = SourceFile("a", "日本\té: x\n")
    assert "1 | 日本    é: x\n  |            ^\n" in render_text([make(Span(file, 1, 7, 1, 8))])


def test_long_lines_are_cropped_around_the_caret():
    file = SourceFile("a", "x" * 5_000_000 + "HERE" + "y" * 5_000_000)
    rows = render_text([make(Span(file, 1, 5_000_001, 1, 5_000_005))]).splitlines()[1:3]
    assert len(rows[0]) < 120
    assert rows[0].startswith("1 | …x")
    assert rows[0].endswith("y…")
    start = rows[1].index("^")
    assert rows[0][start : rows[1].rindex("^") + 1] == "HERE"


def test_a_terminal_cannot_be_attacked():
    file = SourceFile("evil\x1b]0;.yaml", "a: \x1b[31m\u202ered\u2066\n")
    found = make(
        Span(file, 1, 1, 1, 2),
        message="bad \x1b[2J\r\n",
        path=("a\x07",),
        hint="\x9b1m",
        related=(Related("\x1bx", Span(file, 1, 1, 1, 2)),),
    )
    for text in (render_text([found]), render_github([found]), render_json([found]), render_sarif([found])):
        assert text.replace("\n", "").isprintable()
    assert "\\x1b[31m\\u202ered\\u2066" in render_text([found])


def test_escapes():
    assert escape_text("a\tb\n\x00é日\u00a0\U000e0001") == "a\\tb\\n\\x00é日 \\U000e0001"


def test_colour_adds_only_escapes():
    plain, painted = render_text([make()]), render_text([make()], colour=True)
    assert "\x1b[" not in plain
    assert "\x1b[1;31merror[unknown-field]\x1b[0m" in painted
    stripped = painted
    for code in ("1;31", "31", "1;32", "1", "0"):
        stripped = stripped.replace(f"\x1b[{code}m", "")
    assert stripped == plain


@pytest.mark.parametrize(
    ("severities", "expected"),
    [
        ([], "found no problems"),
        (["error"], "found 1 error"),
        (["warning", "error", "error"], "found 2 errors, 1 warning"),
        (["note", "note", "warning"], "found 1 warning, 2 notes"),
    ],
)
def test_summary(severities, expected):
    assert render_summary([make(severity=Severity(one)) for one in severities]) == expected


SECRETS = [
    ("kind: Secret\nstringData:\n  a: hunter2\n", ObjectRef("", "Secret", "x", "y")),
    ("kind: Secret\nstringData:\n  a: hunter2 [\n", None),
    ('{"kind" : "Secret",\n"data":{\n"a": "hunter2"', None),
    ("kind:\n  Secret\nstringData:\n  a: hunter2\n", None),
    ("kind: List\nitems:\n- {kind: Service}\n- {kind: Secret, data: {a: hunter2}}\n", ROUTE),
    ('{"items": [\n{"kind": "Secret",\n"data":\n{"a": "hunter2"}, "kind": "Service"}]}', ROUTE),
    ("a: 1\n---\nkind: 'Secret'\nb: hunter2\n", None),
]


@pytest.mark.parametrize(("text", "ref"), SECRETS)
def test_no_line_of_a_secret_is_ever_shown(text, ref):
    file = SourceFile("a.yaml", text)
    for line in range(1, len(file.lines) + 1):
        rendered = render_text([make(Span(file, line, 1, line, 5), object=ref)])
        assert "hunter2" not in rendered
        assert rendered.startswith(f"a.yaml:{line}:1: error")


CREDENTIALS = [
    "kind: ApisixConsumer\nspec:\n  authParameter:\n    keyAuth:\n      value:\n        key: hunter2\n  nam: x\n",
    "kind: ApisixConsumer\nspec:\n  authParameter: {keyAuth: {value: {key: hunter2}}}\n  nam: x\n",
    '{"kind": "ApisixConsumer", "spec": {"plugins": [{"name": "key-auth", "config": {"key": "hunter2"}}]}}',
    "kind: ApisixConsumer\nspec:\n  plugins:\n  - config:\n      private_key: |\n        hunter2\n\n        hunter2\n",
    "plugins:\n- name: openid-connect\n  config:\n    client_secret: hunter2\n    session:\n      secret: hunter2\n",
    "plugins:\n- {name: csrf, config: {key: hunter2}}\n",
    "- name: ai-proxy\n  config:\n    auth:\n      query:\n        k: hunter2\n    provider: openai\n",
    "headers:\n  Authorization: Bearer hunter2\n  nam: x\n",
    "headers:\n  Authorization Bearer hunter2\n  nam: x\n",
    "plugins:\n- {name: key-auth, config: {key: hunter2}}\n- {name: jwt-auth, config: {key: k, secret: hunter2}}\n",
    "plugins:\n- {name: datadog, config: {api_key: hunter2}}\n- {name: loki, config: {clientSecret: hunter2}}\n",
    "config:\n  uri: https://ann:hunter2@auth.test/check\n  token: hunter2\n  secretx: hunter2\n",
]


@pytest.mark.parametrize("text", CREDENTIALS)
def test_no_line_with_a_credential_is_ever_shown(text):
    file = SourceFile("a.yaml", text)
    for line in range(1, len(file.lines) + 1):
        assert "hunter2" not in render_text([make(Span(file, line, 1, line, 5), object=ROUTE)])


def test_what_stands_beside_a_credential_is_shown():
    file = SourceFile("a.yaml", CREDENTIALS[0])
    assert "7 |   nam: x" in render_text([make(Span(file, 7, 3, 7, 6), object=ROUTE)])
    text = "kind: ApisixConsumer\nspec:\n  authParameter:\n    keyAuth: {secretRef: {name: missing}}\n"
    assert "name: missing" in render_text([make(Span(SourceFile("a.yaml", text), 4, 3, 4, 6), object=ROUTE)])


@pytest.mark.parametrize(
    "line",
    ["secretRef: missing", "secretName: missing", "max_tokens: 7", "tokenUrl: x", "url: http://a:80/b@c", "Use a: b"],
)
def test_what_is_no_credential_is_shown(line):
    assert f"| {line}" in render_text([make(Span(SourceFile("a.yaml", line), 1, 1, 1, 2), object=ROUTE)])


def test_a_reference_to_a_secret_hides_nothing():
    file = SourceFile("a.yaml", "kind: Gateway\ncertificateRefs:\n- kind: Secret\n  nam: x\n")
    assert "  nam: x" in render_text([make(Span(file, 4, 3, 4, 6))])


def test_json_has_stable_keys():
    related = (Related("first", Span(ROUTES, 7, 1, 7, 5)),)
    assert json.loads(render_json([make(related=related), Diagnostic("a", Severity.NOTE, "b")])) == [
        {
            "rule": "unknown-field",
            "severity": "error",
            "message": 'unknown field "pathPrefx"',
            "file": "routes.yaml",
            "line": 4,
            "column": 7,
            "endLine": 4,
            "endColumn": 16,
            "path": "spec.rules[0].matches[0]",
            "object": {
                "group": "gateway.networking.k8s.io",
                "kind": "HTTPRoute",
                "namespace": "shop",
                "name": "cart",
            },
            "hint": 'did you mean "path"?',
            "related": [
                {
                    "message": "first",
                    "file": "routes.yaml",
                    "line": 7,
                    "column": 1,
                    "endLine": 7,
                    "endColumn": 5,
                }
            ],
        },
        {
            "rule": "a",
            "severity": "note",
            "message": "b",
            "file": None,
            "line": None,
            "column": None,
            "endLine": None,
            "endColumn": None,
            "path": "",
            "object": None,
            "hint": "",
            "related": [],
        },
    ]
    assert render_json([]) == "[]\n"


def test_github_commands():
    file = SourceFile("a,b:c.yaml", "x\ny\n")
    found = [
        make(),
        make(Span(file, 1, 1, 2, 1), severity=Severity.NOTE, message="100%\n::error::x", path=(), hint=""),
        Diagnostic("a", Severity.WARNING, "b"),
    ]
    assert render_github(found).splitlines() == [
        "::error title=unknown-field,file=routes.yaml,line=4,col=7,endLine=4,endColumn=15::"
        'unknown field "pathPrefx" at spec.rules[0].matches[0]%0Ahint: did you mean "path"?',
        "::notice title=unknown-field,file=a%2Cb%3Ac.yaml,line=1,col=1,endLine=2::100%25\\n::error::x",
        "::warning title=a::b",
    ]


def test_sarif():
    syntax = make(rule=syntax_rules.YAML_SYNTAX.id, related=(Related("first", Span(ROUTES, 7, 1, 7, 5)),))
    log = json.loads(render_sarif([syntax, Diagnostic("no-rule", Severity.NOTE, "b")], version="1.2.3"))
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("anygate", "1.2.3")
    assert [rule["id"] for rule in driver["rules"]] == sorted(RULES)
    first, second = run["results"]
    assert driver["rules"][first["ruleIndex"]]["id"] == first["ruleId"] == "yaml-syntax"
    assert first["level"] == "error"
    assert first["message"]["text"].endswith('spec.rules[0].matches[0]\nhint: did you mean "path"?')
    place = first["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "routes.yaml"},
        "region": {"startLine": 4, "startColumn": 7, "endLine": 4, "endColumn": 16},
    }
    assert first["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "HTTPRoute/shop/cart"
    assert first["relatedLocations"][0]["message"] == {"text": "first"}
    assert second == {"ruleId": "no-rule", "level": "note", "message": {"text": "b"}}
