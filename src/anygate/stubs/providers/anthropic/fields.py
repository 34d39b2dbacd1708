"""The body of a messages request: https://docs.claude.com/en/api/messages."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from anygate.stubs.providers.fields import Fields


class CacheControl(Fields):
    """Asks to cache the prompt up to here."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class Base64Source(Fields, tag="base64", tag_field="type"):
    """Content in place."""

    media_type: str
    data: str  # the vendor's own name


class UrlSource(Fields, tag="url", tag_field="type"):
    """Content elsewhere."""

    url: str


class FileSource(Fields, tag="file", tag_field="type"):
    """Content uploaded before."""

    file_id: str


class TextSource(Fields, tag="text", tag_field="type"):
    """A plain text as a document."""

    media_type: Literal["text/plain"]
    data: str  # the vendor's own name


class ContentSource(Fields, tag="content", tag_field="type"):
    """Blocks as a document."""

    content: Any


class TextBlock(Fields, tag="text", tag_field="type"):
    """A text."""

    text: str
    cache_control: CacheControl | None = None
    citations: Any = None


class ImageBlock(Fields, tag="image", tag_field="type"):
    """An image."""

    source: Base64Source | UrlSource | FileSource
    cache_control: CacheControl | None = None
    transformations: Any = None


class DocumentBlock(Fields, tag="document", tag_field="type"):
    """A document."""

    source: Base64Source | UrlSource | FileSource | TextSource | ContentSource
    cache_control: CacheControl | None = None
    citations: Any = None
    context: str | None = None
    title: str | None = None


class SearchResultBlock(Fields, tag="search_result", tag_field="type"):
    """A result of a search of the client's own."""

    content: list[TextBlock]
    source: str
    title: str
    cache_control: CacheControl | None = None
    citations: Any = None


class ToolUseBlock(Fields, tag="tool_use", tag_field="type"):
    """A call that the model asked for before."""

    id: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]+$")]
    name: str
    input: dict[str, Any]
    cache_control: CacheControl | None = None
    caller: Any = None
    toolset_name: str | None = None


class ToolResultBlock(Fields, tag="tool_result", tag_field="type"):
    """What a tool returned."""

    tool_use_id: str
    content: str | list[TextBlock | ImageBlock | DocumentBlock | SearchResultBlock] | None = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None
    toolset_name: str | None = None


class ThinkingBlock(Fields, tag="thinking", tag_field="type"):
    """What the model thought before."""

    thinking: str
    signature: str


class RedactedThinkingBlock(Fields, tag="redacted_thinking", tag_field="type"):
    """What the model thought before, sealed."""

    data: str  # the vendor's own name


class ServerToolUseBlock(msgspec.Struct, tag="server_tool_use", tag_field="type"):
    """A call of a tool that runs at the vendor."""

    id: str
    name: str
    input: Any


class WebSearchResultBlock(msgspec.Struct, tag="web_search_tool_result", tag_field="type"):
    """What a tool at the vendor returned."""

    tool_use_id: str
    content: Any


UserBlock = TextBlock | ImageBlock | DocumentBlock | SearchResultBlock | ToolResultBlock
Block = UserBlock | ToolUseBlock | ThinkingBlock | RedactedThinkingBlock | ServerToolUseBlock | WebSearchResultBlock


class Message(Fields):
    """One turn."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class Tool(Fields):
    """A tool of the client."""

    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
    input_schema: dict[str, Any]
    type: Literal["custom"] | None = None
    description: str | None = None
    cache_control: CacheControl | None = None
    strict: bool | None = None
    allowed_callers: Any = None
    defer_loading: bool | None = None
    eager_input_streaming: bool | None = None
    input_examples: Any = None


class AutoChoice(Fields, tag="auto", tag_field="type"):
    """The model decides."""

    disable_parallel_tool_use: bool | None = None


class AnyChoice(Fields, tag="any", tag_field="type"):
    """Some tool must be called."""

    disable_parallel_tool_use: bool | None = None


class ToolChoice(Fields, tag="tool", tag_field="type"):
    """One tool must be called."""

    name: str
    disable_parallel_tool_use: bool | None = None


class NoneChoice(Fields, tag="none", tag_field="type"):
    """No tool may be called."""


class EnabledThinking(Fields, tag="enabled", tag_field="type"):
    """Think, up to a budget."""

    budget_tokens: Annotated[int, Meta(ge=1024)]
    display: Literal["summarized", "omitted"] | None = None


class AdaptiveThinking(Fields, tag="adaptive", tag_field="type"):
    """Think as much as the model likes."""

    display: Literal["summarized", "omitted"] | None = None


class DisabledThinking(Fields, tag="disabled", tag_field="type"):
    """Do not think."""


class JsonFormat(Fields):
    """JSON that a schema accepts."""

    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(Fields):
    """How the answer must look and how much to spend on it."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JsonFormat | None = None


class CountRequest(Fields, kw_only=True):
    """What a prompt is made of: all of the body of `/messages/count_tokens` but the model."""

    messages: list[Message]
    system: str | list[TextBlock] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: AutoChoice | AnyChoice | ToolChoice | NoneChoice | None = None
    thinking: EnabledThinking | AdaptiveThinking | DisabledThinking | None = None
    cache_control: CacheControl | None = None
    output_config: OutputConfig | None = None
    output_format: JsonFormat | None = None
    context_management: Any = None
    mcp_servers: Any = None
    speed: str | None = None
    user_profile_id: str | None = None
    workspace_id: str | None = None


class Sampling(CountRequest, kw_only=True):
    """All of the body of `/messages` but the model and whether to stream."""

    max_tokens: Annotated[int, Meta(ge=1)]
    stop_sequences: list[str] | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    metadata: dict[str, Any] | None = None
    container: Any = None
    diagnostics: Any = None
    inference_geo: str | None = None
    service_tier: Literal["auto", "standard_only"] | None = None


class MessagesRequest(Sampling, kw_only=True):
    """The body of `/v1/messages`."""

    model: str
    stream: bool | None = None


class ModelCountRequest(CountRequest, kw_only=True):
    """The body of `/v1/messages/count_tokens`."""

    model: str


class BedrockRequest(Sampling, kw_only=True):
    """The body on Bedrock: the model and the streaming are in the path."""

    anthropic_version: Literal["bedrock-2023-05-31", "2026-10-21"]
    anthropic_beta: list[str] | None = None


class VertexRequest(Sampling, kw_only=True):
    """The body on Vertex: the model is in the path."""

    anthropic_version: Literal["vertex-2023-10-16", "2026-10-21"]
    anthropic_beta: list[str] | None = None
    stream: bool | None = None


class VertexCountRequest(ModelCountRequest, kw_only=True):
    """The body of a count on Vertex."""

    anthropic_version: str | None = None


MESSAGES = msgspec.json.Decoder(MessagesRequest)
COUNT = msgspec.json.Decoder(ModelCountRequest)
BEDROCK = msgspec.json.Decoder(BedrockRequest)
VERTEX = msgspec.json.Decoder(VertexRequest)
VERTEX_COUNT = msgspec.json.Decoder(VertexCountRequest)
