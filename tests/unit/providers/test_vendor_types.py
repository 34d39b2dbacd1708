"""What the conversions write is what the vendors' own libraries accept, over every wire case."""

import json
import sys
from base64 import b64decode
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "wire"))
from wire_case import HERE, find_cases

from anygate.providers.framing import SseDecoder

CASES = find_cases()


def load(folder: Path, name: str):
    path = folder / name
    if not path.exists():
        pytest.skip(f"{name} is not part of this case")
    return json.loads(path.read_text())


def cases(pattern: str):
    found = [folder for folder in CASES if Path(folder.parent.name).match(pattern)]
    return pytest.mark.parametrize("folder", found, ids=lambda path: str(path.relative_to(HERE)))


def stream_events(folder: Path) -> list[dict]:
    path = folder / "client.sse"
    if not path.exists():
        pytest.skip("not a stream")
    events = SseDecoder().feed(path.read_bytes())
    return [json.loads(payload) for _, payload in events if payload != b"[DONE]"]


@cases("chat_to_*")
def test_openai_answers(folder):
    chat = pytest.importorskip("openai.types.chat")
    answer = load(folder, "client.json")
    if answer["status"] == 200:
        chat.ChatCompletion.model_validate(answer["body"], strict=True)


@cases("chat_to_*")
def test_openai_chunks(folder):
    chat = pytest.importorskip("openai.types.chat")
    for event in stream_events(folder):
        if "error" not in event:
            chat.ChatCompletionChunk.model_validate(event, strict=True)


@cases("responses_to_*")
def test_response_objects(folder):
    responses = pytest.importorskip("openai.types.responses")
    answer = load(folder, "client.json")
    if answer["status"] == 200 and not folder.parent.name.endswith("azure"):
        responses.Response.model_validate(answer["body"])


@cases("responses_to_*")
def test_response_events(folder):
    responses = pytest.importorskip("openai.types.responses")
    adapter = pytest.importorskip("pydantic").TypeAdapter(responses.ResponseStreamEvent)
    events = stream_events(folder)
    if folder.parent.name.endswith("azure"):
        pytest.skip("passes through")
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    for event in events:
        adapter.validate_python(event)


@cases("messages_to_*")
def test_messages(folder):
    types = pytest.importorskip("anthropic.types")
    answer = load(folder, "client.json")
    if answer["status"] == 200:
        types.Message.model_validate(answer["body"], strict=True)


@cases("messages_to_*")
def test_message_events(folder):
    types = pytest.importorskip("anthropic.types")
    adapter = pytest.importorskip("pydantic").TypeAdapter(types.RawMessageStreamEvent)
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


@cases("*_to_bedrock")
def test_converse_requests(folder):
    session = pytest.importorskip("botocore.session")
    validate = pytest.importorskip("botocore.validate")
    upstream = load(folder, "upstream.json")
    if not upstream["path"].endswith(("/converse", "/converse-stream")):
        pytest.skip("another operation")
    service = session.get_session().get_service_model("bedrock-runtime")
    shape = service.operation_model("Converse").input_shape
    body = decode_blobs({"modelId": "m", **upstream["body"]}, shape)
    report = validate.ParamValidator().validate(body, shape)
    assert not report.has_errors(), report.generate_report()


@cases("*_to_gemini")
def test_gemini_requests(folder):
    types = pytest.importorskip("google.genai.types")
    upstream = load(folder, "upstream.json")
    if "generateContent" not in upstream["path"].replace("streamG", "g"):
        pytest.skip("another operation")
    body = upstream["body"]
    known = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings"}
    assert set(body) <= known
    for content in body["contents"]:
        types.Content.model_validate(content)
    for tool in body.get("tools", []):
        types.Tool.model_validate(tool)
    types.GenerationConfig.model_validate(body.get("generationConfig", {}))
    types.ToolConfig.model_validate(body.get("toolConfig", {}))


@cases("*_to_*anthropic")
def test_anthropic_requests(folder):
    params = pytest.importorskip("anthropic.types.message_create_params")
    pydantic = pytest.importorskip("pydantic")
    upstream = load(folder, "upstream.json")
    if upstream["path"].endswith(("count_tokens", "count-tokens", "count-tokens:rawPredict")):
        pytest.skip("another operation")
    body = {"model": "m", **upstream["body"]}
    sampling = {"temperature", "top_p", "top_k"}
    hosting = {"anthropic_version", "anthropic_beta", "stream"}
    adapter = pydantic.TypeAdapter(params.MessageCreateParamsBase)
    adapter.validate_python({name: value for name, value in body.items() if name not in sampling | hosting})


@cases("*_to_openai")
def test_openai_requests(folder):
    params = pytest.importorskip("openai.types.chat.completion_create_params")
    pydantic = pytest.importorskip("pydantic")
    upstream = load(folder, "upstream.json")
    if not upstream["path"].endswith("/chat/completions"):
        pytest.skip("another operation")
    pydantic.TypeAdapter(params.CompletionCreateParamsBase).validate_python(upstream["body"])
