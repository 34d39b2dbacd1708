"""What the conversions write is what the vendors' own libraries accept, over every wire case."""

import json
import re
import sys
from base64 import b64decode
from importlib import import_module
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "wire"))
from wire_case import HERE, find_cases

from anygate.providers.framing import SseDecoder

CASES = find_cases()


def load(folder: Path, name: str):
    return json.loads((folder / name).read_text())


def upstream_path(folder: Path) -> str:
    return load(folder, "upstream.json")["path"] if (folder / "upstream.json").exists() else ""


def cases(pattern: str, needed: str, operation: str = ".*"):
    """The cases of a pair that have the file and ask the backend for the operation."""
    found = [
        folder
        for folder in CASES
        if Path(folder.parent.name).match(pattern)
        and (folder / needed).exists()
        and re.search(operation, upstream_path(folder))
    ]
    assert found, pattern
    return pytest.mark.parametrize("folder", found, ids=lambda path: str(path.relative_to(HERE)))


def stream_events(folder: Path) -> list[dict]:
    events = SseDecoder().feed((folder / "client.sse").read_bytes())
    return [json.loads(payload) for _, payload in events if payload != b"[DONE]"]


@cases("chat_to_*", "client.json")
def test_openai_answers(folder):
    chat = import_module("openai.types.chat")
    answer = load(folder, "client.json")
    if answer["status"] == 200:
        chat.ChatCompletion.model_validate(answer["body"], strict=True)


@cases("chat_to_*", "client.sse")
def test_openai_chunks(folder):
    chat = import_module("openai.types.chat")
    for event in stream_events(folder):
        if "error" not in event:
            chat.ChatCompletionChunk.model_validate(event, strict=True)


@cases("responses_to_*", "client.json")
def test_response_objects(folder):
    responses = import_module("openai.types.responses")
    answer = load(folder, "client.json")
    if answer["status"] == 200 and not folder.parent.name.endswith("azure"):
        responses.Response.model_validate(answer["body"])


@cases("responses_to_*", "client.sse", "^(?!/openai/responses)")
def test_response_events(folder):
    responses = import_module("openai.types.responses")
    adapter = import_module("pydantic").TypeAdapter(responses.ResponseStreamEvent)
    events = stream_events(folder)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    for event in events:
        adapter.validate_python(event)


@cases("messages_to_*", "client.json")
def test_messages(folder):
    types = import_module("anthropic.types")
    answer = load(folder, "client.json")
    if answer["status"] == 200:
        types.Message.model_validate(answer["body"], strict=True)


@cases("messages_to_*", "client.sse")
def test_message_events(folder):
    types = import_module("anthropic.types")
    adapter = import_module("pydantic").TypeAdapter(types.RawMessageStreamEvent)
    open_block, index = None, -1
    for event in stream_events(folder):
        if event["type"] in ("ping", "error"):
            continue
        adapter.validate_python(event)
        if event["type"] == "content_block_start":
            assert open_block is None
            assert event["index"] == index + 1
            open_block = index = event["index"]
        elif event["type"] == "content_block_delta":
            assert event["index"] == open_block
        elif event["type"] == "content_block_stop":
            assert event["index"] == open_block
            open_block = None
        elif event["type"] == "message_stop":
            assert open_block is None


def decode_blobs(value, shape):
    """The SDK takes bytes where the wire has base64."""
    if getattr(shape, "is_document_type", False):
        return value
    if shape.type_name == "structure":
        assert set(value) <= set(shape.members), (set(value), shape.name)
        return {name: decode_blobs(inner, shape.members[name]) for name, inner in value.items()}
    if shape.type_name == "list":
        return [decode_blobs(inner, shape.member) for inner in value]
    return b64decode(value, validate=True) if shape.type_name == "blob" else value


@cases("*_to_bedrock", "upstream.json", "/converse(-stream)?$")
def test_converse_requests(folder):
    session = import_module("botocore.session")
    validate = import_module("botocore.validate")
    upstream = load(folder, "upstream.json")
    service = session.get_session().get_service_model("bedrock-runtime")
    shape = service.operation_model("Converse").input_shape
    body = decode_blobs({"modelId": "m", **upstream["body"]}, shape)
    report = validate.ParamValidator().validate(body, shape)
    assert not report.has_errors(), report.generate_report()


@cases("*_to_gemini", "upstream.json", "(?i)generateContent")
def test_gemini_requests(folder):
    types = import_module("google.genai.types")
    upstream = load(folder, "upstream.json")
    body = upstream["body"]
    known = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings"}
    assert set(body) <= known
    for content in body["contents"]:
        types.Content.model_validate(content)
    for tool in body.get("tools", []):
        types.Tool.model_validate(tool)
    types.GenerationConfig.model_validate(body.get("generationConfig", {}))
    types.ToolConfig.model_validate(body.get("toolConfig", {}))


@cases("*_to_*anthropic", "upstream.json", "^(?!.*count.tokens)")
def test_anthropic_requests(folder):
    params = import_module("anthropic.types.message_create_params")
    pydantic = import_module("pydantic")
    upstream = load(folder, "upstream.json")
    body = {"model": "m", **upstream["body"]}
    sampling = {"temperature", "top_p", "top_k"}
    hosting = {"anthropic_version", "anthropic_beta", "stream"}
    adapter = pydantic.TypeAdapter(params.MessageCreateParamsBase)
    adapter.validate_python({name: value for name, value in body.items() if name not in sampling | hosting})


@cases("*_to_openai", "upstream.json", "/chat/completions$")
def test_openai_requests(folder):
    params = import_module("openai.types.chat.completion_create_params")
    pydantic = import_module("pydantic")
    upstream = load(folder, "upstream.json")
    pydantic.TypeAdapter(params.CompletionCreateParamsBase).validate_python(upstream["body"])
