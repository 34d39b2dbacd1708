"""What each vendor refuses, and how: status, type and words."""

from typing import Any

import pytest
from provider_asking import CHAT_PATHS, VERTEX, Client

from anygate.stubs import VENDORS, Vendor

SAID = [{"role": "user", "content": "x"}]
OPENAI: dict[str, Any] = {"model": "gpt-4o", "messages": SAID}
CLAUDE: dict[str, Any] = {"model": "claude-x", "max_tokens": 9, "messages": SAID}
BEDROCK: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "x"}]}]}
GEMINI: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
TOOL_USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}


def read_message(vendor: Vendor, document: Any) -> str:
    error = document.get("error", document)
    return str(error if isinstance(error, str) else error["message"])


@pytest.mark.parametrize(
    ("vendor", "body", "status", "words"),
    [
        ("openai", {"messages": SAID}, 400, "you must provide a model parameter"),
        ("openai", {"model": "gpt-4o"}, 400, "Missing required parameter: 'messages'."),
        ("openai", {**OPENAI, "frobnicate": 1}, 400, "Unrecognized request argument supplied: frobnicate"),
        ("openai", {**OPENAI, "messages": []}, 400, "Invalid 'messages': empty array."),
        ("openai", {**OPENAI, "messages": "x"}, 400, "expected an array, but got a string instead."),
        ("openai", {**OPENAI, "temperature": 3}, 400, "Expected a value <= 2, but got 3 instead."),
        ("openai", {**OPENAI, "stream_options": {}}, 400, "only allowed when 'stream' is enabled"),
        ("openai", {**OPENAI, "messages": [{"role": "god", "content": ""}]}, 400, "Supported values are: 'system'"),
        (
            "openai",
            {**OPENAI, "messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]},
            400,
            "must be a response to a preceeding message",
        ),
        ("openai", {**OPENAI, "model": "o3", "max_tokens": 5}, 400, "Use 'max_completion_tokens' instead."),
        ("openai", {**OPENAI, "response_format": {"type": "json_object"}}, 400, "must contain the word 'json'"),
        ("openai", {**OPENAI, "model": "no-such-model"}, 404, "does not exist"),
        ("anthropic", {"model": "m", "messages": SAID}, 400, "max_tokens: Field required"),
        ("anthropic", {**CLAUDE, "max_tokens": 0}, 400, "max_tokens: Input should be greater than or equal to 1"),
        ("anthropic", {**CLAUDE, "temperature": 1.5}, 400, "temperature: range: 0..1"),
        ("anthropic", {**CLAUDE, "frobnicate": 1}, 400, "frobnicate: Extra inputs are not permitted"),
        ("anthropic", {**CLAUDE, "messages": []}, 400, "at least one message is required"),
        ("anthropic", {**CLAUDE, "messages": [{"role": "system", "content": "x"}]}, 400, 'Unexpected role "system"'),
        ("anthropic", {**CLAUDE, "messages": [{"role": "user", "content": ""}]}, 400, "must have non-empty content"),
        (
            "anthropic",
            {**CLAUDE, "messages": [{"role": "user", "content": 5}]},
            400,
            "messages.0.content: Input should",
        ),
        (
            "anthropic",
            {**CLAUDE, "messages": [*SAID, {"role": "assistant", "content": [TOOL_USE]}, *SAID]},
            400,
            "`tool_use` ids were found without `tool_result` blocks immediately after: t1",
        ),
        (
            "anthropic",
            {**CLAUDE, "messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t9"}]}]},
            400,
            "unexpected `tool_use_id` found in `tool_result` blocks: t9",
        ),
        (
            "anthropic",
            {**CLAUDE, "thinking": {"type": "enabled", "budget_tokens": 1024}},
            400,
            "`max_tokens` must be greater than `thinking.budget_tokens`",
        ),
        ("aws-bedrock", {}, 400, "Value null at 'messages' failed to satisfy constraint: Member must not be null"),
        ("aws-bedrock", {**BEDROCK, "frobnicate": 1}, 400, "#: extraneous key [frobnicate] is not permitted"),
        ("aws-bedrock", {"messages": BEDROCK["messages"] * 2}, 400, "must alternate between user and assistant roles"),
        ("aws-bedrock", {"messages": [{"role": "assistant", "content": [{"text": "x"}]}]}, 400, "start with a user"),
        ("aws-bedrock", {"messages": [{"role": "user", "content": [{"text": " "}]}]}, 400, "is blank"),
        (
            "aws-bedrock",
            {"messages": [{"role": "user", "content": [{"toolResult": {"toolUseId": "t", "content": []}}]}]},
            400,
            "exceeds the number of toolUse blocks",
        ),
        (
            "aws-bedrock",
            {**BEDROCK, "inferenceConfig": {"temperature": 2}},
            400,
            "Value '2' at 'inferenceConfig.temperature' failed to satisfy constraint",
        ),
        ("gemini", {}, 400, "contents is not specified"),
        ("gemini", {**GEMINI, "frobnicate": 1}, 400, 'Unknown name "frobnicate": Cannot find field.'),
        ("gemini", {"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, 400, "Please use a valid role"),
        ("gemini", {"contents": [{"role": "user", "parts": [{}]}]}, 400, "must have one initialized field"),
        (
            "gemini",
            {"contents": [{"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]}]},
            400,
            "number of function response parts is equal",
        ),
        ("vertex-ai", {**GEMINI, "generationConfig": {"candidateCount": 9}}, 400, "must be at most 8"),
        (
            "cohere",
            {"model": "m", "messages": SAID, "frobnicate": 1},
            422,
            "parameter 'frobnicate' is not a valid field",
        ),
        ("cohere", {"model": "m", "messages": [{"role": "user", "content": ""}]}, 400, "at least 1 token long"),
        ("ollama", {"messages": SAID}, 400, "model is required"),
        ("ollama", {"model": "m", "messages": [{"role": "god", "content": ""}]}, 400, "invalid role: god"),
    ],
)
def test_refusals(vendor: Vendor, body: Any, status: int, words: str) -> None:
    asked = Client(vendor).ask(None, body)
    assert asked.status == status
    assert words in read_message(vendor, asked.json)
    assert asked.headers["x-stub-backend"] == "llm.ai"


@pytest.mark.parametrize("vendor", VENDORS)
def test_malformed_bodies(vendor: Vendor) -> None:
    for body in (b"", b"{", b"\xff", b"null", b"[]", b"[" * 200_000, b"\x1f\x8b\x08gzip"):
        asked = Client(vendor).ask(None, body)
        assert asked.status == 400
        assert read_message(vendor, asked.json)


@pytest.mark.parametrize(
    ("vendor", "status"),
    [("openai", 401), ("azure-openai", 401), ("anthropic", 401), ("aws-bedrock", 403), ("gemini", 403),
     ("vertex-ai", 401), ("cohere", 401)],
)  # fmt: skip
def test_missing_credentials(vendor: Vendor, status: int) -> None:
    asked = Client(vendor).ask(None, {}, bare=True)
    assert asked.status == status
    assert read_message(vendor, asked.json)
    # An open provider goes on to the body, which is wrong here.
    assert Client(vendor, is_open=True).ask(None, {}, bare=True).status == 400


@pytest.mark.parametrize("vendor", VENDORS)
def test_unknown_routes_and_methods(vendor: Vendor) -> None:
    client = Client(vendor)
    assert client.ask("/nowhere", {}).status == 404
    assert client.ask(CHAT_PATHS[vendor], method="GET").status in (404, 405)


@pytest.mark.parametrize("vendor", VENDORS)
def test_ordered_status(vendor: Vendor) -> None:
    limited = Client(vendor).ask(None, {}, x_stub_status="429")
    assert (limited.status, limited.headers["retry-after"]) == (429, "1")
    assert read_message(vendor, limited.json)
    wrong = Client(vendor).ask(None, {}, x_stub_status="many")
    assert wrong.status == 400
    assert "x-stub-status" in read_message(vendor, wrong.json)


def test_error_types() -> None:
    asked = Client("aws-bedrock").ask(None, {}, x_stub_status="429")
    assert asked.headers["x-amzn-errortype"].startswith("ThrottlingException:")
    assert Client("anthropic").ask(None, {}, x_stub_status="529").json["error"]["type"] == "overloaded_error"
    assert Client("gemini").ask(None, {}, x_stub_status="429").json["error"]["status"] == "RESOURCE_EXHAUSTED"
    path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
    assert Client("gemini").ask(path, {}, x_stub_status="503").json[0]["error"]["code"] == 503


def test_anthropic_versions() -> None:
    client = Client("anthropic")
    client_less = {"anthropic-version": "1999-01-01"}
    assert client.ask(None, CLAUDE, **client_less).status == 400
    warm = {**CLAUDE, "temperature": 0.5}
    assert client.ask(None, warm).status == 200
    refused = client.ask(None, warm, anthropic_version="2026-10-21")
    assert refused.json["error"]["message"] == "temperature: Extra inputs are not permitted"
    cited = [{"type": "text", "text": "x", "citations": [{}]}]
    body = {**CLAUDE, "messages": [{"role": "user", "content": cited}]}
    assert client.ask(None, body, anthropic_version="2026-10-21").status == 400


def test_bedrock_signature_must_name_the_service() -> None:
    client = Client("aws-bedrock")
    other = "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/s3/aws4_request, "
    other += f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
    assert client.ask(None, BEDROCK, authorization=other).headers["x-amzn-errortype"].startswith("InvalidSignature")
    assert client.ask(None, BEDROCK, authorization="Bearer key").status == 200
    assert client.ask(None, BEDROCK).status == 200


def test_azure_needs_a_version() -> None:
    path = "/openai/deployments/gpt/chat/completions"
    assert Client("azure-openai").ask(path, OPENAI).status == 404
    assert Client("azure-openai").ask("/openai/v1/chat/completions", OPENAI).status == 200


def test_google_takes_both_spellings() -> None:
    body = {
        "system_instruction": {"parts": [{"text": "s"}]},
        "generation_config": {"max_output_tokens": 2},
        "contents": [{"parts": [{"text": "x"}, {"inline_data": {"mime_type": "image/png", "data": "_-8"}}]}],
    }
    asked = Client("gemini").ask(None, body)
    assert asked.json["candidates"][0]["finishReason"] == "MAX_TOKENS"
    wrong = Client("gemini").ask(None, {**body, "no_such": 1})
    assert "Unknown name" in wrong.json["error"]["message"]


def test_gemini_3_wants_thought_signatures() -> None:
    call: dict[str, Any] = {"functionCall": {"name": "f", "args": {}}}
    answer = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "ok"}}}]}

    def ask(part: dict[str, Any]) -> Any:
        turns = [*GEMINI["contents"], {"role": "model", "parts": [part]}, answer]
        return Client("gemini").ask("/v1beta/models/gemini-3-pro:generateContent", {"contents": turns})

    assert "missing a thought_signature" in ask(call).json["error"]["message"]
    assert ask({**call, "thoughtSignature": "skip_thought_signature_validator"}).status == 200
    assert ask({**call, "thoughtSignature": "AAAA"}).status == 400


def test_claude_on_vertex_reports_in_its_own_words() -> None:
    client = Client("vertex-ai")
    path = f"{VERTEX}/anthropic/models/claude-x:rawPredict"
    body = {"anthropic_version": "vertex-2023-10-16", "max_tokens": 9, "messages": SAID}
    assert client.ask(path, body).json["content"][0]["text"] == "You said: x"
    refused = client.ask(path, {**body, "model": "claude-x"})
    assert refused.json["error"] == {
        "type": "invalid_request_error",
        "message": "model: Extra inputs are not permitted",
    }
    assert client.ask(path, {"max_tokens": 9, "messages": SAID}).status == 400


def test_multipart() -> None:
    client = Client("openai")
    form = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b\r\n'
    form += (
        b'Content-Disposition: form-data; name="file"; filename="a.mp3"\r\nContent-Type: audio/mpeg\r\n\r\nxyz\r\n--b--'
    )
    kind = "multipart/form-data; boundary=b"
    heard = client.ask("/v1/audio/transcriptions", form, content_type=kind)
    assert heard.json["text"] == "Heard a.mp3: audio/mpeg of 3 bytes."
    cut = client.ask("/v1/audio/transcriptions", form[:-20], content_type=kind)
    assert (cut.status, cut.json["error"]["message"]) == (400, "Could not parse multipart form")
    assert client.ask("/v1/audio/transcriptions", {}, content_type="application/json").status == 400
