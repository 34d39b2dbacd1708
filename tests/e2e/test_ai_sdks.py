"""The vendors' own SDKs as clients of `anygate run --stub examples/ai`: every client format to every provider."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import cohere
import httpx
import openai
import pytest
from running import Running, run_manifests

from anygate.stubs import RequestRecord

AI = Path(__file__).parents[2] / "examples" / "ai"
PORT = 1975
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
IMAGE = base64.b64encode(PNG).decode()
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
    "required": ["city"],
}
ARGUMENTS = {"city": "some city", "days": 2}
MODELS = {
    "gpt-4o": "openai",
    "claude-sonnet-5": "anthropic",
    "nova-pro": "bedrock",
    "gemini-2.5-flash": "vertex",
    "command-a-03-2025": "cohere",
}
PATHS = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "bedrock": "/model/us.amazon.nova-pro-v1:0/converse",
    "vertex": "/v1/projects/my-project/locations/us-central1/publishers/google/models/gemini-2.5-flash:generateContent",
    "cohere": "/v2/chat",
}
CLIENT_KEY = "the-clients-own-key"


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with run_manifests(path=AI, ports=(PORT,)) as running:
        yield running


@pytest.fixture(scope="module")
def gpt(gateway: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url(PORT)}/v1", api_key=CLIENT_KEY, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def claude(gateway: Running) -> Iterator[anthropic.Anthropic]:
    url = f"{gateway.url(PORT)}/anthropic"
    with anthropic.Anthropic(base_url=url, api_key=CLIENT_KEY, max_retries=0) as client:
        yield client


def asked(gateway: Running, service: str) -> RequestRecord:
    """The last request that a provider got; it never carries what the client had for a key."""
    record = gateway.await_request(lambda one: one.backend.partition(".")[0] == service)
    while not gateway.requests.empty():
        record = gateway.requests.get()
    assert record.backend.partition(".")[0] == service
    assert not any(CLIENT_KEY in value for _, value in record.headers)
    return record


def tool(name: str) -> Any:
    return {"type": "function", "function": {"name": name, "description": "d", "parameters": WEATHER}}


@pytest.mark.parametrize(("model", "service"), MODELS.items())
def test_chat(gateway: Running, gpt: openai.OpenAI, model: str, service: str) -> None:
    answer = gpt.chat.completions.create(
        model=model, messages=[{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]
    )
    assert answer.choices[0].message.content == "You said: hello"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert asked(gateway, service).path.partition("?")[0] == PATHS[service]


@pytest.mark.parametrize(("model", "service"), MODELS.items())
def test_chat_stream(gateway: Running, gpt: openai.OpenAI, model: str, service: str) -> None:
    stream = gpt.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "hello"}],
        stream=True,
        stream_options={"include_usage": True},
        extra_headers={"x-stub-chunks": "5"},
    )
    chunks = list(stream)
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert "".join(texts) == "You said: hello"
    assert len(texts) == 5
    assert chunks[0].choices[0].delta.role == "assistant"
    finishes = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert finishes[-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0
    asked(gateway, service)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "service"), MODELS.items())
def test_chat_tools(gateway: Running, gpt: openai.OpenAI, model: str, service: str, stream: bool) -> None:
    tools = [tool("get_weather"), tool("get_time")]
    messages: list[Any] = [{"role": "user", "content": "Please call get_weather and get_time."}]
    if stream:
        with gpt.chat.completions.stream(model=model, messages=messages, tools=tools) as events:
            message = events.get_final_completion().choices[0].message
    else:
        message = gpt.chat.completions.create(model=model, messages=messages, tools=tools).choices[0].message
    calls: Any = message.tool_calls
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    assert [json.loads(call.function.arguments) for call in calls] == [ARGUMENTS, ARGUMENTS]
    assert len({call.id for call in calls}) == 2
    kept = {"exclude_none": True, "include": {"role", "content", "tool_calls"}}
    answered = [{"role": "tool", "tool_call_id": call.id, "content": f"r{i}"} for i, call in enumerate(calls)]
    messages += [{"content": None, **message.model_dump(**kept)}, *answered]
    for call in messages[1]["tool_calls"]:
        call["function"].pop("parsed_arguments", None)
        call.pop("index", None)
    last = gpt.chat.completions.create(model=model, messages=messages, tools=tools)
    assert last.choices[0].message.content == "The tools answered: get_weather: r0; get_time: r1"
    asked(gateway, service)


@pytest.mark.parametrize(("model", "service"), [one for one in MODELS.items() if one[1] != "cohere"])
def test_chat_image(gateway: Running, gpt: openai.OpenAI, model: str, service: str) -> None:
    content: Any = [
        {"type": "text", "text": "what is it"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}},
    ]
    answer = gpt.chat.completions.create(model=model, messages=[{"role": "user", "content": content}])
    assert answer.choices[0].message.content
    assert "what is it" in answer.choices[0].message.content
    body = asked(gateway, service).body.decode()
    assert IMAGE in body.replace("\\/", "/")


@pytest.mark.parametrize(("model", "service"), MODELS.items())
def test_messages(gateway: Running, claude: anthropic.Anthropic, model: str, service: str) -> None:
    answer = claude.messages.create(
        model=model, max_tokens=64, system="be brief", messages=[{"role": "user", "content": "hello"}]
    )
    assert [block.text for block in answer.content if block.type == "text"] == ["You said: hello"]
    assert answer.stop_reason == "end_turn"
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0
    asked(gateway, service)


@pytest.mark.parametrize(("model", "service"), MODELS.items())
def test_messages_stream(gateway: Running, claude: anthropic.Anthropic, model: str, service: str) -> None:
    with claude.messages.stream(
        model=model,
        max_tokens=64,
        messages=[{"role": "user", "content": "hello"}],
        extra_headers={"x-stub-chunks": "4"},
    ) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 1
    assert [block.text for block in final.content if block.type == "text"] == ["You said: hello"]
    assert final.usage.output_tokens > 0
    asked(gateway, service)


@pytest.mark.parametrize(("model", "service"), MODELS.items())
def test_messages_tools(gateway: Running, claude: anthropic.Anthropic, model: str, service: str) -> None:
    tools: Any = [{"name": name, "description": "d", "input_schema": WEATHER} for name in ("get_weather", "get_time")]
    messages: list[Any] = [{"role": "user", "content": "Please call get_weather and get_time."}]
    answer = claude.messages.create(model=model, max_tokens=64, messages=messages, tools=tools)
    assert answer.stop_reason == "tool_use"
    uses = [block for block in answer.content if block.type == "tool_use"]
    assert [(use.name, use.input) for use in uses] == [("get_weather", ARGUMENTS), ("get_time", ARGUMENTS)]
    results = [{"type": "tool_result", "tool_use_id": use.id, "content": f"r{i}"} for i, use in enumerate(uses)]
    kept = [{"type": "tool_use", "id": use.id, "name": use.name, "input": use.input} for use in uses]
    messages += [{"role": "assistant", "content": kept}, {"role": "user", "content": results}]
    last = claude.messages.create(model=model, max_tokens=64, messages=messages, tools=tools)
    texts = [block.text for block in last.content if block.type == "text"]
    assert texts == ["The tools answered: get_weather: r0; get_time: r1"]
    asked(gateway, service)


@pytest.mark.parametrize(("model", "service"), MODELS.items())
def test_responses(gateway: Running, gpt: openai.OpenAI, model: str, service: str) -> None:
    answer = gpt.responses.create(model=model, input="hello", instructions="be brief")
    assert answer.output_text == "You said: hello"
    assert answer.status == "completed"
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0
    asked(gateway, service)


@pytest.mark.parametrize(("model", "service"), MODELS.items())
def test_responses_stream(gateway: Running, gpt: openai.OpenAI, model: str, service: str) -> None:
    with gpt.responses.stream(model=model, input="hello") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert final.output_text == "You said: hello"
    asked(gateway, service)


def test_embeddings(gateway: Running, gpt: openai.OpenAI) -> None:
    answer = gpt.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    assert [one.index for one in answer.data] == [0, 1]
    assert len(answer.data[0].embedding) > 0
    asked(gateway, "openai")


def test_rerank(gateway: Running) -> None:
    with httpx.Client() as transport:
        client = cohere.ClientV2(api_key=CLIENT_KEY, base_url=f"{gateway.url(PORT)}/cohere", httpx_client=transport)
        answer = client.rerank(model="rerank-v3.5", query="capital of France", documents=["Paris is it", "a cat"])
    assert sorted(one.index for one in answer.results) == [0, 1]
    asked(gateway, "cohere")


def test_models(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    wanted = ["gpt-4o", "gpt-4o-mini", "text-embedding-3-small", "claude-sonnet-5", "nova-pro"]
    wanted += ["command-a-03-2025", "rerank-v3.5"]
    assert [model.id for model in gpt.models.list()] == wanted
    assert [model.id for model in claude.models.list()] == wanted


def test_unknown_model(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        gpt.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": "hi"}])
    assert refused.value.code == "model_not_found"
    with pytest.raises(anthropic.NotFoundError) as denied:
        claude.messages.create(model="claude-9", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
    assert denied.value.body["error"]["type"] == "not_found_error"  # type: ignore[index]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_failover_to_azure(gateway: Running, gpt: openai.OpenAI, status: int, stream: bool) -> None:
    answer: Any = gpt.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "hello"}],
        stream=stream,
        extra_headers={"x-stub-status": str(status), "x-stub-for": "openai"},
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices) if stream else None
    assert (text or answer.choices[0].message.content) == "You said: hello"
    record = asked(gateway, "azure")
    assert record.path == "/openai/deployments/gpt-4o/chat/completions?api-version=2025-01-01-preview"
    assert ("api-key", "put-your-key-here") in record.headers
    assert "authorization" not in dict(record.headers)


def test_failover_across_formats(gateway: Running, claude: anthropic.Anthropic) -> None:
    answer = claude.messages.create(
        model="claude-sonnet-5",
        max_tokens=64,
        messages=[{"role": "user", "content": "hello"}],
        extra_headers={"x-stub-status": "529", "x-stub-for": "anthropic"},
    )
    assert answer.content[0].text == "You said: hello"  # type: ignore[union-attr]
    record = asked(gateway, "bedrock")
    assert record.path == "/model/us.anthropic.claude-sonnet-5-v1:0/invoke"
    headers = dict(record.headers)
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=put-your-key-id-here/")
    assert "x-api-key" not in headers


@pytest.mark.parametrize("model", [one for one in MODELS if one != "gpt-4o"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, openai.BadRequestError), (401, openai.AuthenticationError), (429, openai.RateLimitError)],
)
def test_errors_in_the_clients_format(gpt: openai.OpenAI, model: str, status: int, kind: type[Any]) -> None:
    with pytest.raises(kind) as refused:
        gpt.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "hi"}],
            extra_headers={"x-stub-status": str(status), "x-stub-for": "nova, bedrock, anthropic, vertex, cohere"},
        )
    body = refused.value.body
    assert isinstance(body, dict)
    assert body["message"]
    assert body["type"]


def test_stream_that_is_cut(gateway: Running, gpt: openai.OpenAI) -> None:
    stream = gpt.chat.completions.create(
        model="claude-sonnet-5",
        messages=[{"role": "user", "content": "hello"}],
        stream=True,
        extra_headers={"x-stub-chunks": "6", "x-stub-cut": "5"},
    )
    with pytest.raises(openai.APIError):
        list(stream)
    asked(gateway, "anthropic")
