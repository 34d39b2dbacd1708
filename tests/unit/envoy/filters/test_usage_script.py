"""The script that reads usage off streams, run by the same LuaJIT that Envoy has, on streams cut anywhere."""

import json
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lupa.luajit21 import LuaRuntime

from anygate.envoy.filters.usage import usage_script

# What Envoy gives a script of an answer, as far as this one asks for it.
ENVOY = """
local kind, coding, status, pieces, count = ...
local found = nil
local function chunk(text)
  local function bytes(_, at, length) return text:sub(at + 1, at + length) end
  return { length = function() return #text end, getBytes = bytes }
end
local headers = { ["content-type"] = kind, ["content-encoding"] = coding, [":status"] = status }
local handle = {
  headers = function() return { get = function(_, name) return headers[name] end } end,
  bodyChunks = function()
    local at = 0
    return function()
      at = at + 1
      return at <= count and chunk(pieces[at]) or nil
    end
  end,
  streamInfo = function()
    return { dynamicMetadata = function() return { set = function(_, _, _, value) found = value end } end }
  end,
}
envoy_on_response(handle)
return found
"""
STREAM = "text/event-stream; charset=utf-8"
HEAD = {"id": "1", "object": "chat.completion.chunk", "model": "m-1"}
USAGE = {"prompt_tokens": 21, "completion_tokens": 18, "total_tokens": 39}
COUNTS = {"model": "m-1", "input_tokens": 21, "output_tokens": 18, "total_tokens": 39}


@cache
def _runtime() -> tuple[Any, Any]:
    lua = LuaRuntime(encoding=None)
    lua.execute(usage_script().encode())
    return lua, lua.eval(f"function(...) {ENVOY} end".encode())


def read(pieces: list[bytes], kind: str = STREAM, coding: str | None = None, status: str = "200") -> dict[str, Any]:
    """What the script finds in an answer that comes in those pieces."""
    lua, run = _runtime()
    encoded = coding.encode() if coding is not None else None
    found = run(kind.encode(), encoded, status.encode(), lua.table_from(pieces), len(pieces))
    if found is None:
        return {}
    return {key.decode(): value.decode() if isinstance(value, bytes) else value for key, value in found.items()}


def event(end: str = "\n\n", **fields: Any) -> bytes:
    return f"data: {json.dumps({**HEAD, **fields})}{end}".encode()


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:stop] for start, stop in pairwise(edges)]


TEXTS = st.text(max_size=12) | st.sampled_from(['"usage":{"prompt_tokens":1}', "usage", 'a"usage":{', "\\", "data: {}"])


@given(st.lists(TEXTS, max_size=6), st.lists(st.integers(0, 10**6), max_size=12), st.sampled_from(["\n\n", "\r\n\r\n"]))
def test_usage_is_found_wherever_the_stream_is_cut(texts: list[str], places: list[int], end: str) -> None:
    chunks = [event(end, choices=[{"delta": {"content": one}}], usage=None) for one in texts]
    stream = b"".join([*chunks, event(end, choices=[], usage=USAGE), f"data: [DONE]{end}".encode()])
    assert read(cut(stream, places)) == COUNTS
    assert read(cut(b"".join(chunks), places)) == {}


@pytest.mark.parametrize(
    ("usage", "found"),
    [
        (
            {**USAGE, "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 2}},
            {**COUNTS, "cached_tokens": 5, "cache_creation_tokens": 2},
        ),
        ({**USAGE, "completion_tokens_details": {"reasoning_tokens": 7}}, {**COUNTS, "reasoning_tokens": 7}),
        ({**USAGE, "prompt_tokens_details": None, "prompt_cache_hit_tokens": 4}, {**COUNTS, "cached_tokens": 4}),
        ({"completion_tokens": 3}, {"model": "m-1", "output_tokens": 3, "total_tokens": 3}),
        ({"prompt_tokens": 3.5, "completion_tokens": "3"}, {}),
        ({"prompt_tokens": -3}, {}),
        ({}, {}),
    ],
)
def test_counts(usage: dict[str, Any], found: dict[str, Any]) -> None:
    assert read([event(usage=usage)]) == found


def test_only_usage_at_the_top_of_an_event_counts_and_the_last_one_holds() -> None:
    assert read([event(x_groq={"usage": USAGE})]) == {}
    assert read([b": " + event(usage=USAGE)]) == {}
    first = event(usage={"prompt_tokens": 1, "completion_tokens": 1})
    assert read([first, event(usage=USAGE)]) == COUNTS


def test_an_event_without_an_end_counts_if_it_is_whole() -> None:
    whole = event("", usage=USAGE)
    assert read([whole]) == COUNTS
    assert read([whole[:-1]]) == {}


def test_answers_that_are_no_streams() -> None:
    whole = json.dumps({**HEAD, "usage": USAGE}, indent=1).encode()
    assert read(cut(whole, [40, 80]), "Application/JSON") == COUNTS
    assert read([whole], "text/plain") == {}
    assert read([whole], "application/json", status="400") == {}
    assert read([whole], "application/json", coding="gzip") == {}
    assert read([whole], "application/json", coding="identity") == COUNTS


def test_what_is_too_long_is_let_go_and_what_follows_is_read() -> None:
    long = [b"data: ", *([b"x" * 1_000_000] * 6), b"\n\n"]
    assert read([*long, event(usage=USAGE)]) == COUNTS
    assert read([*long[:-1], event("", usage=USAGE)]) == {}


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b'"usage":{', b"data: {", b'"usage"', b"\n"]), max_size=12))
def test_nothing_breaks_it(pieces: list[bytes]) -> None:
    read(pieces)
    read(pieces, "application/json")
