"""`anygate check` on files that are no manifests: one clear answer, a fitting exit code, bounded time and memory."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

SOUND = b"apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n"
MIB = 2**20
MEMORY = 700 * MIB
SECONDS = 30


class Answer(NamedTuple):
    """What the program said."""

    code: int
    text: str
    findings: list[str]


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


def check(*paths: Path, stdin: bytes = b"") -> Answer:
    command = [sys.executable, "-m", "anygate", "check", *map(str, paths)]
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
    ran = subprocess.run(
        command, input=stdin, capture_output=True, env=environment, timeout=SECONDS, preexec_fn=_limit, check=False
    )
    text = (ran.stdout + ran.stderr).decode()
    assert "Traceback" not in text, text[-2000:]
    assert ran.returncode in (0, 1), text[-2000:]
    findings = [line for line in text.splitlines() if ": error[" in line or ": warning[" in line]
    return Answer(ran.returncode, text, findings)


def bomb() -> bytes:
    """A billion entries in ten lines."""
    lines = [b"a: &a [x, x, x, x, x, x, x, x, x, x]\n"]
    for before, letter in zip("abcdefghi", "bcdefghij", strict=True):
        lines.append(f"{letter}: &{letter} [{', '.join([f'*{before}'] * 10)}]\n".encode())
    return b"".join(lines)


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "more than 50 MB": (lambda: b"a" * (50 * MIB + 1), "file-too-large"),
    "an alias bomb": (bomb, "alias-limit"),
    "deep lists": (lambda: b"[" * 200_000, "nesting-limit"),
    "deep mappings": (lambda: b"{a: " * 100_000 + b"}" * 100_000, "nesting-limit"),
    "deep blocks": (lambda: b"\n".join(b" " * depth + b"a:" for depth in range(3000)), "nesting-limit"),
    "binary": (lambda: bytes(range(256)) * 400, "not-text"),
    "latin-1": (lambda: SOUND + "# é\n".encode("latin-1"), "not-text"),
    "NUL bytes": (lambda: SOUND + b"\0\0\0", "yaml-syntax"),
    "UTF-16 without a mark": (lambda: SOUND.decode().encode("utf-16-le"), ""),
    "UTF-32": (lambda: SOUND.decode().encode("utf-32"), ""),
    "a tab": (lambda: b"apiVersion: v1\nkind: Namespace\nmetadata:\n\tname: a\n", "yaml-syntax"),
    "an open quote": (lambda: b'a: "' + b"x" * 10**7, "yaml-syntax"),
    "a long line": (lambda: SOUND + b"spec: {portz: " + b"a" * 10**7 + b"}\n", "unknown-field"),
    "a scalar": (lambda: b"hello\n", "not-an-object"),
    "an anchor in itself": (lambda: b"a: &a [*a]\n", "recursive-anchor"),
}

GOOD: dict[str, bytes] = {
    "UTF-16": SOUND.decode().encode("utf-16"),
    "CRLF": SOUND.replace(b"\n", b"\r\n"),
    "CR": SOUND.replace(b"\n", b"\r"),
    "a byte order mark": b"\xef\xbb\xbf" + SOUND,
    "nothing": b"",
    "only comments": b"# one\n# two\n",
    "only markers": b"---\n---\n...\n",
    "only a mark": b"\xef\xbb\xbf",
    "many comments": b"# hello\n" * (6 * MIB),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_gives_one_clear_finding(tmp_path, what):
    make, rule = BAD[what]
    path = tmp_path / "in.yaml"
    path.write_bytes(make())
    answer = check(path)
    assert answer.code == 1
    assert len(answer.findings) == 1, answer.text[:2000]
    assert "in.yaml:" in answer.findings[0]
    assert f"error[{rule}" in answer.findings[0]
    assert len(answer.text) < 3000
    assert answer.text.replace("\n", "").isprintable()


@pytest.mark.parametrize("what", GOOD)
def test_an_unusual_file_is_read(tmp_path, what):
    path = tmp_path / "in.yaml"
    path.write_bytes(GOOD[what])
    answer = check(path)
    assert answer.code == 0
    assert answer.findings == []
    assert ("no mistakes in 1 object" in answer.text) == (b"kind" in GOOD[what].replace(b"\0", b""))


def test_a_bad_file_leaves_its_neighbours_alone(tmp_path):
    (tmp_path / "bad.yaml").write_bytes(bytes(range(256)))
    (tmp_path / "wrong.yaml").write_bytes(b"apiVersion: v1\nkind: Service\nmetadata: {name: b}\nspec: {portz: []}\n")
    (tmp_path / "good.yaml").write_bytes(SOUND)
    answer = check(tmp_path)
    assert answer.code == 1
    assert [finding.partition(": error[")[2].partition("]")[0] for finding in answer.findings] == [
        "not-text",
        "unknown-field",
    ]


def test_an_empty_folder_is_no_mistake(tmp_path):
    answer = check(tmp_path)
    assert answer.code == 0
    assert "0 objects of 0 files" in answer.text


def test_a_folder_with_two_thousand_files_is_read(tmp_path):
    for number in range(2000):
        (tmp_path / f"{number}.yaml").write_bytes(SOUND.replace(b"name: a", b"name: a%d" % number))
    answer = check(tmp_path)
    assert answer.code == 0
    assert "no mistakes in 2000 objects of 2000 files" in answer.text


@pytest.mark.parametrize("stdin", [b"", b"\xff\xfe\xff", b"{", bomb(), b"---\n" * 10_000])
def test_standard_input_may_hold_anything(stdin):
    answer = check(Path("-"), stdin=stdin)
    assert answer.code == (0 if stdin.strip(b"-\n") == b"" else 1)
    assert len(answer.findings) == answer.code


def _service_ports() -> bytes:
    head = b"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports:\n"
    return head + b"".join(b"  - {port: 0, name: a%d}\n" % number for number in range(10_000))


def _config_map() -> bytes:
    head = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n"
    return head + b"".join(b"  k%d: 1\n" % number for number in range(10_000))


def _late_duplicates() -> bytes:
    head = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n"
    return head + b"".join(b"  k%d: x\n" % number for number in range(10_000)) + b"  k9999: y\n" * 10_000


def _list_items() -> bytes:
    item = b"- {apiVersion: v1, kind: Service, metadata: {name: a%d}, spec: {portz: 1}}\n"
    return b"apiVersion: v1\nkind: List\nitems:\n" + b"".join(item % number for number in range(10_000))


@pytest.mark.parametrize("make", [_service_ports, _config_map, _late_duplicates, _list_items])
def test_ten_thousand_mistakes_in_one_document_are_told_in_time(tmp_path, make):
    path = tmp_path / "in.yaml"
    path.write_bytes(make())
    answer = check(path)
    assert answer.code == 1
    assert len(answer.findings) == 10_000
