"""The bodies of Converse: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from anygate.stubs.providers.fields import Fields


class S3Location(Fields, rename="camel"):
    """An object in a bucket."""

    uri: str
    bucket_owner: str | None = None


class Source(Fields, rename="camel"):
    """Where content is; one of them is set."""

    content_bytes: bytes | None = msgspec.field(default=None, name="bytes")
    s3_location: S3Location | None = None
    text: str | None = None
    content: list[Any] | None = None


class Image(Fields):
    """An image."""

    format: Literal["png", "jpeg", "gif", "webp"]
    source: Source


class Document(Fields):
    """A document."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    source: Source
    format: Literal["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"] | None = None
    context: str | None = None
    citations: Any = None


class Video(Fields):
    """A video."""

    format: str
    source: Source


class Audio(Fields):
    """A recording."""

    format: str
    source: Source


class ToolUse(Fields, rename="camel"):
    """A call that the model asked for before."""

    tool_use_id: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    input: Any
    type: str | None = None


class ToolResultContent(Fields, rename="camel"):
    """A piece of what a tool returned; one of them is set."""

    json: Any = msgspec.UNSET
    text: str | None = None
    image: Image | None = None
    document: Document | None = None
    video: Video | None = None
    search_result: Any = None


class ToolResult(Fields, rename="camel"):
    """What a tool returned."""

    tool_use_id: str
    content: list[ToolResultContent]
    status: Literal["success", "error"] | None = None
    type: str | None = None


class CachePoint(Fields):
    """Asks to cache the prompt up to here."""

    type: Literal["default"]
    ttl: Literal["5m", "1h"] | None = None


class ReasoningText(Fields):
    """What the model thought before."""

    text: str
    signature: str | None = None


class Reasoning(Fields, rename="camel"):
    """What the model thought before, readable or sealed."""

    reasoning_text: ReasoningText | None = None
    redacted_content: bytes | None = None


class Block(Fields, rename="camel"):
    """A piece of a message; one of them is set."""

    text: str | None = None
    image: Image | None = None
    document: Document | None = None
    video: Video | None = None
    audio: Audio | None = None
    tool_use: ToolUse | None = None
    tool_result: ToolResult | None = None
    guard_content: dict[str, Any] | None = None
    cache_point: CachePoint | None = None
    reasoning_content: Reasoning | None = None
    citations_content: dict[str, Any] | None = None
    search_result: dict[str, Any] | None = None
    tool_addition: dict[str, Any] | None = None
    tool_removal: dict[str, Any] | None = None


class Message(Fields):
    """One turn."""

    role: Literal["user", "assistant", "system"]
    content: list[Block]


class SystemBlock(Fields, rename="camel"):
    """A piece of the instructions; one of them is set."""

    text: str | None = None
    guard_content: dict[str, Any] | None = None
    cache_point: CachePoint | None = None


class InferenceConfig(Fields, rename="camel"):
    """Limits of the answer."""

    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    stop_sequences: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(max_length=2500)] | None = None


class InputSchema(Fields):
    """The schema of a tool's arguments."""

    json: dict[str, Any]


class ToolSpec(Fields, rename="camel"):
    """A tool on offer."""

    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    input_schema: InputSchema
    description: Annotated[str, Meta(min_length=1)] | None = None
    strict: bool | None = None


class Tool(Fields, rename="camel"):
    """A tool or a cache point; one of them is set."""

    tool_spec: ToolSpec | None = None
    system_tool: dict[str, Any] | None = None
    cache_point: CachePoint | None = None


class Named(Fields):
    """The name of a tool that must be called."""

    name: str


class Empty(Fields):
    """An object without members."""


class ToolChoice(Fields):
    """Which tool to call; one of them is set."""

    auto: Empty | None = None
    any: Empty | None = None
    tool: Named | None = None


class ToolConfig(Fields, rename="camel"):
    """The tools on offer."""

    tools: Annotated[list[Tool], Meta(min_length=1)]
    tool_choice: ToolChoice | None = None


class JsonSchema(Fields):
    """A JSON schema, as text."""

    schema: str
    name: str | None = None
    description: str | None = None


class Structure(Fields, rename="camel"):
    """What the text's structure is."""

    json_schema: JsonSchema


class TextFormat(Fields):
    """What the text must look like."""

    type: Literal["json_schema"]
    structure: Structure


class OutputConfig(Fields, rename="camel"):
    """What the answer must look like."""

    text_format: TextFormat | None = None
    effort: str | None = None


class ServiceTier(Fields):
    """How urgent the request is."""

    type: Literal["priority", "default", "flex", "reserved"]


class CountRequest(Fields, rename="camel", kw_only=True):
    """What a prompt is made of."""

    messages: list[Message]
    system: list[SystemBlock] | None = None
    tool_config: ToolConfig | None = None
    additional_model_request_fields: dict[str, Any] | None = None


class ConverseRequest(CountRequest, rename="camel", kw_only=True):
    """The body of Converse and ConverseStream."""

    inference_config: InferenceConfig | None = None
    guardrail_config: dict[str, Any] | None = None
    prompt_variables: dict[str, Any] | None = None
    additional_model_response_field_paths: list[str] | None = None
    request_metadata: dict[str, str] | None = None
    performance_config: dict[str, Any] | None = None
    service_tier: ServiceTier | None = None
    output_config: OutputConfig | None = None


class InvokeBody(Fields):
    """The body of an invocation whose tokens are to be counted."""

    body: bytes


class CountInput(Fields, rename="camel"):
    """What to count; one of them is set."""

    invoke_model: InvokeBody | None = None
    converse: CountRequest | None = None


class CountTokensRequest(Fields):
    """The body of CountTokens."""

    input: CountInput


class TitanRequest(Fields, rename="camel"):
    """The body of an invocation of Titan Text Embeddings."""

    input_text: Annotated[str, Meta(min_length=1, max_length=50_000)]
    dimensions: Literal[256, 512, 1024] | None = None
    normalize: bool | None = None
    embedding_types: list[Literal["float", "binary"]] | None = None


CONVERSE = msgspec.json.Decoder(ConverseRequest)
COUNT_TOKENS = msgspec.json.Decoder(CountTokensRequest)
TITAN = msgspec.json.Decoder(TitanRequest)
