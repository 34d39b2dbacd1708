"""Nothing of a Secret shows: not in diagnostics, dumps, statuses or exceptions, and in Envoy's resources only where
its API says that a field is sensitive."""

import base64
import json
import subprocess
import sys
from binascii import hexlify
from collections.abc import Iterator
from typing import Any

import manifest_sets as sets
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anygate.compiler import Result, compile_sources
from anygate.diagnostics import Diagnostic, SourceFile
from anygate.diagnostics.render_github import render_github
from anygate.diagnostics.render_json import render_json
from anygate.diagnostics.render_sarif import render_sarif
from anygate.diagnostics.render_text import render_text
from anygate.envoy.api import message, redact, to_json, type_name
from anygate.envoy.snapshot import SECRET, TYPES
from anygate.manifests.sensitive import Sensitive

PUBLIC = ("tls.crt", "client-id")
"""Keys of Secrets whose content everybody sees anyway."""


def traces() -> list[str]:
    """What would betray a secret: its text, and pieces of its base64 and hexadecimal forms wherever they start."""
    found = {sets.CANARY, *(piece for piece in _encoded(sets.CANARY))}
    for contents in sets.make_secrets().values():
        for key, value in contents.items():
            if key not in PUBLIC:
                found |= {line for line in value.splitlines() if len(line) > 12 and "PRIVATE KEY" not in line}
                found |= {encoded[:60] for encoded in (base64.b64encode(value.encode()).decode(), _hex(value))}
    return sorted(found)


def _encoded(text: str) -> Iterator[str]:
    yield _hex(text)
    for start in range(3):
        whole = base64.b64encode(b" " * start + text.encode()).decode().rstrip("=")
        # The first and last characters depend on what stands beside the text.
        yield whole[4:-2]


def _hex(text: str) -> str:
    return hexlify(text.encode()).decode()


TRACES = traces()


def shown(text: str) -> list[str]:
    """The traces in a text, however its lines are broken or escaped."""
    return [trace for trace in TRACES if trace in text]


def renderings(diagnostics: tuple[Diagnostic, ...]) -> str:
    parts = (render_text(diagnostics), render_text(diagnostics, colour=True), render_json(diagnostics))
    return "\n".join((*parts, render_github(diagnostics), render_sarif(diagnostics), repr(diagnostics)))


def dumps(result: Result) -> Iterator[str]:
    """Every way in which a result is shown to people."""
    yield renderings(result.diagnostics)
    yield repr(result)
    yield str(result.model)
    yield repr(result.snapshot)
    yield repr(list(result.outcomes.values()))
    for secret in result.model.secrets:
        yield repr(secret)
    yield msgspec.json.encode(result.model, enc_hook=_encode).decode()
    for url in TYPES:
        for each in result.snapshot[url].values():
            yield repr(each)
            yield json.dumps(redact(message(type_name(url)).FromString(each.body)))


def _encode(value: Any) -> str:
    return repr(value)


def check_silence(result: Result) -> None:
    for text in dumps(result):
        assert shown(text) == []


def test_the_traces_are_found_where_they_are():
    """What the other tests rest on."""
    for contents in sets.make_secrets().values():
        for key, value in contents.items():
            if key not in PUBLIC:
                assert shown(value)
                assert shown(base64.b64encode(value.encode()).decode())
    assert shown(base64.b64encode(f"x{sets.CANARY}y".encode()).decode())
    assert shown(_hex(f"x{sets.CANARY}y"))
    assert not shown(sets.make_secrets()["www"]["tls.crt"])


@pytest.mark.parametrize("encoded", [True, False])
def test_a_sound_set_shows_nothing(encoded):
    result = compile_sources([write(sets.make_secrets(), encoded=encoded)])
    assert [str(found) for found in result.diagnostics] == []
    assert len(result.model.secrets) >= 5
    check_silence(result)


def write(secrets: dict[str, dict[str, str]], *, encoded: bool = True) -> SourceFile:
    others = [document for document in sets.protected_set() if document["kind"] != "Secret"]
    return sets.write([*others, *(sets.make_secret(name, held, encoded=encoded) for name, held in secrets.items())])


def test_resources_hold_secrets_only_in_sensitive_fields():
    result = compile_sources([write(sets.make_secrets())])
    holding = set()
    for url in TYPES:
        for each in result.snapshot[url].values():
            built = message(type_name(url)).FromString(each.body)
            if any(trace.encode() in each.body for trace in TRACES):
                holding.add(url)
            assert shown(json.dumps(redact(built))) == []
            if url == SECRET:
                assert "[redacted]" in json.dumps(redact(built)) or not shown(json.dumps(to_json(built)))
    assert SECRET in holding


def test_what_holds_a_secret_does_not_show_it():
    held = Sensitive(sets.CANARY.encode())
    assert shown(f"{held!r} {held} {[held]} {held:}") == []
    with pytest.raises(TypeError) as caught:
        json.dumps({"a": held})
    assert shown(str(caught.value)) == []
    with pytest.raises(UnicodeDecodeError) as undecodable:
        Sensitive(b"\xff" + sets.CANARY.encode()).reveal_text()
    assert undecodable.type is UnicodeDecodeError


# The names of keys and fields are no secrets; everything else is.
SPOILT_SECRETS = [
    ("without an end", '{"data": {"key": "%s'),
    ("twice the key", 'data: {a: "%s", a: "%s"}'),
    ("a list", "stringData: [%s]"),
    ("a number beside it", 'stringData: {a: "%s", b: 3}'),
    ("an unknown field", 'stringDate: {a: "%s"}'),
    ("base64 that is none", 'data: {a: "%s"}'),
    ("a block", "stringData:\n  a: |\n    %s\n   b: x"),
    ("as a type", 'type: ["%s"]'),
    ("as a tag", "stringData: {a: !%s x}"),
    ("as an alias", "stringData: {a: *%s}"),
    ("as an anchor", "stringData: {a: &%s *b}"),
    ("a quote too many", 'stringData: {a: "%s" "}'),
    ("a tab", "stringData:\n\ta: %s"),
    ("as a name", "metadata: {name: [%s]}"),
    ("as a label", 'metadata: {name: x, labels: {a: ["%s"]}}'),
    ("in the next document", "stringData: {a: b}\n---\n%s: ]"),
]


@pytest.mark.parametrize("head", ["apiVersion: v1\nkind: Secret\n", "kind: 'Secret'\n", '"kind": "Secret"\n'])
@pytest.mark.parametrize(("what", "text"), SPOILT_SECRETS, ids=lambda one: one if len(one) < 24 else "")
def test_a_malformed_secret_shows_nothing(what, text, head):
    named = "metadata: {name: x}\n" if "metadata:" not in text else ""
    canary = sets.CANARY if "base64" not in what else base64.b64encode(sets.CANARY.encode()).decode() + "!"
    body = text.replace("%s", canary)
    result = compile_sources([SourceFile("in.yaml", f"{head}{named}{body}\n")])
    assert result.diagnostics, what
    if what not in ("in the next document",):
        check_silence(result)


MUTATED = [
    (name, key, broken)
    for name, contents in sets.make_secrets().items()
    for key in contents
    if key not in PUBLIC
    for broken in ("cut", "twice", "binary", "extra", "missing", "other")
]


def spoil(contents: dict[str, str], key: str, how: str) -> dict[str, str]:
    value = contents[key]
    ways = {
        "cut": value[: len(value) // 2] + sets.CANARY,
        "twice": f"{value}\n{value}\n{sets.CANARY}:{sets.CANARY}",
        "binary": f"{value}\x00\x1b{sets.CANARY}\x7f",
        "extra": f"{sets.CANARY}\n{value}",
        "other": f'{{"{sets.CANARY}": ["{value[:20]}"]}}',
    }
    if how == "missing":
        return {f"{key}-{number}": one for number, one in enumerate(contents.values())}
    return contents | {key: ways[how]}


@pytest.mark.parametrize(("name", "key", "how"), MUTATED)
def test_a_secret_with_unusable_contents_shows_nothing(name, key, how):
    secrets = sets.make_secrets()
    secrets[name] = spoil(secrets[name], key, how)
    check_silence(compile_sources([write(secrets)]))


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=3))
@settings(max_examples=80, deadline=None)
def test_no_mistake_anywhere_shows_a_secret(edits):
    documents = sets.protected_set()
    for which, choice in edits:
        index = which % len(documents)
        if isinstance(documents[index], dict):
            spoilt = list(sets.spoil(documents[index]))
            documents[index] = spoilt[choice % len(spoilt)][2]
    result = compile_sources([sets.write(documents)])
    assert shown(renderings(result.diagnostics)) == []
    assert shown(repr(result)) == []


@given(st.integers(0, 10**6), st.text("{}[]:,-#&*!|>'\"%@\n\t x", max_size=4), st.integers(0, 12))
@settings(max_examples=120, deadline=None)
def test_no_typing_mistake_near_a_secret_shows_it(at, text, cut):
    plain = write(sets.make_secrets(), encoded=False).text
    first = plain.index('"stringData"') - 80
    place = first + at % (len(plain) - first)
    result = compile_sources([SourceFile("in.yaml", plain[:place] + text + plain[place + cut :])])
    assert shown(renderings(result.diagnostics)) == []


def test_two_secrets_of_one_name_show_nothing():
    secrets = [sets.make_secret(name, held, encoded=False) for name, held in sets.make_secrets().items()]
    twice = [sets.make_secret(name, {**held, "more": sets.CANARY}) for name, held in sets.make_secrets().items()]
    result = compile_sources([sets.write([*sets.protected_set(), *secrets, *twice])])
    assert sum(found.rule == "duplicate-object" for found in result.diagnostics) == 2 * len(secrets)
    check_silence(result)


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_the_command_shows_nothing(tmp_path, form):
    spoilt = {name: spoil(held, next(iter(held)), "other") for name, held in sets.make_secrets().items()}
    (tmp_path / "sound.yaml").write_text(write(sets.make_secrets()).text)
    (tmp_path / "spoilt.yaml").write_text(write(spoilt, encoded=False).text.replace("Secret", "Secret ", 1))
    (tmp_path / "broken.yaml").write_text(f"kind: Secret\nstringData:\n  a: {sets.CANARY}\n b: {sets.CANARY}\n")
    command = [sys.executable, "-m", "anygate", "check", str(tmp_path), "--format", form]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    assert "broken.yaml" in ran.stdout + ran.stderr
    assert shown(ran.stdout + ran.stderr) == []
