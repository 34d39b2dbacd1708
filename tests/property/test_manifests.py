import json

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from anygate.diagnostics import Report, SourceFile
from anygate.diagnostics.render_github import render_github
from anygate.diagnostics.render_json import render_json
from anygate.diagnostics.render_text import render_text
from anygate.manifests import ChunkCache, parse_sources
from anygate.manifests.load import decode_source
from anygate.manifests.scalars import resolve_plain
from anygate.manifests.tree import Tree
from anygate.manifests.yaml import parse_documents

PIECES = st.sampled_from(
    [
        *("a", "b: ", "- ", "? ", ": ", "\n", "\n  ", "\n    ", "\t", "&x ", "*x", "<<: ", "!!int ", "!t "),
        *("[", "]", "{", "}", ",", '"', "'", "|\n", ">-\n", "\n---\n", "\n...\n", "%YAML 1.1\n", "#c"),
        *("80", "yes", "~", "\\", "é", "\u2028", "\x85", "\r\n", "\r", "\0", "\ufeff", "\ud83d"),
        *("apiVersion: v1\n", "kind: Secret\n", "metadata: ", "{name: x}", "items:", "kind: List\n"),
        "stringData: ",
    ]
)
TEXTS = st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=60)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
KEYS = st.from_regex(r"k[a-z]{0,3}", fullmatch=True)
PLAIN = st.from_regex(r"[a-z0-9.]{1,6}", fullmatch=True)


def documents(text, name="in.yaml"):
    report = Report()
    return list(parse_documents(SourceFile(name, text), report)), report.diagnostics


def walk(tree, path=()):
    value = tree.find(path).value
    yield path, value
    if isinstance(value, dict):
        for key in value:
            yield from walk(tree, (*path, key))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from walk(tree, (*path, index))


@given(TEXTS)
@example("a: |\n\u2028---\n")
@example("[\n---\n]")
@settings(max_examples=500, deadline=None)
def test_any_text_gives_objects_or_diagnostics(text):
    report = Report()
    source = SourceFile("in.yaml", text)
    found = parse_sources([source], report)
    trees, mistakes = documents(text)
    has_content = any(tree.value is not None for tree in trees)
    assert len(found) > 0 or len(report.diagnostics) > 0 or not has_content or _only_empty_lists(trees)
    lines = len(source.lines)
    for one in (*report.diagnostics, *mistakes):
        assert one.span is not None
        assert 1 <= one.span.line <= one.span.end_line <= lines
        assert (one.span.line, one.span.column) <= (one.span.end_line, one.span.end_column)
    for tree in trees:
        for path, _ in walk(tree):
            assert tree.span(path).end_line <= lines
    text = render_text(report.diagnostics)
    assert text.replace("\n", "").isprintable()
    assert json.loads(render_json(report.diagnostics)) is not None
    assert render_github(report.diagnostics).count("\n") == len(report.diagnostics)


def _only_empty_lists(trees):
    return all(tree.value is None or str(tree.value.get("kind", "")).endswith("List") for tree in trees)


@given(st.binary(max_size=80) | TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_text_or_a_diagnostic(content):
    report = Report()
    sources = tuple(decode_source("in.yaml", content, report))
    assert len(sources) + len(report.diagnostics) == 1
    parse_sources(sources, report)


@given(VALUES)
@settings(max_examples=300, deadline=None)
def test_json_means_in_yaml_what_it_means_in_json(value):
    for text in (json.dumps({"v": value}), json.dumps({"v": value}, ensure_ascii=False, indent="\t")):
        (tree,), found = documents(text, "in.json") if _is_yaml(text) else ([None], ())
        if tree is None:
            continue
        assert found == ()
        assert tree.value == {"v": value}


def _is_yaml(text):
    # What JSON may hold and YAML may not: control characters, surrogates without partner, breaks in strings.
    plain = all(char in "\t\n" or (char.isprintable() or char == "\xa0") for char in text)
    lone = any(0xD800 <= ord(char) <= 0xDFFF for char in json.dumps(json.loads(text), ensure_ascii=False))
    return plain and not lone


@given(VALUES)
@settings(max_examples=300, deadline=None)
def test_the_span_of_every_scalar_is_its_text(value):
    text = json.dumps([value], indent=1)
    assume("\\ud" not in text)
    (tree,), _ = documents(text)
    for path, found in walk(tree):
        source = tree.text(path)
        expected = json.loads(source)
        assert expected == found
        span = tree.span(path)
        if span.line == span.end_line:
            assert tree.file.line(span.line)[span.column - 1 : span.end_column - 1] == source
        if path and isinstance(path[-1], str):
            key = tree.key_span(path)
            assert json.loads(tree.file.line(key.line)[key.column - 1 : key.end_column - 1]) == path[-1]


@given(st.dictionaries(KEYS, PLAIN))
def test_the_span_of_every_plain_scalar_is_its_text(entries):
    text = "".join(f"{key}:\n  - {value}\n" for key, value in entries.items()) + "end: 1\n"
    (tree,), _ = documents(text)
    for key, value in entries.items():
        assert tree.text((key, 0)) == value
        assert tree.value[key] == [resolve_plain(value)]
        assert tree.text((key,)) == f"- {value}"


@given(st.lists(TEXTS, max_size=3), TEXTS)
@settings(max_examples=200, deadline=None)
def test_a_cache_changes_nothing(texts, other):
    cache = ChunkCache()
    parse_sources([SourceFile("a.yaml", "\n---\n".join(texts))], Report(), cache)
    changed = "\n---\n".join([other, *texts])
    fresh, cached = Report(), Report()
    expected = parse_sources([SourceFile("a.yaml", changed)], fresh)
    found = parse_sources([SourceFile("a.yaml", changed)], cached, cache)
    assert [str(one) for one in cached.diagnostics] == [str(one) for one in fresh.diagnostics]
    assert repr([one.value for one in found]) == repr([one.value for one in expected])
    assert [str(one.where) for one in found] == [str(one.where) for one in expected]


def test_the_tree_of_a_scalar():
    (tree,), _ = documents("x")
    assert isinstance(tree, Tree)
    assert tree.text() == "x"
