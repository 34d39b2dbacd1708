"""The vendors' own SDKs as clients of the simulated providers: what they accept is what the vendors send."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, closing
from typing import Any

import anthropic
import boto3
import cohere
import httpx
import httpx2
import openai
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from google import genai
from google.genai import errors as genai_errors
from google.genai import types
from google.oauth2.credentials import Credentials

from anygate.stubs.providers import ProviderStub, Vendor

pytestmark = pytest.mark.anyio

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
IMAGE_URI = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
    "required": ["city"],
}
CLOCK: dict[str, Any] = {"type": "object", "properties": {}}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
CLAUDE = "claude-sonnet-5"
CLAUDE_ON_AWS = "anthropic.claude-sonnet-5-v1:0"
Start = Callable[..., Awaitable[tuple[ProviderStub, str]]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a provider on a free port; return it and its address."""
    async with AsyncExitStack() as stack:

        async def begin(vendor: Vendor, **options: Any) -> tuple[ProviderStub, str]:
            stub = ProviderStub(vendor, "llm", "ai", **options)
            host, port = await stub.listen()
            stack.push_async_callback(stub.stop, 0.2)
            return stub, f"http://{host}:{port}"

        yield begin


@pytest.fixture
async def openai_client(start: Start) -> AsyncIterator[openai.AsyncOpenAI]:
    _, url = await start("openai")
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
async def claude(start: Start) -> AsyncIterator[anthropic.AsyncAnthropic]:
    _, url = await start("anthropic")
    async with anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0) as client:
        yield client


def function(name: str, schema: dict[str, Any] = WEATHER) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": "d", "parameters": schema}}


async def test_openai_chat(openai_client: openai.AsyncOpenAI) -> None:
    answer = await openai_client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "hello"}], n=2, logprobs=True, top_logprobs=2
    )
    assert [choice.message.content for choice in answer.choices] == ["You said: hello", "You said: hello (2)"]
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 4 + 5)
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert "".join(token.token for token in logprobs.content) == "You said: hello"
    assert len(logprobs.content[0].top_logprobs) == 2


async def test_openai_chat_limits(openai_client: openai.AsyncOpenAI) -> None:
    said: Any = [{"role": "user", "content": "one two three"}]
    short = await openai_client.chat.completions.create(model="gpt-4o", messages=said, max_completion_tokens=2)
    assert (short.choices[0].finish_reason, short.choices[0].message.content) == ("length", "You said")
    stopped = await openai_client.chat.completions.create(model="gpt-4o", messages=said, stop=["three", "two"])
    assert (stopped.choices[0].finish_reason, stopped.choices[0].message.content) == ("stop", "You said: one ")


async def test_openai_chat_stream(openai_client: openai.AsyncOpenAI) -> None:
    stream = await openai_client.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "hello"}],
        stream=True,
        stream_options={"include_usage": True},
        extra_headers={"x-stub-chunks": "5"},
    )
    chunks = [chunk async for chunk in stream]
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(texts) == 5
    assert "".join(texts) == "You said: hello"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 6


async def test_openai_tools(openai_client: openai.AsyncOpenAI) -> None:
    tools: Any = [function("get_weather"), function("get_time", CLOCK)]
    messages: Any = [{"role": "user", "content": "Please call get_weather and get_time."}]
    answer = await openai_client.chat.completions.create(model="gpt-4o", messages=messages, tools=tools)
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls"
    calls: Any = message.tool_calls
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    assert json.loads(calls[0].function.arguments) == {"city": "some city", "days": 2}
    messages += [message.model_dump(exclude_none=True, exclude={"annotations"})]
    messages += [{"role": "tool", "tool_call_id": call.id, "content": f"r{i}"} for i, call in enumerate(calls)]
    last = await openai_client.chat.completions.create(model="gpt-4o", messages=messages, tools=tools)
    assert last.choices[0].message.content == "The tools answered: get_weather: r0; get_time: r1"


async def test_openai_tool_stream(openai_client: openai.AsyncOpenAI) -> None:
    async with openai_client.chat.completions.stream(
        model="gpt-4o",
        messages=[{"role": "user", "content": "hi"}],
        tools=[function("get_weather"), function("get_time", CLOCK)],  # type: ignore[list-item]
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
    ) as stream:
        final = await stream.get_final_completion()
    calls: Any = final.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["get_weather"]
    assert json.loads(calls[0].function.arguments) == {"city": "some city", "days": 2}


async def test_openai_image_and_structure(openai_client: openai.AsyncOpenAI) -> None:
    content: Any = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": IMAGE_URI}}]
    seen = await openai_client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": content}])
    assert seen.choices[0].message.content == f"You said: see I received: image/png ({len(PNG)} bytes)."
    shape: Any = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
    made = await openai_client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "x"}], response_format=shape
    )
    assert json.loads(made.choices[0].message.content or "") == {"name": "some name", "age": 1}


async def test_openai_errors(openai_client: openai.AsyncOpenAI, start: Start) -> None:
    said: Any = [{"role": "user", "content": "x"}]
    create = openai_client.chat.completions.create
    with pytest.raises(openai.BadRequestError) as bad:
        await create(model="gpt-4o", messages=[{"role": "wizard", "content": "x"}])  # type: ignore[misc,list-item]
    assert bad.value.code == "invalid_value"
    assert bad.value.param == "messages[0].role"
    with pytest.raises(openai.NotFoundError):
        await create(model="no-such-model", messages=said)
    with pytest.raises(openai.RateLimitError) as limited:
        await create(model="gpt-4o", messages=said, extra_headers={"x-stub-status": "429"})
    assert limited.value.response.headers["retry-after"] == "1"
    _, url = await start("openai")
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="invalid-key", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.models.list()


async def test_openai_stream_breaks(openai_client: openai.AsyncOpenAI) -> None:
    async def read(**orders: str) -> None:
        headers = {f"x-stub-{name}": value for name, value in orders.items()}
        stream = await openai_client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "x"}], stream=True, extra_headers=headers
        )
        async for _ in stream:
            pass

    with pytest.raises(openai.APIConnectionError):
        await read(cut="2")
    with pytest.raises(json.JSONDecodeError):
        await read(garbage="1")
    with pytest.raises(openai.APIError, match="The server had an error"):
        await read(fail="2")
    with pytest.raises(openai.APIConnectionError):
        await read(reset="1")


async def test_openai_responses(openai_client: openai.AsyncOpenAI) -> None:
    tools: Any = [{"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": False}]
    items: Any = [{"role": "user", "content": [{"type": "input_text", "text": "call get_weather"}]}]
    first = await openai_client.responses.create(
        model="gpt-5",
        input=items,
        tools=tools,
        reasoning={"effort": "low", "summary": "auto"},
        include=["reasoning.encrypted_content"],
    )
    assert [item.type for item in first.output] == ["reasoning", "function_call"]
    items += [item.model_dump(exclude_none=True) for item in first.output]
    call: Any = first.output[1]
    items += [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}]
    second = await openai_client.responses.create(model="gpt-5", input=items, tools=tools)
    assert second.output_text == "The tools answered: get_weather: sunny"
    items[1]["encrypted_content"] = "changed"
    with pytest.raises(openai.BadRequestError) as changed:
        await openai_client.responses.create(model="gpt-5", input=items, tools=tools)
    assert changed.value.code == "invalid_encrypted_content"


async def test_openai_responses_stream(openai_client: openai.AsyncOpenAI) -> None:
    async with openai_client.responses.stream(model="gpt-5", input="hello", max_output_tokens=16) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert final.output_text == "You said: hello"
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-1] == "response.completed"
    counted = await openai_client.responses.input_tokens.count(model="gpt-5", input="hello")
    assert counted.input_tokens == 2


async def test_openai_other_endpoints(openai_client: openai.AsyncOpenAI) -> None:
    legacy = await openai_client.completions.create(model="gpt-3.5-turbo-instruct", prompt=["a", "b"], max_tokens=8)
    assert [choice.text for choice in legacy.choices] == ["You said: a", "You said: b"]
    vectors = await openai_client.embeddings.create(model="text-embedding-3-small", input=["a", "b"], dimensions=8)
    assert [len(item.embedding) for item in vectors.data] == [8, 8]
    floats = await openai_client.embeddings.create(
        model="text-embedding-3-small", input="a", dimensions=8, encoding_format="float"
    )
    assert floats.data[0].embedding == pytest.approx(vectors.data[0].embedding, abs=1e-6)
    drawn = await openai_client.images.generate(model="gpt-image-1", prompt="a cat", n=2)
    assert base64.b64decode((drawn.data or [])[1].b64_json or "").startswith(b"\x89PNG")
    speech = await openai_client.audio.speech.create(model="tts-1", voice="alloy", input="hi", response_format="wav")
    assert speech.content.startswith(b"RIFF")
    heard = await openai_client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFFxxxx"))
    assert heard.text.startswith("Heard a.wav: ")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        translated = await openai_client.audio.translations.create(model="whisper-1", file=("a.mp3", b"123"))
    assert translated.text.endswith("of 3 bytes.")
    assert "gpt-4o" in [model.id async for model in openai_client.models.list()]


async def test_azure(start: Start) -> None:
    stub, url = await start("azure-openai")
    said: Any = [{"role": "user", "content": "x"}]
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=url, api_key="k", api_version="2024-10-21", max_retries=0
    ) as client:
        answer = await client.chat.completions.create(model="my-gpt", messages=said)
        assert answer.choices[0].message.content == "You said: x"
        assert stub.records[-1].path == "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21"
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.chat.completions.create(model="no-such-deployment", messages=said)
        assert unknown.value.code == "DeploymentNotFound"


async def test_anthropic_messages(claude: anthropic.AsyncAnthropic) -> None:
    image: Any = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()},
    }
    answer = await claude.messages.create(
        model=CLAUDE,
        max_tokens=100,
        messages=[{"role": "user", "content": [image, {"type": "text", "text": "see"}]}],
    )
    block: Any = answer.content[0]
    assert block.text == f"You said: see I received: image/png ({len(PNG)} bytes)."
    assert (answer.stop_reason, answer.usage.input_tokens) == ("end_turn", 259)
    counted = await claude.messages.count_tokens(model=CLAUDE, messages=[{"role": "user", "content": "12345"}])
    assert counted.input_tokens == 2
    assert [model.id async for model in claude.models.list()]


async def test_anthropic_thinking_and_tools(claude: anthropic.AsyncAnthropic) -> None:
    tools: Any = [{"name": "get_weather", "input_schema": WEATHER}, {"name": "get_time", "input_schema": CLOCK}]
    messages: Any = [{"role": "user", "content": "call get_weather and get_time"}]
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    options: Any = {"model": CLAUDE, "max_tokens": 2048, "tools": tools, "thinking": thinking}
    async with claude.messages.stream(messages=messages, **options) as stream:
        kinds = [event.type async for event in stream]
        first = await stream.get_final_message()
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert [block.type for block in first.content] == ["thinking", "tool_use", "tool_use"]
    assert first.stop_reason == "tool_use"
    messages += [{"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]}]
    results = [{"type": "tool_result", "tool_use_id": each.id, "content": "ok"} for each in first.content[1:]]  # type: ignore[union-attr]
    messages += [{"role": "user", "content": results}]
    last = await claude.messages.create(messages=messages, **options)
    text: Any = last.content[1]
    assert text.text == "The tools answered: get_weather: ok; get_time: ok"
    messages[1]["content"][0]["thinking"] += "!"
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature` in `thinking` block"):
        await claude.messages.create(messages=messages, **options)


async def test_anthropic_cache(claude: anthropic.AsyncAnthropic) -> None:
    system: Any = [{"type": "text", "text": "s" * 400, "cache_control": {"type": "ephemeral"}}]
    usages = []
    for said in ("one", "two"):
        answer = await claude.messages.create(
            model=CLAUDE,
            max_tokens=10,
            system=system,
            messages=[{"role": "user", "content": said}],
        )
        usage = answer.usage
        usages.append((usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens))
    assert usages == [(1, 100, 0), (1, 0, 100)]


async def test_anthropic_errors(claude: anthropic.AsyncAnthropic) -> None:
    said: Any = [{"role": "user", "content": "x"}]
    with pytest.raises(anthropic.BadRequestError, match="max_tokens: Field required"):
        await claude.post("/v1/messages", body={"model": "m", "messages": said}, cast_to=object)
    with pytest.raises(anthropic.BadRequestError, match="temperature: Extra inputs are not permitted"):
        await claude.messages.create(model="m", max_tokens=1, messages=said, extra_body={"temperature": 1})
    with pytest.raises(anthropic.NotFoundError, match="model: no-such-model"):
        await claude.messages.create(model="no-such-model", max_tokens=1, messages=said)
    with pytest.raises(anthropic.APIStatusError) as overloaded:
        await claude.messages.create(model="m", max_tokens=1, messages=said, extra_headers={"x-stub-status": "529"})
    assert overloaded.value.status_code == 529
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        async with claude.messages.stream(
            model="m", max_tokens=9, messages=said, extra_headers={"x-stub-fail": "3"}
        ) as stream:
            await stream.get_final_message()


def connect_bedrock(url: str) -> Any:
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(retries={"max_attempts": 0}),
    )


async def test_bedrock_converse(start: Start) -> None:
    stub, url = await start("aws-bedrock")

    def talk() -> None:
        client = connect_bedrock(url)
        content = [{"text": "see"}, {"image": {"format": "png", "source": {"bytes": PNG}}}]
        answer = client.converse(modelId=CLAUDE_ON_AWS, messages=[{"role": "user", "content": content}])
        said = answer["output"]["message"]["content"][0]["text"]
        assert said == f"You said: see I received: image/png ({len(PNG)} bytes)."
        assert answer["usage"] == {"inputTokens": 259, "outputTokens": 12, "totalTokens": 271}
        with pytest.raises(ClientError) as refused:
            client.converse(modelId=CLAUDE_ON_AWS, messages=[{"role": "assistant", "content": [{"text": "x"}]}])
        assert refused.value.response["Error"]["Code"] == "ValidationException"
        client.close()

    await asyncio.to_thread(talk)
    assert stub.records[0].path == f"/model/{CLAUDE_ON_AWS.replace(':', '%3A')}/converse"


async def test_bedrock_stream_with_tools(start: Start) -> None:
    _, url = await start("aws-bedrock")
    tools = [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": WEATHER}}}]
    options: dict[str, Any] = {
        "modelId": CLAUDE_ON_AWS,
        "toolConfig": {"tools": tools},
        "inferenceConfig": {"maxTokens": 4096},
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    }

    def talk() -> None:
        client = connect_bedrock(url)
        messages: list[Any] = [{"role": "user", "content": [{"text": "call get_weather"}]}]
        with closing(client.converse_stream(messages=messages, **options)["stream"]) as stream:
            events = list(stream)
        kinds = [next(iter(event)) for event in events]
        assert kinds[0] == "messageStart"
        assert kinds[-2:] == ["messageStop", "metadata"]
        assert events[-2]["messageStop"]["stopReason"] == "tool_use"
        deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
        arguments = "".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta)
        assert json.loads(arguments) == {"city": "some city", "days": 2}
        whole = client.converse(messages=messages, **options)["output"]["message"]
        used = whole["content"][1]["toolUse"]
        result = {"toolResult": {"toolUseId": used["toolUseId"], "content": [{"text": "sunny"}]}}
        messages += [whole, {"role": "user", "content": [result]}]
        last = client.converse(messages=messages, **options)["output"]["message"]
        assert last["content"][1]["text"] == "The tools answered: get_weather: sunny"
        client.close()

    await asyncio.to_thread(talk)


async def test_bedrock_invoke(start: Start) -> None:
    _, url = await start("aws-bedrock")
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "hello"}],
    }

    def talk() -> None:
        client = connect_bedrock(url)
        whole = client.invoke_model(modelId=CLAUDE_ON_AWS, body=json.dumps(body))
        with whole["body"] as content:
            assert json.loads(content.read())["content"][0]["text"] == "You said: hello"
        stream = client.invoke_model_with_response_stream(modelId=CLAUDE_ON_AWS, body=json.dumps(body))
        with closing(stream["body"]) as body_stream:
            events = [json.loads(event["chunk"]["bytes"]) for event in body_stream]
        assert events[0]["type"] == "message_start"
        assert events[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] == 4
        titan = client.invoke_model(modelId="amazon.titan-embed-text-v2:0", body='{"inputText":"x","dimensions":256}')
        with titan["body"] as content:
            assert len(json.loads(content.read())["embedding"]) == 256
        counted = client.count_tokens(modelId=CLAUDE_ON_AWS, input={"invokeModel": {"body": json.dumps(body)}})
        assert counted["inputTokens"] == 2
        with pytest.raises(ClientError) as refused:
            client.invoke_model(modelId=CLAUDE_ON_AWS, body=json.dumps({**body, "model": "x"}))
        assert "extraneous key [model]" in refused.value.response["Error"]["Message"]
        client.close()

    await asyncio.to_thread(talk)


async def test_bedrock_stream_error(start: Start) -> None:
    _, url = await start("aws-bedrock")

    def talk() -> None:
        client = connect_bedrock(url)

        def order(request: Any, **_: Any) -> None:
            request.headers["x-stub-fail"] = "2"

        client.meta.events.register("before-sign.bedrock-runtime.ConverseStream", order)
        messages = [{"role": "user", "content": [{"text": "x"}]}]
        stream = client.converse_stream(modelId=CLAUDE_ON_AWS, messages=messages)["stream"]
        with closing(stream), pytest.raises(EventStreamError, match="modelStreamErrorException"):
            list(stream)
        client.close()

    await asyncio.to_thread(talk)


GEMINI_TOOLS = types.Tool(
    function_declarations=[types.FunctionDeclaration(name="get_weather", parameters_json_schema=WEATHER)]
)


async def talk_to_gemini(client: genai.Client) -> None:
    aio = client.aio
    try:
        answer = await aio.models.generate_content(
            model="gemini-3-pro-preview",
            contents=[types.Part.from_bytes(data=PNG, mime_type="image/png"), "see"],
            config={"thinking_config": {"include_thoughts": True}},
        )
        assert answer.text == f"You said: see I received: image/png ({len(PNG)} bytes)."
        assert answer.usage_metadata is not None
        assert answer.usage_metadata.thoughts_token_count
        config = types.GenerateContentConfig(
            tools=[GEMINI_TOOLS], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
        )
        stream = await aio.models.generate_content_stream(
            model="gemini-3-pro-preview", contents="call get_weather", config=config
        )
        chunks = [chunk async for chunk in stream]
        calls = chunks[-1].function_calls or []
        assert calls[0].args == {"city": "some city", "days": 2}
        assert chunks[-1].candidates is not None
        turn = chunks[-1].candidates[0].content
        assert turn is not None
        history: Any = [
            types.UserContent("call get_weather"),
            turn,
            types.UserContent(types.Part.from_function_response(name="get_weather", response={"output": "sunny"})),
        ]
        last = await aio.models.generate_content(model="gemini-3-pro-preview", contents=history, config=config)
        assert last.text == "The tools answered: get_weather: sunny"
        counted = await aio.models.count_tokens(model="gemini-2.5-flash", contents="12345")
        assert counted.total_tokens == 2
        embedded = await aio.models.embed_content(
            model="gemini-embedding-001", contents="x", config={"output_dimensionality": 8}
        )
        assert len((embedded.embeddings or [])[0].values or []) == 8
        with pytest.raises(genai_errors.ClientError) as unknown:
            await aio.models.generate_content(model="no-such-model", contents="x")
        assert unknown.value.status == "NOT_FOUND"
    finally:
        await aio.aclose()
        client.close()


async def test_gemini(start: Start) -> None:
    _, url = await start("gemini")
    async with httpx2.AsyncClient() as http:
        options = types.HttpOptions(base_url=url, httpx_async_client=http)
        await talk_to_gemini(genai.Client(api_key="k", http_options=options))


async def test_vertex(start: Start) -> None:
    _, url = await start("vertex-ai")
    credentials = Credentials(token="t")  # type: ignore[no-untyped-call]
    async with httpx2.AsyncClient() as http:
        options = types.HttpOptions(base_url=url, httpx_async_client=http)
        where: Any = {"project": "p", "location": "us-central1", "credentials": credentials}
        await talk_to_gemini(genai.Client(vertexai=True, http_options=options, **where))


async def test_claude_on_vertex(start: Start) -> None:
    stub, url = await start("vertex-ai")
    async with anthropic.AsyncAnthropicVertex(
        base_url=f"{url}/v1", region="us-east5", project_id="p", access_token="t", max_retries=0
    ) as client:
        async with client.messages.stream(
            model="claude-sonnet-5@20260801", max_tokens=50, messages=[{"role": "user", "content": "hello"}]
        ) as stream:
            assert await stream.get_final_text() == "You said: hello"
        assert stub.records[-1].path.endswith("/publishers/anthropic/models/claude-sonnet-5@20260801:streamRawPredict")
        counted = await client.messages.count_tokens(model=CLAUDE, messages=[{"role": "user", "content": "12345"}])
        assert counted.input_tokens == 2


async def test_cohere(start: Start) -> None:
    _, url = await start("cohere")
    async with httpx.AsyncClient() as http:
        client = cohere.AsyncClientV2(api_key="k", base_url=url, httpx_client=http)
        messages: Any = [{"role": "user", "content": "call get_weather"}]
        tools: Any = [function("get_weather")]
        first = await client.chat(model="command-a-03-2025", messages=messages, tools=tools)
        calls: Any = first.message.tool_calls
        assert json.loads(calls[0].function.arguments) == {"city": "some city", "days": 2}
        messages += [
            {"role": "assistant", "tool_calls": [calls[0].model_dump(exclude_none=True)], "tool_plan": "p"},
            {"role": "tool", "tool_call_id": calls[0].id, "content": "sunny"},
        ]
        kinds, texts = [], []
        async for event in client.chat_stream(model="command-a-03-2025", messages=messages, tools=tools):
            kinds.append(event.type)
            if event.type == "content-delta":
                texts.append(event.delta.message.content.text)  # type: ignore[union-attr]
        assert "".join(text or "" for text in texts) == "The tools answered: get_weather: sunny"
        assert (kinds[0], kinds[-1]) == ("message-start", "message-end")
        ranked = await client.rerank(model="rerank-v3.5", query="red fox", documents=["a dog", "a red fox"], top_n=1)
        assert [result.index for result in ranked.results] == [1]
        vectors = await client.embed(
            model="embed-v4.0", input_type="search_query", texts=["a"], output_dimension=256, embedding_types=["float"]
        )
        assert len((vectors.embeddings.float_ or [[]])[0]) == 256
        with pytest.raises(cohere.UnprocessableEntityError):
            await client.chat(
                model="m", messages=messages, request_options={"additional_body_parameters": {"frobnicate": 1}}
            )


async def test_ollama(start: Start) -> None:
    _, url = await start("ollama")
    async with httpx2.AsyncClient(base_url=url) as http:
        body = {"model": "llama3.1", "messages": [{"role": "user", "content": "hello"}], "unknown": 1}
        lines = [json.loads(line) for line in (await http.post("/api/chat", json=body)).text.splitlines()]
        assert "".join(line["message"]["content"] for line in lines) == "You said: hello"
        assert (lines[-1]["done"], lines[-1]["eval_count"]) == (True, 4)
        missing = await http.post("/api/chat", json={**body, "model": "no-such-model"})
        assert (missing.status_code, missing.json()) == (404, {"error": "model 'no-such-model' not found"})
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="-", max_retries=0) as client:
        answer = await client.chat.completions.create(
            model="llama3.1", messages=[{"role": "user", "content": "hello"}], extra_body={"keep_alive": 5}
        )
        assert answer.choices[0].message.content == "You said: hello"
