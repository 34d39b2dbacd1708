import math

import pytest

from anygate.diagnostics import Report, SourceFile
from anygate.manifests.chunk_cache import ChunkCache
from anygate.manifests.yaml import parse_documents


def parse(text, name="in.yaml", cache=None):
    report = Report()
    return [tree.value for tree in parse_documents(SourceFile(name, text), report, cache)], report.diagnostics


def trees(text, name="in.yaml"):
    report = Report()
    found = list(parse_documents(SourceFile(name, text), report))
    assert report.diagnostics == ()
    return found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Y", True),
        ("ON", True),
        ("off", False),
        ("n", False),
        ("tRue", "tRue"),
        ("~", None),
        ("NULL", None),
        ("", None),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 15),
        ("-017", -15),
        ("0b101", 5),
        ("-0b101", -5),
        ("08", 8),
        ("1_000", 1000),
        ("+12", 12),
        ("1:30", "1:30"),
        ("190:20:30", "190:20:30"),
        ("1.5", 1.5),
        ("1e3", 1000),
        ("8080.0", 8080),
        (".5", 0.5),
        ("._5", "._5"),
        ("-x", "-x"),
        (".", "."),
        ("-.inf", -math.inf),
        ("2024-01-02", "2024-01-02"),
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
        ("18446744073709551615", 18446744073709551615),
        ("18446744073709551617", 1.8446744073709552e19),
        ("9" * 5000, "9" * 5000),
        ("1e999", "1e999"),
        ('"80"', "80"),
        ("'yes'", "yes"),
        ("!!str 80", "80"),
        ('!!int "80"', 80),
        ("!!float 3", 3),
        ("!!bool yes", True),
        ("!!null ''", None),
        ("!!binary aGk=", "hi"),
        ("!!timestamp 2024-01-02", "2024-01-02"),
    ],
)
def test_scalars_mean_what_they_mean_to_kubernetes(text, value):
    assert parse(f"a: {text}\n") == ([{"a": value}], ())
    assert type(parse(f"a: {text}\n")[0][0]["a"]) is type(value)


def test_not_a_number():
    assert math.isnan(parse("a: .nan")[0][0]["a"])


def test_keys_become_strings_as_in_json():
    values, found = parse("on: 1\n8080: 2\n1.5: 3\n'x': 4\n!!str yes: 5\n0x10: 6\n")
    assert found == ()
    assert values == [{"true": 1, "8080": 2, "1.5": 3, "x": 4, "yes": 5, "16": 6}]


@pytest.mark.parametrize("key", ["~", "? [a]", "? {a: b}", "null"])
def test_other_keys_are_refused(key):
    values, found = parse(f"{key}\n: 1\n" if key[0] == "?" else f"{key}: 1\n")
    assert values == []
    assert [one.rule for one in found] == ["invalid-key"]


def test_duplicate_keys_name_both_places():
    values, (found,) = parse('a: 1\nb: {c: 1}\n"a": 2\n')
    assert values == []
    assert str(found) == 'in.yaml:3:1: error[duplicate-key]: key "a" is defined twice'
    assert (found.span.end_line, found.span.end_column) == (3, 4)
    assert [(one.message, str(one.span)) for one in found.related] == [("first defined here", "in.yaml:1:1")]


def test_duplicate_keys_after_conversion_and_after_a_merge():
    assert parse("on: 1\n'true': 2\n")[1][0].rule == "duplicate-key"
    _, (found,) = parse("base: &b {x: {y: 1}}\nc:\n  <<: *b\n  z: 1\n  z: 2\n")
    assert str(found.related[0].span) == "in.yaml:4:3"


def test_merge_keys_keep_positions():
    text = "base: &b {x: 1, v: [2, 3]}\nother: &o {x: 9, w: {k: v}}\nc:\n  <<: [*o, *b]\n  z: 5\n  v: 6\nd: 7\n"
    (tree,) = trees(text)
    assert tree.value["c"] == {"z": 5, "v": 6, "x": 9, "w": {"k": "v"}}
    for path, source in [
        (("c", "z"), "5"),
        (("c", "v"), "6"),
        (("c", "x"), "9"),
        (("c", "w", "k"), "v"),
        (("d",), "7"),
    ]:
        assert tree.text(path) == source
    assert str(tree.key_span(("c", "w"))) == "in.yaml:2:18"


def test_an_anchor_inside_a_mapping_that_merges_keeps_its_positions():
    text = "base: &b {x: 1}\na:\n  <<: *b\n  child: &c {q: [1, 2]}\nb: *c\n"
    (tree,) = trees(text)
    assert tree.value["b"] == {"q": [1, 2]}
    assert tree.text(("b", "q", 1)) == "2"
    assert tree.text(("a", "child", "q", 0)) == "1"
    assert tree.text(("a", "x")) == "1"


def test_only_mappings_can_be_merged():
    values, found = parse("a:\n  <<: [1]\n")
    assert values == []
    assert str(found[0]).startswith("in.yaml:2:8: error[invalid-key]")


def test_a_quoted_merge_key_is_a_key():
    assert parse('"<<": {a: 1}')[0] == [{"<<": {"a": 1}}]


def test_aliases_are_expanded_with_the_positions_of_their_anchor():
    (tree,) = trees("a: &x {p: [1, 2]}\nb: *x\nc: &y 7\nd: *y\n")
    assert tree.value == {"a": {"p": [1, 2]}, "b": {"p": [1, 2]}, "c": 7, "d": 7}
    assert str(tree.span(("b", "p", 1))) == "in.yaml:1:15"
    assert str(tree.key_span(("b",))) == "in.yaml:2:1"
    assert tree.text(("d",)) == "&y 7"


def test_an_anchor_may_be_redefined():
    assert parse("a: &x 1\nb: *x\nc: &x 2\nd: *x\n")[0] == [{"a": 1, "b": 1, "c": 2, "d": 2}]


def test_an_alias_bomb_is_refused_quickly():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    values, found = parse("\n".join(lines) + "\n---\nok: 1\n")
    assert values == [{"ok": 1}]
    assert [one.rule for one in found] == ["alias-limit"]


def test_many_documents_cannot_share_out_an_alias_bomb(monkeypatch):
    monkeypatch.setattr("anygate.manifests.yaml.EXPANSION_LIMIT", 50)
    values, found = parse("a: &a [1, 2, 3]\nb: [*a, *a]\n---\n" * 20)
    assert [one.rule for one in found] == ["alias-limit"]
    assert 0 < len(values) < 20


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 50_000, "&a [" * 1000, "[" * 201 + "]" * 201])
def test_deep_nesting_is_refused(text):
    values, (found,) = parse(text)
    assert values == []
    assert (found.rule, found.message) == ("nesting-limit", "nested deeper than 200 levels")


def test_200_levels_are_fine():
    assert parse("[" * 200 + "]" * 200)[1] == ()


def test_aliases_cannot_nest_deeper_than_the_text():
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 300)]
    values, (found,) = parse("\n".join(lines))
    assert values == []
    assert found.rule == "nesting-limit"


def test_an_anchor_that_contains_itself_is_refused():
    values, (found,) = parse("a: &a\n  b: *a\n")
    assert values == []
    assert str(found) == 'in.yaml:2:6: error[recursive-anchor]: anchor "a" contains itself'


@pytest.mark.parametrize("value", ["!Ref x", "!!int x", "!<!x> 1", "!!set {a}", "!!python/object:os 1"])
def test_unknown_and_unfit_tags_are_refused(value):
    values, found = parse(f"a: {value}\n")
    assert values == []
    assert [(one.rule, str(one.span)) for one in found] == [("yaml-tag", "in.yaml:1:4")]


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("a: b\n\tc: 1\n", "2:1", "a tab cannot be used for indentation", "indent with spaces"),
        ("a:\n\tb: 1\n", "2:1", "a tab cannot be used for indentation", "indent with spaces"),
        ("a: b: c\n", "1:5", 'a ":" is not allowed here', "check the indentation"),
        ("a: @b\n", "1:4", '"@" cannot start a value', "put the value in quotes"),
        ('a: "b\n', "1:4", "a quotation mark is never closed", "close the string"),
        ("a: [b\n", "1:4", '"[" is never closed', 'a list that starts with "["'),
        ("a: [b\nc: d]\n", "2:2", 'expected "," or "]"', 'a list that starts with "["'),
        ('a: "\\q"\n', "1:5", "unknown escape in a double-quoted string", 'write "\\\\"'),
        ("a: *b\n", "1:4", "alias of an anchor that is not defined", ""),
        ("a: b\x07\n", "1:5", "control character U+0007 is not allowed", "remove it"),
        ("a: \0\n", "1:4", "control character U+0000 is not allowed", "remove it"),
        ("a: {b: 1}}\n", "1:10", '"}" closes nothing', ""),
        ("{b: 1}\n{c: 2}\n", "2:1", "unexpected text after the end of the value", 'put "---"'),
    ],
)
def test_syntax_errors_say_what_is_wrong_and_where(text, place, message, hint):
    values, (found,) = parse(text)
    assert values == []
    assert str(found).startswith(f"in.yaml:{place}: error[yaml-syntax]: ")
    assert found.message == message
    assert found.hint.startswith(hint)
    assert bool(found.hint) == bool(hint)


def test_documents_around_a_broken_one_are_kept():
    values, found = parse('a: 1\n---\nb: [\n---\nc: "\n---\nd: 4\n...\n---\ne: 5\n')
    assert values == [{"a": 1}, {"d": 4}, {"e": 5}]
    assert [one.span.line for one in found] == [3, 5]


def test_a_document_with_unreadable_text_behind_it_is_not_half_read():
    values, (found,) = parse("a: 1\n]\nb: 2\n---\nc: 1\n")
    assert values == [{"c": 1}]
    assert found.span.line == 2


def test_document_markers_and_directives():
    text = "# top\n%YAML 1.1\n%TAG !k! tag:yaml.org,2002:\n---\na: !k!str 1\n...\n# x\n"
    text += "--- {b: 2}\n---\n--- |\n text\n ---\n...\nc: 3\n"
    values, found = parse(text)
    assert found == ()
    assert values == [{"a": "1"}, {"b": 2}, None, "text\n---\n", {"c": 3}]


def test_a_marker_in_a_block_scalar_at_column_zero_ends_the_document():
    assert parse("a: |\n  x\n---\nb: 1\n")[0] == [{"a": "x\n"}, {"b": 1}]
    assert parse("a: |\n  ---\n  x\n")[0] == [{"a": "---\nx\n"}]
    assert parse("---x: 1\n")[0] == [{"---x": 1}]


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n# nothing\n"])
def test_empty_files_hold_nothing(text):
    values, found = parse(text)
    assert found == ()
    assert values in ([], [None])


def test_json_with_tabs_surrogates_and_several_values():
    text = '{\n\t"a":\t1,\n\t"e": "\\ud83d\\ude00 \\\\ud83d", "b": [true, null]\n}\n{"c": "x\\/y"}'
    values, found = parse(text, "in.json")
    assert found == ()
    assert values == [{"a": 1, "e": "😀 \\ud83d", "b": [True, None]}, {"c": "x/y"}]
    tree = trees(text, "in.json")[0]
    assert tree.text(("b", 0)) == "true"
    assert str(tree.span(("b",))) == "in.json:3:36"


def test_broken_json_with_tabs_points_at_the_mistake():
    values, (found,) = parse('{\n\t"a": 1\n\t"b": 2\n}')
    assert values == []
    assert (found.rule, found.span.line) == ("yaml-syntax", 3)


def test_json_nested_too_deeply_is_refused():
    values, (found,) = parse("[" * 10_000 + "]" * 10_000, "in.json")
    assert values == []
    assert found.rule == "nesting-limit"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_positions(end):
    text = end.join(
        [
            "# comment",
            "---",
            "a: 1",
            "b:",
            "  - x: 'é'",
            "    w: |",
            "      text",
            "      more",
            "    z:",
            "  # trailing",
            "c: {d: [5, 6]}",
            "",
        ]
    )
    (tree,) = trees(text)
    file = tree.file

    def place(span):
        return (span.line, span.column, span.end_line, span.end_column)

    assert place(tree.span(("a",))) == (3, 4, 3, 5)
    assert place(tree.key_span(("b",))) == (4, 1, 4, 2)
    assert place(tree.span(("b", 0, "x"))) == (5, 8, 5, 11)
    assert place(tree.span(("b", 0, "w")))[:3] == (6, 8, 8)
    assert place(tree.span(("b", 0, "z"))) == (9, 7, 9, 7)
    assert place(tree.span(("b", 0))) == (5, 5, 9, 7)
    assert place(tree.span(("c", "d"))) == (11, 8, 11, 14)
    assert place(tree.span(("c", "d", 1))) == (11, 12, 11, 13)
    assert file.line(11)[11:12] == "6"
    assert tree.span(("c", "missing", "deeper")) == tree.span(("c",))
    assert tree.key_span(("c", "missing")) == tree.span(("c",))
    assert tree.span(("a", "b")) == tree.span(("a",))
    assert tree.has(("c", "d", 1))
    assert not tree.has(("c", "d", 2))


def test_line_breaks_that_only_yaml_knows_do_not_move_positions():
    (tree,) = trees('a: "x\u2028y\u0085z"\nb: 1\n')
    assert str(tree.span(("b",))) == "in.yaml:2:4"


def test_the_cache_saves_parsing_and_follows_moved_text():
    cache = ChunkCache()
    text = "a: {b: 1}\n---\nb: [\n---\nc: 1\n"
    first, found = parse(text, cache=cache)
    cache.forget_unused()
    moved, again = parse("---\nnew: 1\n---\n" + text, cache=cache)
    assert moved == [{"new": 1}, *first]
    assert [one.span.line for one in again] == [one.span.line + 3 for one in found]
    assert moved[2] is first[1]
    cache.forget_unused()
    parse("x: 1", cache=cache)
    cache.forget_unused()
    assert len(cache) == 1


def test_a_huge_text_is_refused(monkeypatch):
    monkeypatch.setattr("anygate.manifests.yaml.SIZE_LIMIT", 2**20)
    values, (found,) = parse("# " + "x" * 2**20)
    assert values == []
    assert str(found) == "in.yaml:1:1: error[file-too-large]: file is larger than 1 MB"


def test_text_with_lone_surrogates_does_not_raise():
    values, (found,) = parse("a: \ud800\n")
    assert values == []
    assert str(found) == "in.yaml:1:4: error[yaml-syntax]: control character U+D800 is not allowed"
