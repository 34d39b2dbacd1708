import io
import os

import pytest

from anygate.diagnostics import Report, SourceFile
from anygate.errors import AnygateError, EnvironmentProblem, InternalError, UsageError
from anygate.manifests import ChunkCache, load_sources, parse_sources
from anygate.manifests import load as load_module
from anygate.manifests.load import FileCache


def load(*paths, stdin=None):
    report = Report()
    return load_sources([str(path) for path in paths], report, stdin=stdin), report.diagnostics


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.yaml", "a.yml", "sub/c.json", ".git/x.yaml", ".hidden.yaml", "notes.txt", "sub.yaml"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    return tmp_path / "in"


def test_a_folder_is_read_recursively_in_order(folder):
    sources, found = load("in")
    assert [source.name for source in sources] == ["in/a.yml", "in/b.yaml", "in/sub/c.json", "in/sub.yaml"]
    assert found == ()
    assert sources[0].text == "# a.yml\n"


def test_a_file_is_read_once_and_may_have_any_ending(folder):
    sources, _ = load("in/notes.txt", "in/b.yaml", "in", str(folder / "b.yaml"))
    names = [source.name for source in sources]
    assert names == ["in/notes.txt", "in/b.yaml", "in/a.yml", "in/sub/c.json", "in/sub.yaml"]


def test_links_may_form_loops(folder):
    (folder / "sub" / "up").symlink_to(folder)
    (folder / "sub" / "linked.yaml").symlink_to(folder / "b.yaml")
    names = [source.name for source in load("in")[0]]
    assert names == ["in/a.yml", "in/b.yaml", "in/sub/c.json", "in/sub.yaml"]


def test_files_of_a_folder_that_cannot_be_read_are_reported(folder):
    (folder / "gone.yaml").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe.yaml")
    (folder / "binary.yaml").write_bytes(b"kind: \x80\0\0")
    sources, found = load("in")
    assert len(sources) == 4
    assert [str(one) for one in found] == [
        "in/binary.yaml:1:1: error[not-text]: not UTF-8 text: byte 0x80 at offset 6",
        "in/gone.yaml:1:1: error[unreadable-file]: cannot be read: no such file or directory",
        "in/pipe.yaml:1:1: error[unreadable-file]: cannot be read: not a regular file",
    ]
    assert found[0].hint == "this looks like a binary file"


def test_paths_that_cannot_be_used(tmp_path):
    with pytest.raises(EnvironmentProblem, match=r"nothing\.yaml: no such file or folder$") as raised:
        load(tmp_path / "nothing.yaml")
    assert raised.value.exit_code == 3
    with pytest.raises(UsageError):
        load("")
    with pytest.raises(UsageError):
        load("-")
    with pytest.raises(EnvironmentProblem):
        load("a\0b")


def test_exit_codes():
    assert {kind: kind("x").exit_code for kind in (UsageError, EnvironmentProblem, InternalError)} == {
        UsageError: 2,
        EnvironmentProblem: 3,
        InternalError: 70,
    }
    assert issubclass(InternalError, AnygateError)


def test_standard_input():
    (source,), found = load("-", stdin=io.BytesIO(b"a: 1\n"))
    assert (source.name, source.text, found) == ("-", "a: 1\n", ())


@pytest.mark.parametrize(
    "content",
    [
        "a: é😀\n".encode(),
        b"\xef\xbb\xbf" + "a: é😀\n".encode(),
        b"\xff\xfe" + "a: é😀\n".encode("utf-16-le"),
        b"\xfe\xff" + "a: é😀\n".encode("utf-16-be"),
    ],
)
def test_encodings(tmp_path, content):
    (tmp_path / "a.yaml").write_bytes(content)
    (source,), found = load(tmp_path / "a.yaml")
    assert (source.text, found) == ("a: é😀\n", ())


def test_wrong_encodings_name_the_byte(tmp_path):
    (tmp_path / "a.yaml").write_bytes("a: b\nc: é\n".encode("latin-1"))
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfea\0b")
    (tmp_path / "c.yaml").write_bytes(b"apiVersion: v1\nkind: Service\nmetadata: {name: ok}\n")
    sources, found = load(tmp_path)
    assert [one.message for one in found] == [
        "not UTF-8 text: byte 0xe9 at offset 8",
        "not UTF-16 text: byte 0x62 at offset 4",
    ]
    assert found[0].hint == "save the file as UTF-8"
    assert [one.name for one in parse_sources(sources, Report())] == ["ok"]


def test_large_files_are_not_read(tmp_path):
    with (tmp_path / "big.yaml").open("wb") as file:
        file.truncate(60 * 1024 * 1024)
    sources, (found,) = load(tmp_path / "big.yaml")
    assert sources == ()
    assert (found.rule, found.message) == ("file-too-large", "file is larger than 50 MB")


def test_a_cache_opens_only_what_may_have_changed(folder, monkeypatch):
    old, new = folder / "a.yml", folder / "b.yaml"
    for path in folder.rglob("*"):
        os.utime(path, ns=(0, 0))
    # A change time cannot be set; every file counts as old but for one.
    monkeypatch.setattr(load_module, "_SETTLED_NS", -10_000_000_000)
    cache = FileCache()
    first = load_sources(["in"], Report(), cache=cache)
    opened = []
    read = load_module._read_limited
    monkeypatch.setattr(load_module, "_read_limited", lambda name, **more: opened.append(name) or read(name, **more))
    again = load_sources(["in"], Report(), cache=cache)
    assert opened == []
    assert [id(one) for one in again] == [id(one) for one in first]
    new.write_text("# changed\n")
    changed = load_sources(["in"], Report(), cache=cache)
    assert opened == ["in/b.yaml"]
    assert [one.text for one in changed] == ["# a.yml\n", "# changed\n", "# sub/c.json\n", "# sub.yaml\n"]
    old.unlink()
    assert [one.name for one in load_sources(["in"], Report(), cache=cache)] == [one.name for one in changed[1:]]


def test_a_file_that_was_just_written_is_read_again(folder):
    cache = FileCache()
    path = folder / "a.yml"
    (first,) = load_sources([str(path)], Report(), cache=cache)
    before = path.stat()
    path.write_text("# b.yml\n")
    # The second write came within the same tick of the clock.
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    (second,) = load_sources([str(path)], Report(), cache=cache)
    assert (first.text, second.text) == ("# a.yml\n", "# b.yml\n")
    (third,) = load_sources([str(path)], Report(), cache=cache)
    assert third is second


def test_a_file_that_did_not_change_is_not_parsed_again():
    cache, report = ChunkCache(), Report()
    text = "apiVersion: v1\nkind: Service\nmetadata: {name: %s}\n"
    files = [SourceFile("a", text % "one"), SourceFile("b", (text % "two") + "---\nkind: [\n")]
    first = parse_sources(files, report, cache)
    repeated = Report()
    second = parse_sources([SourceFile("a", text % "other"), SourceFile("b", files[1].text)], repeated, cache)
    assert second.objects[1] is first.objects[1]
    assert [one.name for one in second] == ["other", "two"]
    assert [str(one) for one in repeated.diagnostics] == [str(one) for one in report.diagnostics] != []
    # The documents of a file that was taken over are still known when it does change.
    third = parse_sources([SourceFile("b", files[1].text + "---\n")], Report(), cache)
    assert third.objects[0].value is first.objects[1].value
