"""Whatever bytes come in, from the client or from the provider: nothing raises, and the chunks do not matter."""

import json
import os
import zlib

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from anygate.providers import (
    Backend,
    BackendFormat,
    ClientFormat,
    Exchange,
    Refusal,
    find_conversion,
    rewrite_top_level,
)
from anygate.providers.framing import Decompressor, FrameDecoder, FramingFault, SseDecoder, encode_frame
from anygate.providers.refusal import Refused
from anygate.providers.rewrite import find_spans

# ANYGATE_FUZZ=20 looks twenty times as long.
FACTOR = int(os.environ.get("ANYGATE_FUZZ", "1"))
PAIRS = [(client, backend) for client in ClientFormat for backend in BackendFormat if find_conversion(client, backend)]
KEYS = st.sampled_from(
    [
        *("model", "messages", "role", "content", "type", "text", "stream", "tools", "function", "name", "arguments"),
        *(
            "id",
            "tool_calls",
            "tool_call_id",
            "input",
            "instructions",
            "max_tokens",
            "system",
            "image_url",
            "url",
            "data",
        ),
        *("source", "media_type", "tool_choice", "response_format", "json_schema", "schema", "thinking", "signature"),
        *("choices", "delta", "index", "finish_reason", "usage", "output", "candidates", "parts", "error", "message"),
        *("stopReason", "contentBlockIndex", "toolUse", "start", "stop", "temperature", "n", "reasoning", "embedding"),
        *(
            "prompt_tokens",
            "input_tokens",
            "completion_tokens_details",
            "content_block",
            "partial_json",
            "functionCall",
        ),
    ]
)
WORDS = st.sampled_from(
    [
        *("user", "assistant", "system", "tool", "function", "text", "image_url", "tool_use", "tool_result", "image"),
        *("thinking", "message", "function_call", "function_call_output", "input_text", "smart", "auto", "json_schema"),
        *("message_start", "content_block_start", "content_block_delta", "text_delta", "message_delta", "message_stop"),
        *("input_json_delta", "message-start", "message-end", "content-delta", "tool-call-start", "stop", "STOP", "{}"),
        *("data:image/png;base64,AAAA", "https://x/y.png", "base64", "url", "end_turn", "", "\u0000", "é🙂"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | WORDS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=25
)
BODIES = st.dictionaries(KEYS, VALUES, max_size=8).map(lambda body: json.dumps(body).encode()) | st.binary(max_size=80)
# A request that every reader accepts, with something foreign laid over it.
SEED = {
    "model": "smart",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
    "input": "hi",
    "documents": ["a"],
    "query": "q",
    "stream": True,
}
EVENT_NAMES = st.sampled_from(
    ["messageStart", "contentBlockStart", "contentBlockDelta", "messageStop", "metadata", "chunk"]
)


def open_exchange(client: ClientFormat, backend: BackendFormat) -> Exchange:
    return Exchange(client, Backend(format=backend, model="m"), clock=lambda: 1.0, new_id=lambda: "1")


def check_refusal(client: ClientFormat, refusal: Refusal) -> None:
    body = json.loads(refusal.body)
    assert 400 <= refusal.status < 600
    if client is ClientFormat.RERANK:
        assert isinstance(body["message"], str)
    else:
        assert isinstance(body["error"]["message"], str)
        assert isinstance(body["error"]["type"], str)


@settings(max_examples=300 * FACTOR, deadline=None)
@given(st.sampled_from(PAIRS), BODIES)
def test_any_request(pair, body):
    client, backend = pair
    made = open_exchange(client, backend).convert_request(body)
    if isinstance(made, Refusal):
        check_refusal(client, made)
    else:
        json.loads(made.body)
        assert made.path.startswith("/")
        assert "\n" not in made.path


@settings(max_examples=300 * FACTOR, deadline=None)
@given(st.sampled_from(PAIRS), st.dictionaries(KEYS, VALUES, max_size=5))
def test_any_field_over_a_valid_request(pair, more):
    client, backend = pair
    made = open_exchange(client, backend).convert_request(json.dumps(SEED | more).encode())
    if isinstance(made, Refusal):
        check_refusal(client, made)
    else:
        json.loads(made.body)


def render_stream(backend: BackendFormat, items: list[tuple[str, bytes]]) -> bytes:
    if backend in (BackendFormat.AWS_BEDROCK, BackendFormat.AWS_ANTHROPIC):
        return b"".join(encode_frame({":event-type": name, ":message-type": "event"}, body) for name, body in items)
    return b"".join(b"data: " + body.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n\n" for _, body in items)


STREAMS = st.lists(st.tuples(EVENT_NAMES, BODIES), max_size=8)


def ends_well(client: ClientFormat, text: bytes) -> bool:
    """Each event is whole and the last one is an end that the client's library knows."""
    events = SseDecoder().feed(text)
    assert text.endswith(b"\n\n")
    for _, payload in events:
        if payload != b"[DONE]":
            json.loads(payload)
    if client is ClientFormat.CHAT:
        return events[-1][1] == b"[DONE]"
    kinds = {"message_stop", "error", "response.completed", "response.incomplete", "response.failed"}
    return json.loads(events[-1][1])["type"] in kinds


CHAT_CLIENTS = (ClientFormat.CHAT, ClientFormat.RESPONSES, ClientFormat.MESSAGES)
TRANSLATED = [pair for pair in PAIRS if pair[0] in CHAT_CLIENTS and find_conversion(*pair).__name__ == "ChatConversion"]


@settings(max_examples=300 * FACTOR, deadline=None)
@given(st.sampled_from(TRANSLATED), STREAMS, st.integers(1, 40))
def test_any_stream(pair, items, size):
    client, backend = pair
    text = render_stream(backend, items)
    whole = _stream(client, backend, [text])
    assert whole == _stream(client, backend, [text[at : at + size] for at in range(0, len(text), size)])
    assert ends_well(client, whole)


@settings(max_examples=100 * FACTOR, deadline=None)
@given(st.sampled_from(PAIRS), st.lists(st.binary(max_size=60), max_size=6), st.sampled_from([200, 429, 500]))
def test_any_answer_bytes(pair, chunks, status):
    client, backend = pair
    for streamed in (False, True):
        exchange = open_exchange(client, backend)
        exchange.convert_request(json.dumps(SEED | {"stream": streamed}).encode())
        exchange.start_response(status, [("content-type", "text/event-stream" if streamed else "application/json")])
        for chunk in chunks:
            exchange.feed(chunk)
        exchange.finish()
        assert exchange.finish() == b""


@settings(max_examples=200 * FACTOR, deadline=None)
@given(st.sampled_from(PAIRS), BODIES)
def test_any_json_answer(pair, body):
    client, backend = pair
    exchange = open_exchange(client, backend)
    exchange.convert_request(json.dumps(SEED | {"stream": False}).encode())
    exchange.start_response(200, [("content-type", "application/json")])
    exchange.feed(body)
    exchange.finish()
    assert exchange.status in (200, 502)


def _stream(client: ClientFormat, backend: BackendFormat, chunks: list[bytes]) -> bytes:
    exchange = open_exchange(client, backend)
    exchange.convert_request(json.dumps(SEED).encode())
    kind = "application/vnd.amazon.eventstream" if "AWS" in backend.value else "text/event-stream"
    exchange.start_response(200, [("content-type", kind)])
    return b"".join([*[exchange.feed(chunk) for chunk in chunks], exchange.finish()])


LINES = st.lists(
    st.sampled_from(
        ["data: a", "data:b", "data", "event: x", ": c", "", "id: 1", "data:  two", "data: é🙂", "retry: 5"]
    ),
    max_size=12,
)


def read_events(text: str) -> list[tuple[str, bytes]]:
    """The specification's algorithm, line by line."""
    events, name, lines = [], "", []
    for line in [*text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]:
        if not line:
            if lines:
                events.append((name, "\n".join(lines).encode()))
            name, lines = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            lines.append(value)
        elif field == "event":
            name = value
    return events


@settings(max_examples=200 * FACTOR, deadline=None)
@given(
    LINES, st.lists(st.sampled_from(["\n", "\r", "\r\n"]), min_size=12, max_size=12), st.integers(1, 9), st.booleans()
)
def test_sse_by_the_specification(lines, ends, size, mark):
    text = "".join(line + end for line, end in zip(lines, ends, strict=False))
    raw = (b"\xef\xbb\xbf" if mark else b"") + text.encode()
    decoder = SseDecoder()
    found = [event for at in range(0, len(raw), size) for event in decoder.feed(raw[at : at + size])]
    assert found + decoder.finish() == read_events(text)


HEADERS = st.dictionaries(st.text("abc:-", min_size=1, max_size=9), st.text(max_size=20), max_size=4)


@settings(max_examples=100 * FACTOR, deadline=None)
@given(st.lists(st.tuples(HEADERS, st.binary(max_size=50)), max_size=5), st.integers(1, 30))
def test_frames_by_botocore(frames, size):
    from botocore import eventstream

    raw = b"".join(encode_frame(headers, payload) for headers, payload in frames)
    oracle, decoder = eventstream.EventStreamBuffer(), FrameDecoder()
    ours, theirs = [], []
    for at in range(0, len(raw), size):
        oracle.add_data(raw[at : at + size])
        theirs += [(event.headers, event.payload) for event in oracle]
        ours += [(frame.headers, frame.payload) for frame in decoder.feed(raw[at : at + size])]
    assert ours == theirs == frames
    assert not decoder.pending


@settings(max_examples=100 * FACTOR, deadline=None)
@given(HEADERS, st.binary(max_size=50), st.data())
def test_a_changed_frame_is_found(headers, payload, data):
    frame = bytearray(encode_frame(headers, payload))
    at = data.draw(st.integers(0, len(frame) - 1))
    frame[at] ^= data.draw(st.integers(1, 255))
    decoder = FrameDecoder()
    try:
        assert decoder.feed(bytes(frame)) == []
    except FramingFault:
        return
    assert decoder.pending


@settings(max_examples=60 * FACTOR, deadline=None)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3), st.integers(1, 50))
def test_gzip_in_any_chunks(members, size):
    raw = b""
    for member in members:
        engine = zlib.compressobj(wbits=31)
        raw += engine.compress(member) + engine.flush()
    decoder = Decompressor("gzip")
    assert b"".join(decoder.feed(raw[at : at + size]) for at in range(0, len(raw), size)) == b"".join(members)


@settings(max_examples=60 * FACTOR, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_gzip_of_anything(chunks):
    decoder = Decompressor("gzip")
    try:
        for chunk in chunks:
            decoder.feed(chunk)
    except FramingFault:
        return


PAIR_LISTS = st.lists(st.tuples(st.sampled_from(["model", "stream_options", "x", 'q"\\', "é"]), VALUES), max_size=6)
SPACES = st.sampled_from(["", " ", "\n  ", "\t"])


@settings(max_examples=300 * FACTOR, deadline=None)
@given(PAIR_LISTS, SPACES, SPACES, st.booleans())
def test_rewriting_touches_nothing_else(pairs, before, after, include_usage):
    rendered = [f"{before}{json.dumps(name)}{after}:{before}{json.dumps(value)}{after}" for name, value in pairs]
    body = (before + "{" + ",".join(rendered) + before + "}" + after).encode()
    spans = find_spans(body)
    assert [(name, json.loads(body[start:end])) for name, start, end in spans] == pairs
    changed = rewrite_top_level(body, model="new", include_usage=include_usage)
    found = json.loads(changed, object_pairs_hook=Pairs).pairs
    expected = []
    for name, value in pairs:
        if name == "model":
            expected.append((name, "new"))
        elif name == "stream_options" and include_usage:
            expected.append((name, (value if isinstance(value, dict) else {}) | {"include_usage": True}))
        else:
            expected.append((name, value))
    if include_usage and not any(name == "stream_options" for name, _ in pairs):
        expected.append(("stream_options", {"include_usage": True}))
    assert [(name, _as_dicts(value)) for name, value in found] == expected
    if not include_usage and not any(name == "model" for name, _ in pairs):
        assert changed == body


class Pairs:
    """An object with its repeated keys."""

    def __init__(self, pairs):
        self.pairs = pairs


def _as_dicts(value):
    if isinstance(value, Pairs):
        return {name: _as_dicts(inner) for name, inner in value.pairs}
    return [_as_dicts(item) for item in value] if isinstance(value, list) else value


@settings(max_examples=100 * FACTOR, deadline=None)
@given(st.binary(max_size=60))
def test_rewriting_anything(body):
    try:
        changed = rewrite_top_level(body, model="m", include_usage=True)
    except Refused:
        return
    json.loads(changed)


@settings(max_examples=40 * FACTOR, deadline=None)
@given(st.sampled_from(PAIRS), st.integers(100, 3000))
def test_deep_nesting(pair, depth):
    client, backend = pair
    assume(find_conversion(client, backend).__name__ != "Relay")
    body = json.dumps(SEED)[:-1] + ',"metadata":' + '{"a":[' * depth + "]}" * depth + "}"
    made = open_exchange(client, backend).convert_request(body.encode())
    if isinstance(made, Refusal):
        check_refusal(client, made)
