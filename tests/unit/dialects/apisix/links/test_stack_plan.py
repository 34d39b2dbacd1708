"""What a run changes in a folder: only files that are its own."""

import pytest
from stacks import make, shop

from anygate.diagnostics import Report, Severity
from anygate.dialects.apisix.links.generate import MARKER
from anygate.dialects.apisix.links.plan import is_ours, make_plan

OURS = f"{MARKER}: do not edit\nkind: x\n"
LABELLED = "# by hand\nkind: A\nmetadata: {labels: {app.kubernetes.io/managed-by: anygate}}\n"


def test_new_changed_unchanged_and_stale_files() -> None:
    existing = {"a": OURS, "b": OURS + "#", "gone": OURS}
    plan = make_plan({"a": OURS, "b": OURS, "c": OURS}, existing, report := Report())
    assert dict(plan.writes) == {"b": OURS, "c": OURS}
    assert plan.deletions == ("gone",)
    assert report.diagnostics == ()
    assert not plan.is_empty
    assert make_plan({"a": OURS}, {"a": OURS}, report).is_empty
    assert make_plan({}, {"a": OURS}, report, prune=False).deletions == ()


def test_foreign_files() -> None:
    plan = make_plan({"a": OURS}, {"a": "kind: mine\n", "b": "kind: mine\n"}, report := Report())
    assert plan.deletions == ()
    assert [(one.rule, one.severity) for one in report.diagnostics] == [
        ("stack-foreign-file", Severity.ERROR),
        ("stack-foreign-file-kept", Severity.WARNING),
    ]
    assert all(one.span is not None and one.hint for one in report.diagnostics)
    plan = make_plan({"a": OURS}, {"a": "kind: mine\n"}, report := Report(), force=True)
    assert plan.writes
    assert report.diagnostics == ()


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        (OURS, True),
        (LABELLED, True),
        (f"{LABELLED}---\n{LABELLED}", True),
        (f"{LABELLED}---\nkind: B\n", False),
        ("", False),
        ("# nothing\n", False),
        ("kind: [", False),
        ("- 1", False),
        ("metadata: {labels: [x]}", False),
        (f"# mine\n{MARKER}\n", False),
    ],
)
def test_whose_file_it_is(text: str, ours: bool) -> None:
    assert is_ours("a", text) is ours


def test_what_is_written_is_ours() -> None:
    made = make(shop())
    for text in (*made.routes.values(), made.helm):
        assert is_ours("a", text)
    without = made.routes["fastapi.yaml"].partition("\n")[2]
    assert is_ours("a", without)


def test_diffs() -> None:
    plan = make_plan({"r/a": "x\ny\n", "r/c": "n\n"}, {"r/a": "x\nz\n", "r/b": OURS}, Report(), force=True)
    assert plan.render_diff() == (
        "--- a/r/a\n+++ b/r/a\n@@ -1,2 +1,2 @@\n x\n-z\n+y\n"
        f"--- a/r/b\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-{MARKER}: do not edit\n-kind: x\n"
        "--- /dev/null\n+++ b/r/c\n@@ -0,0 +1 @@\n+n\n"
    )
