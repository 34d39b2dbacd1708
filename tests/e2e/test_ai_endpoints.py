"""Every endpoint but chat through `anygate run` with stubs: the vendors' clients, and the bytes that providers get."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest
from ai_clients import Gateway, ai_gateway, check_error
from running import gateway, join

from anygate.stubs import RequestRecord

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SOUND = b"RIFF\x00\x01\r\n--x\r\n\xff\xfe" * 500
SCHEMAS = {
    "openai": "name: OpenAI",
    "azure": "name: AzureOpenAI, version: 2025-01-01-preview",
    "bedrock": "name: AWSBedrock",
    "gemini": "name: Gemini",
    "vertex": "name: GCPVertexAI",
    "cohere": "name: Cohere",
    "claude": "name: Anthropic",
}
# Model asked for: the provider, and the model that it is asked for in its place.
MODELS = {
    "gpt-3.5-turbo-instruct": ("openai", ""),
    "text-embedding-3-small": ("openai", ""),
    "gpt-5": ("openai", ""),
    "gpt-image-1": ("openai", ""),
    "tts-1": ("openai", ""),
    "whisper-1": ("openai", ""),
    "my-instruct": ("openai", "gpt-3.5-turbo-instruct"),
    "my-vectors": ("openai", "text-embedding-3-small"),
    "my-gpt": ("openai", "gpt-5"),
    "my-images": ("openai", "gpt-image-1"),
    "my-voice": ("openai", "tts-1"),
    "my-ear": ("openai", "whisper-1"),
    "azure-ear": ("azure", "whisper-1"),
    "titan": ("bedrock", "amazon.titan-embed-text-v2:0"),
    "gemini-vectors": ("gemini", "gemini-embedding-001"),
    "vertex-vectors": ("vertex", "gemini-embedding-001"),
    "cohere-vectors": ("cohere", "embed-v4.0"),
    "reranker": ("cohere", "rerank-v3.5"),
    "claude-sonnet-5": ("claude", ""),
    "my-claude": ("claude", "claude-sonnet-5"),
    "gemini": ("gemini", "gemini-2.5-flash"),
}
VECTORS = ["text-embedding-3-small", "my-vectors", "titan", "gemini-vectors", "vertex-vectors", "cohere-vectors"]


def provider(name: str) -> str:
    return join(
        f"""
        apiVersion: aigateway.envoyproxy.io/v1beta1
        kind: AIServiceBackend
        metadata: {{name: {name}}}
        spec:
          schema: {{{SCHEMAS[name]}}}
          backendRef: {{name: {name}, kind: Backend, group: gateway.envoyproxy.io}}
        """,
        f"""
        apiVersion: gateway.envoyproxy.io/v1alpha1
        kind: Backend
        metadata: {{name: {name}}}
        spec: {{endpoints: [{{fqdn: {{hostname: {name}.invalid, port: 80}}}}]}}
        """,
    )


ROUTE = join("""
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {name: ai}
spec:
  parentRefs: [{name: web, kind: Gateway, group: gateway.networking.k8s.io}]
  llmRequestCosts: [{metadataKey: total, type: TotalToken}]
  rules:
""") + "".join(
    f"  - matches: [{{headers: [{{type: Exact, name: x-ai-eg-model, value: {model}}}]}}]\n"
    f"    backendRefs: [{{name: {name}{f', modelNameOverride: {override!r}' if override else ''}}}]\n"
    for model, (name, override) in MODELS.items()
)
VERTEX = """
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: BackendSecurityPolicy
metadata: {name: vertex}
spec:
  targetRefs: [{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: vertex}]
  type: GCPCredentials
  gcpCredentials: {projectName: p, region: us-central1, credentialsFile: {secretRef: {name: vertex}}}
---
apiVersion: v1
kind: Secret
metadata: {name: vertex}
stringData: {service_account.json: "{}"}
"""


@pytest.fixture(scope="module")
def ai() -> Iterator[Gateway]:
    with ai_gateway(gateway(), *map(provider, SCHEMAS), VERTEX, ROUTE, port=80) as found:
        yield found


@pytest.fixture(scope="module")
def gpt(ai: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{ai.url}/v1", api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def claude(ai: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=f"{ai.url}/anthropic", api_key="k", max_retries=0) as client:
        yield client


def asked(ai: Gateway, model: str) -> RequestRecord:
    """The last request that the provider of a model got, with the model that it should have been asked for."""
    record = ai.running.await_request(lambda one: one.backend == f"{MODELS[model][0]}.default")
    while not ai.running.requests.empty():
        record = ai.running.requests.get()
    wanted = MODELS[model][1] or model
    assert wanted in record.path or wanted.encode() in record.body
    return record


@pytest.mark.parametrize("model", ["gpt-3.5-turbo-instruct", "my-instruct"])
def test_completions(ai: Gateway, gpt: openai.OpenAI, model: str) -> None:
    answer = gpt.completions.create(model=model, prompt="a", max_tokens=8)
    assert answer.choices[0].text == "You said: a"
    assert asked(ai, model).path == "/v1/completions"
    chunks = list(gpt.completions.create(model=model, prompt="a", max_tokens=8, stream=True))
    assert "".join(one.choices[0].text for one in chunks if one.choices) == "You said: a"
    # Tokens are counted here, so that the stream has to tell them.
    assert json.loads(asked(ai, model).body)["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("model", VECTORS)
@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings(ai: Gateway, gpt: openai.OpenAI, model: str, encoding: Any) -> None:
    one = gpt.embeddings.create(model=model, input="some words", encoding_format=encoding)
    asked(ai, model)
    size = len(one.data[0].embedding)
    assert size > 0
    # Google's API for vectors does not tell what they cost, other than Vertex.
    assert (one.usage.prompt_tokens > 0) is (model != "gemini-vectors")
    if model in ("titan", "vertex-vectors"):  # one text at a time
        return
    both = gpt.embeddings.create(model=model, input=["some words", "others"], encoding_format=encoding)
    assert [entry.index for entry in both.data] == [0, 1]
    if encoding == "float":
        assert both.data[0].embedding == pytest.approx(one.data[0].embedding, abs=1e-6)
        assert both.data[0].embedding != both.data[1].embedding
    else:
        assert isinstance(one.data[0].embedding, str)


@pytest.mark.parametrize("model", ["gpt-image-1", "my-images"])
def test_images(ai: Gateway, gpt: openai.OpenAI, model: str) -> None:
    drawn = gpt.images.generate(model=model, prompt="a cat", n=2)
    assert [base64.b64decode(one.b64_json or "")[:4] for one in drawn.data or ()] == [b"\x89PNG"] * 2
    assert asked(ai, model).path == "/v1/images/generations"
    edited = gpt.images.edit(model=model, image=("a.png", PNG, "image/png"), prompt="a dog")
    assert base64.b64decode((edited.data or [])[0].b64_json or "").startswith(b"\x89PNG")
    record = asked(ai, model)
    assert record.path == "/v1/images/edits"
    assert PNG in record.body


@pytest.mark.parametrize("model", ["tts-1", "my-voice"])
def test_speech(ai: Gateway, gpt: openai.OpenAI, model: str) -> None:
    speech = gpt.audio.speech.create(model=model, voice="alloy", input="hi", response_format="wav")
    assert speech.content.startswith(b"RIFF")
    assert asked(ai, model).path == "/v1/audio/speech"


@pytest.mark.parametrize("model", ["whisper-1", "my-ear"])
def test_audio(ai: Gateway, gpt: openai.OpenAI, model: str) -> None:
    heard = gpt.audio.transcriptions.create(model=model, file=("a.wav", SOUND))
    assert heard.text.startswith("Heard a.wav: ")
    assert asked(ai, model).path == "/v1/audio/transcriptions"
    with pytest.warns(DeprecationWarning, match="deprecated"):
        translated = gpt.audio.translations.create(model=model, file=("a.mp3", SOUND))
    assert translated.text.endswith(f"of {len(SOUND)} bytes.")
    record = asked(ai, model)
    assert record.path == "/v1/audio/translations"
    assert SOUND in record.body


@pytest.mark.parametrize("model", ["whisper-1", "my-ear"])
@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/audio/translations"])
def test_forms_go_on_byte_for_byte_but_for_the_model(ai: Gateway, model: str, path: str) -> None:
    form = (
        b'preamble\r\n--bound\r\nContent-Disposition: form-data; name="file"; filename="m\xc3\xb6del.wav"\r\n'
        b"Content-Type: audio/wav\r\nX-Odd:  yes \r\n\r\n" + SOUND + b"\r\n--bound\r\n"
        b'content-disposition: form-data; name="model"\r\n\r\n' + model.encode() + b"\r\n--bound\r\n"
        b'Content-Disposition: form-data; name="prompt"\r\n\r\nthe model is ' + model.encode() + b"\r\n--bound--\r\nend"
    )
    answer = ai.client.post(path, content=form, headers={"content-type": "multipart/form-data; boundary=bound"})
    assert answer.status_code == 200, answer.text
    record = asked(ai, model)
    wanted = MODELS[model][1] or model
    assert record.body == form.replace(b"\r\n\r\n" + model.encode(), b"\r\n\r\n" + wanted.encode())
    assert dict(record.headers)["content-type"] == "multipart/form-data; boundary=bound"


def test_rerank(ai: Gateway) -> None:
    asking = {"model": "reranker", "query": "capital", "documents": ["Paris", "a cat"]}
    answer = ai.client.post("/cohere/v2/rerank", json=asking)
    assert sorted(one["index"] for one in answer.json()["results"]) == [0, 1]
    record = asked(ai, "reranker")
    assert (record.path, json.loads(record.body)) == ("/v2/rerank", {**asking, "model": "rerank-v3.5"})


@pytest.mark.parametrize("model", ["claude-sonnet-5", "my-claude", "gemini"])
def test_tokens_are_counted(ai: Gateway, claude: anthropic.Anthropic, model: str) -> None:
    counted = claude.messages.count_tokens(model=model, messages=[{"role": "user", "content": "hello there"}])
    assert counted.input_tokens > 0
    asked(ai, model)


@pytest.mark.parametrize("model", ["gpt-5", "my-gpt"])
def test_tokens_of_responses_are_counted(ai: Gateway, gpt: openai.OpenAI, model: str) -> None:
    assert gpt.responses.input_tokens.count(model=model, input="hello").input_tokens == 2
    asked(ai, model)


def test_models(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    assert [one.id for one in gpt.models.list()] == list(MODELS)
    assert [one.id for one in claude.models.list()] == list(MODELS)


SPOKEN: dict[str, Any] = {"input": "hi", "voice": "alloy"}
UNSERVED = [
    ("/v1/completions", "claude-sonnet-5", {"prompt": "a"}, "completions"),
    ("/v1/embeddings", "claude-sonnet-5", {"input": "a"}, "embeddings"),
    ("/v1/responses/input_tokens", "gemini", {"input": "a"}, "responses_input_tokens"),
    ("/v1/images/generations", "gemini", {"prompt": "a"}, "images"),
    ("/v1/audio/speech", "titan", SPOKEN, "speech"),
    ("/v1/audio/speech", "azure-ear", SPOKEN, "speech"),
    ("/cohere/v2/rerank", "gpt-5", {"query": "a", "documents": ["b"]}, "rerank"),
    ("/v1/messages/count_tokens", "gpt-5", {"messages": [{"role": "user", "content": "a"}]}, "count_tokens"),
]


@pytest.mark.parametrize(("path", "model", "fields", "endpoint"), UNSERVED)
def test_what_a_provider_does_not_have_is_422(
    ai: Gateway, path: str, model: str, fields: dict[str, Any], endpoint: str
) -> None:
    answer = ai.client.post(path, json={"model": model, **fields})
    assert answer.status_code == 422, answer.text
    check_error(endpoint, answer)


@pytest.mark.parametrize("path", ["/v1/images/edits", "/v1/audio/transcriptions", "/v1/audio/translations"])
def test_forms_for_a_provider_that_takes_none_are_422(ai: Gateway, path: str) -> None:
    sent = {"image": ("a.png", PNG), "file": ("a.wav", SOUND)}
    with httpx.Client(base_url=ai.url) as client:
        answer = client.post(path, data={"model": "gemini"}, files=sent)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["message"]
