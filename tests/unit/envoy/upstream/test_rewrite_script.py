"""The script that edits bodies, run by the same LuaJIT that Envoy has, against what JSON parsers make of its work."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lupa.luajit21 import LuaRuntime

from anygate.envoy.upstream.rewrite import render_script
from anygate.envoy.upstream.setting import Setting
from anygate.model.inference import Provider
from anygate.model.origin import Origin
from anygate.providers.endpoints import SEGMENT_MARKS
from anygate.providers.rewrite import rewrite_top_level

Rewrite = Callable[[bytes, bytes | None, bool], bytes | None]
MODEL = b'"a \\u00e9\\"new\\" one"'


@cache
def _script() -> Any:
    provider = Provider(origin=Origin("T", "", "t"), name="t", format="AzureOpenAI")
    text = render_script(provider, Setting())
    return LuaRuntime(encoding=None).execute(f"{text}\nreturn {{rewrite_body, path_segment}}".encode())


def rewrite(body: bytes, model: bytes | None = MODEL, usage: bool = False) -> bytes | None:
    found = _script()[1](body, model, usage)
    return found if found is None else bytes(found)


def pairs(body: bytes) -> Any:
    """A JSON value with objects as lists of pairs, so that repeated keys and their order show."""
    return json.loads(body, object_pairs_hook=lambda found: ["object", *found], parse_int=str, parse_float=str)


KEYS = st.sampled_from(["model", "stream", "stream_options", "include_usage", "x", 'a"b', "\\", "é", "{", "models"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
SPACES = st.sampled_from(["", " ", "\n\t", "\r\n  "])


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    """An object as clients may write it: repeated keys, escaped ones, white space anywhere."""
    members = []
    for name in draw(st.lists(KEYS, max_size=5)):
        written = json.dumps(name, ensure_ascii=draw(st.booleans()))
        if draw(st.booleans()) and name.isascii() and name.isalpha():
            at = draw(st.integers(0, len(name) - 1))
            written = f'"{name[:at]}\\u{ord(name[at]):04x}{name[at + 1 :]}"'
        value = json.dumps(draw(VALUES), ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
        members.append(f"{draw(SPACES)}{written}{draw(SPACES)}:{draw(SPACES)}{value}{draw(SPACES)}")
    return f"{draw(SPACES)}{{{draw(SPACES) if not members else ','.join(members)}}}{draw(SPACES)}".encode(
        errors="surrogatepass"
    )


@given(objects())
def test_every_model_at_the_top_is_replaced_and_nothing_else(body: bytes) -> None:
    before = pairs(body)
    after = pairs(rewrite(body) or body)
    assert after == [
        "object",
        *((name, json.loads(MODEL) if name == "model" else value) for name, value in before[1:]),
    ]


@given(objects())
def test_edits_are_those_of_the_adapter(body: bytes) -> None:
    wanted = rewrite_top_level(body, model="m")
    assert (rewrite(body, b'"m"') or body) == wanted


@given(objects())
def test_usage_is_asked_for_on_streams(body: bytes) -> None:
    changed = rewrite(body, None, True)
    streamed = any(name == "stream" and value is True for name, value in pairs(body)[1:])
    if not streamed:
        assert changed is None
        return
    before, after = pairs(body)[1:], pairs(changed or body)[1:]
    options = [value for name, value in after if name == "stream_options"]
    assert options
    for each in options:
        assert {value for name, value in each[1:] if name == "include_usage"} == {True}
    given_options = [value for name, value in before if name == "stream_options"]
    for old, new in zip(given_options, options, strict=False):
        kept = old[1:] if isinstance(old, list) and old[:1] == ["object"] else []
        assert [each for each in new[1:] if each[0] != "include_usage"] == [
            each for each in kept if each[0] != "include_usage"
        ]
    assert [each for each in after if each[0] != "stream_options"] == [
        each for each in before if each[0] != "stream_options"
    ]


@given(st.binary(max_size=60) | st.text('{}[]":,\\ aémodel1', max_size=40).map(str.encode))
def test_any_bytes_are_taken(body: bytes) -> None:
    try:
        value = pairs(body)
    except ValueError:
        value = None
    changed = rewrite(body, MODEL, True)
    if not (isinstance(value, list) and value[:1] == ["object"]):
        value = None
    if value is not None and changed is not None:
        assert pairs(changed)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" ", b"[]", b'"model"', b"{", b'{"model"', b'{"model":', b'{"model":"m"', b'{"model":"m"}x'),
        *(b'{"model":"m",}', b'{,"model":"m"}', b'{"model" "m"}', b'{"a":[}'),
    ],
)
def test_what_is_no_object_is_left_alone(body: bytes) -> None:
    assert rewrite(body, MODEL, True) is None


def test_bytes_around_the_model_stay() -> None:
    body = b'\n{ "n" : 18446744073709551616,"f":1.10e+05, "model"\t:\t"old" ,"x":{"model":"in\\"ner"},"e":"\\/"}  '
    assert rewrite(body) == body.replace(b'"old"', MODEL)


@pytest.mark.parametrize("options", [b"null", b"1", b"[]", b"{}", b'{"include_usage":false}', b'{ "a":1 }'])
def test_options_of_any_kind_ask_for_usage(options: bytes) -> None:
    changed = rewrite(b'{"stream_options":%s,"stream":true}' % options, None, True)
    assert changed is not None
    assert json.loads(changed)["stream_options"]["include_usage"] is True


def test_a_long_body_takes_no_longer_than_its_length() -> None:
    body = b'{"x":["%s"],"model":"m"}' % (b'\\\\\\"' * 500_000)
    assert rewrite(body) == body.replace(b'"model":"m"', b'"model":%s' % MODEL)
    deep = b'{"x":%s%s,"model":"m"}' % (b"[" * 500_000, b"]" * 500_000)
    assert rewrite(deep) == deep.replace(b'"m"', MODEL)


@given(st.text(min_size=1).filter(lambda name: name not in ("-", ".", "..") and name.isprintable()))
def test_a_path_segment_is_escaped_as_everywhere_else(name: str) -> None:
    assert bytes(_script()[2](name.encode())) == quote(name, safe=SEGMENT_MARKS).encode()


@pytest.mark.parametrize("name", [b"", b"-", b".", b".."])
def test_some_names_are_no_path_segment(name: bytes) -> None:
    assert _script()[2](name) is None
