"""Framing, event order, the weather that can be ordered, usage, and bytes of any kind."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st
from provider_asking import CHAT_PATHS, VERTEX, Client

from anygate.stubs import VENDORS, RequestRecord, StubSet, StubSpec, Vendor
from anygate.stubs.orders import NO_ORDERS
from anygate.stubs.providers import ProviderStub
from anygate.stubs.providers.completion import complete, split_text
from anygate.stubs.providers.framing import frame_aws_event, spoil_message
from anygate.stubs.providers.openai.multipart import read_form
from anygate.stubs.providers.prompt import Prompt
from anygate.stubs.providers.provider import LARGEST_BODY
from anygate.stubs.providers.schema_value import make_value
from anygate.stubs.providers.signature import is_sealed, is_signed, seal, sign
from anygate.stubs.providers.tokens import PrefixCache, Segment, count_tokens

pytestmark = pytest.mark.anyio

TURNS: Any = [{"role": "user", "content": "hello"}]
STREAMS: dict[Vendor, tuple[str, Any]] = {
    "openai": (CHAT_PATHS["openai"], {"model": "m", "messages": TURNS, "stream": True}),
    "azure-openai": (CHAT_PATHS["azure-openai"], {"model": "m", "messages": TURNS, "stream": True}),
    "anthropic": (CHAT_PATHS["anthropic"], {"model": "m", "max_tokens": 99, "messages": TURNS, "stream": True}),
    "aws-bedrock": ("/model/m/converse-stream", {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}),
    "gemini": ("/v1beta/models/m:streamGenerateContent?alt=sse", {"contents": [{"parts": [{"text": "hello"}]}]}),
    "vertex-ai": (
        f"{VERTEX}/google/models/m:streamGenerateContent?alt=sse",
        {"contents": [{"parts": [{"text": "hello"}]}]},
    ),
    "cohere": (CHAT_PATHS["cohere"], {"model": "m", "messages": TURNS, "stream": True}),
    "ollama": (CHAT_PATHS["ollama"], {"model": "m", "messages": TURNS}),
}


def read_sse(body: bytes) -> list[Any]:
    lines = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def read_messages(body: bytes) -> list[tuple[dict[str, str], Any]]:
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    return [(event.headers, json.loads(event.payload)) for event in buffer]


@pytest.mark.parametrize("vendor", VENDORS)
def test_ordered_chunks_are_counted(vendor: Vendor) -> None:
    path, body = STREAMS[vendor]
    few = Client(vendor).ask(path, body, x_stub_chunks="3")
    many = Client(vendor).ask(path, body, x_stub_chunks="100")
    assert len(many.parts) - len(few.parts) == 97
    assert many.parts == Client(vendor).ask(path, body, x_stub_chunks="100").parts


@pytest.mark.parametrize("vendor", VENDORS)
def test_bad_weather(vendor: Vendor) -> None:
    path, body = STREAMS[vendor]
    client, long = Client(vendor), {"x_stub_chunks": "5"}
    whole = client.ask(path, body, **long)
    assert not whole.is_cut
    cut = client.ask(path, body, **long, x_stub_cut="2")
    assert cut.is_cut
    assert cut.parts == whole.parts[:2]
    torn = client.ask(path, body, **long, x_stub_cut="2", x_stub_garbage="1")
    assert torn.parts[:2] == whole.parts[:2]
    assert whole.parts[2].startswith(torn.parts[2])
    assert torn.parts[2] != whole.parts[2]
    failed = client.ask(path, body, **long, x_stub_fail="2")
    assert failed.parts[:2] == whole.parts[:2]
    assert b"error" in failed.parts[2].lower()
    spoiled = client.ask(path, body, **long, x_stub_garbage="1")
    assert len(spoiled.parts) == len(whole.parts) + 1


@pytest.mark.parametrize("vendor", VENDORS)
def test_unary_can_be_cut(vendor: Vendor) -> None:
    body = {key: value for key, value in STREAMS[vendor][1].items() if key != "stream"}
    if vendor == "ollama":
        body["stream"] = False
    whole = Client(vendor).ask(None, body)
    assert whole.status == 200
    cut = Client(vendor).ask(None, body, x_stub_cut="1")
    assert cut.is_cut
    assert whole.body.startswith(cut.body)
    with pytest.raises(ValueError):
        Client(vendor).ask(None, body, x_stub_garbage="1").json  # noqa: B018 - it must not parse


def test_openai_stream_order() -> None:
    path, body = STREAMS["openai"]
    asked = Client("openai").ask(path, {**body, "stream_options": {"include_usage": True}})
    assert asked.parts[-1] == b"data: [DONE]\n\n"
    events = read_sse(asked.body)
    assert all(event["usage"] is None for event in events[:-1])
    assert (events[-1]["choices"], events[-1]["usage"]["total_tokens"]) == ([], 6)
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert "usage" not in read_sse(Client("openai").ask(path, body).body)[-1]


def test_anthropic_stream_order() -> None:
    path, body = STREAMS["anthropic"]
    events = read_sse(Client("anthropic").ask(path, body, x_stub_chunks="1").body)
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[0]["message"]["usage"]["input_tokens"] == 2
    assert events[-2]["usage"]["output_tokens"] == 4


def test_bedrock_stream_order() -> None:
    path, body = STREAMS["aws-bedrock"]
    asked = Client("aws-bedrock").ask(path, body, x_stub_chunks="1")
    assert asked.headers["content-type"] == "application/vnd.amazon.eventstream"
    messages = read_messages(asked.body)
    kinds = ["messageStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"]
    assert [headers[":event-type"] for headers, _ in messages] == kinds
    assert messages[-1][1]["usage"] == {"inputTokens": 2, "outputTokens": 4, "totalTokens": 6}
    failed = read_messages(Client("aws-bedrock").ask(path, body, x_stub_fail="1").body)
    assert failed[-1][0][":exception-type"] == "modelStreamErrorException"


def test_event_stream_checksums() -> None:
    [(headers, payload)] = read_messages(frame_aws_event("metadata", {"a": 1}))
    assert (headers[":event-type"], payload) == ("metadata", {"a": 1})
    with pytest.raises(ChecksumMismatch):
        read_messages(spoil_message())


def test_gemini_streams_as_events_and_as_an_array() -> None:
    path, body = STREAMS["gemini"]
    events = read_sse(Client("gemini").ask(path, body, x_stub_chunks="3").body)
    array = Client("gemini").ask(path.partition("?")[0], body, x_stub_chunks="3").json
    texts = [[each["candidates"][0]["content"]["parts"][0]["text"] for each in answers] for answers in (events, array)]
    assert texts[0] == texts[1] == ["You s", "aid: ", "hello"]
    assert [each["candidates"][0].get("finishReason") for each in array] == [None, None, "STOP"]
    assert array[-1]["usageMetadata"]["totalTokenCount"] == 6


def test_cached_tokens() -> None:
    client = Client("openai")
    long = "x" * 8192
    body = {"model": "m", "messages": [{"role": "system", "content": long}, {"role": "user", "content": "one"}]}
    cached = [client.ask(None, body).json["usage"]["prompt_tokens_details"]["cached_tokens"] for _ in range(2)]
    assert cached == [0, 2049]
    bedrock = Client("aws-bedrock")
    marked = {
        "system": [{"text": "y" * 40}, {"cachePoint": {"type": "default"}}],
        "messages": [{"role": "user", "content": [{"text": "abcd"}]}],
    }
    first, second = (bedrock.ask(None, marked).json["usage"] for _ in range(2))
    assert (first["inputTokens"], first["cacheReadInputTokens"], first["cacheWriteInputTokens"]) == (1, 0, 10)
    assert (second["inputTokens"], second["cacheReadInputTokens"], second["cacheWriteInputTokens"]) == (1, 10, 0)


def test_prefix_cache_is_per_model_and_bounded() -> None:
    cache = PrefixCache()
    segments = [Segment("user", "abcd", 1, is_marked=True), Segment("user", "x", 1)]
    assert cache.measure("a", segments).written == 1
    assert cache.measure("b", segments).read == 0
    assert cache.measure("a", segments).read == 1
    for number in range(1000):
        cache.measure("c", [Segment("user", str(number), 1, is_marked=True)])
    assert cache.measure("a", segments).read == 0


def test_signatures() -> None:
    assert is_signed("thought", sign("thought"))
    assert not is_signed("thought!", sign("thought"))
    assert is_sealed(seal("thought"))
    assert not is_sealed("AAAA")


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "object", "properties": {"a": {"enum": [3]}}}, {"a": 3}),
        ({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}, {"a": "some a"}),
        ({"$ref": "#/$defs/N", "$defs": {"N": {"type": ["null", "integer"], "minimum": 7}}}, 7),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [True, True]),
        ({"anyOf": [{"const": "x"}, {"type": "null"}]}, "x"),
        ({"type": "string", "format": "date", "maxLength": 4}, "2024"),
        ({"allOf": [{"properties": {"a": {"type": "null"}}}]}, {"a": None}),
        (5, {}),
    ],
)
def test_values_for_schemas(schema: Any, value: Any) -> None:
    assert make_value(schema) == value


def test_schemas_that_contain_themselves_end() -> None:
    node: Any = {"type": "object", "properties": {"next": {"$ref": "#"}, "v": {"type": "integer"}}, "required": ["v"]}
    assert make_value(node)["next"]["next"]["v"] == 1
    assert make_value({"$ref": "#"}) is not None


def test_which_tools_are_called() -> None:
    prompt = Prompt("m")
    for name in ("a", "b", "c.d"):
        prompt.offer(name, "", {})
    prompt.say("Please call a, b and c.d.")
    assert [call.name for call in complete(prompt, NO_ORDERS).calls] == ["a", "b", "c.d"]
    prompt.is_parallel = False
    assert [call.name for call in complete(prompt, NO_ORDERS).calls] == ["a"]
    prompt.choice = "none"
    assert complete(prompt, NO_ORDERS).calls == ()


@given(text=st.text(), chunks=st.none() | st.integers(1, 50))
def test_split_text_loses_nothing(text: str, chunks: int | None) -> None:
    pieces = list(split_text(text, chunks))
    assert "".join(pieces) == text
    assert all(pieces)
    assert count_tokens(text) * 4 >= len(text)


PATHS: list[tuple[Vendor, str]] = [
    *CHAT_PATHS.items(),
    *((vendor, path) for vendor, (path, _) in STREAMS.items()),
    ("openai", "/v1/responses"),
    ("openai", "/v1/responses/input_tokens"),
    ("openai", "/v1/completions"),
    ("openai", "/v1/embeddings"),
    ("openai", "/v1/images/generations"),
    ("openai", "/v1/audio/speech"),
    ("openai", "/v1/audio/transcriptions"),
    ("anthropic", "/v1/messages/count_tokens"),
    ("aws-bedrock", "/model/anthropic.claude-x/invoke"),
    ("aws-bedrock", "/model/anthropic.claude-x/invoke-with-response-stream"),
    ("aws-bedrock", "/model/amazon.titan-embed-text-v2:0/invoke"),
    ("aws-bedrock", "/model/m/count-tokens"),
    ("gemini", "/v1beta/models/m:countTokens"),
    ("gemini", "/v1beta/models/m:embedContent"),
    ("gemini", "/v1beta/models/m:batchEmbedContents"),
    ("vertex-ai", f"{VERTEX}/google/models/text-embedding-005:predict"),
    ("vertex-ai", f"{VERTEX}/anthropic/models/claude-x:rawPredict"),
    ("vertex-ai", f"{VERTEX}/anthropic/models/claude-x:streamRawPredict"),
    ("cohere", "/v2/rerank"),
    ("cohere", "/v2/embed"),
    ("ollama", "/v1/chat/completions"),
]
CLIENTS = {vendor: Client(vendor) for vendor in VENDORS}
NAMES = (
    *("model", "messages", "role", "content", "type", "text", "input", "prompt", "contents", "parts", "tools"),
    *("name", "max_tokens", "system", "tool_choice", "stream", "stop", "schema", "function", "parameters"),
    *("inferenceConfig", "toolConfig", "toolUse", "toolResult", "image", "source", "bytes", "thinking"),
    *("query", "documents", "input_type", "texts", "functionCall", "functionResponse", "generationConfig"),
    *("anthropic_version", "system_instruction", "a_b"),
)
KEYS = st.sampled_from(NAMES)
WORDS = st.sampled_from(["user", "assistant", "tool", "text", "function", "bedrock-2023-05-31", "auto", "m", "", "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5000) | st.floats(allow_nan=False) | WORDS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(path=st.sampled_from(PATHS), body=st.binary(max_size=200))
def test_any_bytes_are_answered(path: tuple[Vendor, str], body: bytes) -> None:
    asked = CLIENTS[path[0]].ask(path[1], body, content_type="multipart/form-data; boundary=b")
    assert 200 <= asked.status < 500


@settings(max_examples=500, deadline=None)
@given(path=st.sampled_from(PATHS), body=VALUES)
def test_any_json_is_answered(path: tuple[Vendor, str], body: Any) -> None:
    assert 200 <= CLIENTS[path[0]].ask(path[1], body).status < 500


@given(st.binary(max_size=300), st.sampled_from(["", "multipart/form-data", "multipart/form-data; boundary=b"]))
def test_any_form_is_read(body: bytes, kind: str) -> None:
    read_form(kind, body)
    read_form(kind, b"--b\r\n" + body + b"\r\n--b--")


async def test_over_http2_with_the_body_in_the_log(tmp_path: Path) -> None:
    arrivals: list[RequestRecord] = []
    async with StubSet(tmp_path, on_request=arrivals.append, is_open=True) as stubs:
        spec = StubSpec("llm", "ai", vendor="anthropic")
        socket = str((await stubs.ensure([spec]))[spec]).removeprefix("unix:")
        transport = httpx2.AsyncHTTPTransport(uds=socket, http1=False, http2=True)
        async with httpx2.AsyncClient(transport=transport, base_url="http://llm") as http:
            path, body = STREAMS["anthropic"]
            headers = {"anthropic-version": "2023-06-01"}
            whole = await http.post(path, json=body, headers=headers)
            assert read_sse(whole.content)[-1]["type"] == "message_stop"
            assert whole.headers["x-stub-backend"] == "llm.ai"
            with pytest.raises(httpx2.RemoteProtocolError):
                await http.post(path, json=body, headers={**headers, "x-stub-cut": "2"})
            # The connection survives: only the stream was reset.
            assert (await http.get("/v1/models", headers=headers)).status_code == 200
    assert json.loads(arrivals[0].body) == body
    assert arrivals[0].body_bytes == len(arrivals[0].body)
    assert [record.path for record in arrivals] == [path, path, "/v1/models"]


async def test_long_bodies_are_refused_and_logged_in_part(tmp_path: Path) -> None:
    stub = ProviderStub("openai", "llm", "ai", is_open=True)
    await stub.start(tmp_path / "llm.sock")
    transport = httpx2.AsyncHTTPTransport(uds=str(tmp_path / "llm.sock"))
    async with httpx2.AsyncClient(transport=transport, base_url="http://llm") as http:
        refused = await http.post("/v1/chat/completions", content=b" " * (LARGEST_BODY + 1))
    assert refused.status_code == 413
    assert stub.records[0].body_bytes == LARGEST_BODY + 1
    assert len(stub.records[0].body) == 262_144
    await stub.stop()


def test_json_that_breaks_behind_an_unknown_name_is_refused() -> None:
    asked = CLIENTS["gemini"].ask("/v1beta/models/gemini-2.5-flash:generateContent", b'{" _ ":')
    assert asked.status == 400
