"""The bodies of Cohere's second API: https://docs.cohere.com/reference/chat."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from anygate.stubs.providers.fields import Fields


class TextPart(Fields, tag="text", tag_field="type"):
    """A text."""

    text: str


class ImageUrl(Fields):
    """Where an image is."""

    url: str
    detail: Literal["low", "high", "auto"] | None = None


class ImagePart(Fields, tag="image_url", tag_field="type"):
    """An image."""

    image_url: ImageUrl


class ThinkingPart(Fields, tag="thinking", tag_field="type"):
    """What the model thought before."""

    thinking: str


class DocumentPart(Fields, tag="document", tag_field="type"):
    """A document that a tool returned."""

    document: dict[str, Any]


class CalledFunction(Fields):
    """A function and its arguments, as JSON in a string."""

    name: str | None = None
    arguments: str | None = None


class ToolCall(Fields):
    """A call that the model asked for before."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class SystemMessage(Fields, tag="system", tag_field="role"):
    """An instruction of the application."""

    content: str | list[TextPart]


class UserMessage(Fields, tag="user", tag_field="role"):
    """What the user says."""

    content: str | list[TextPart | ImagePart]


class AssistantMessage(Fields, tag="assistant", tag_field="role"):
    """What the model said before."""

    content: str | list[TextPart | ThinkingPart] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_plan: str | None = None
    citations: Any = None


class ToolMessage(Fields, tag="tool", tag_field="role"):
    """What a tool returned."""

    tool_call_id: str
    content: str | list[TextPart | DocumentPart]


class Function(Fields):
    """A function on offer."""

    name: str
    parameters: dict[str, Any]
    description: str | None = None


class Tool(Fields):
    """A tool on offer."""

    type: Literal["function"]
    function: Function


class TextFormat(Fields, tag="text", tag_field="type"):
    """Any text."""


class JsonFormat(Fields, tag="json_object", tag_field="type"):
    """JSON, by a schema if there is one."""

    json_schema: dict[str, Any] | None = None
    schema: dict[str, Any] | None = None


class Thinking(Fields):
    """Whether to think, and up to which budget."""

    type: Literal["enabled", "disabled"]
    token_budget: Annotated[int, Meta(ge=1)] | None = None


class ChatRequest(Fields):
    """The body of `/v2/chat`."""

    model: str
    messages: Annotated[list[SystemMessage | UserMessage | AssistantMessage | ToolMessage], Meta(min_length=1)]
    citation_options: Any = None
    documents: list[str | dict[str, Any]] | None = None
    frequency_penalty: Annotated[float, Meta(ge=0, le=1)] | None = None
    k: Annotated[int, Meta(ge=0, le=500)] | None = None
    logprobs: bool | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    p: Annotated[float, Meta(ge=0.01, le=0.99)] | None = None
    presence_penalty: Annotated[float, Meta(ge=0, le=1)] | None = None
    priority: int | None = None
    raw_prompting: bool | None = None
    response_format: TextFormat | JsonFormat | None = None
    safety_mode: Literal["CONTEXTUAL", "STRICT", "OFF"] | None = None
    seed: int | None = None
    stop_sequences: Annotated[list[str], Meta(max_length=5)] | None = None
    stream: bool | None = None
    strict_tools: bool | None = None
    temperature: Annotated[float, Meta(ge=0)] | None = None
    thinking: Thinking | None = None
    tool_choice: Literal["REQUIRED", "NONE"] | None = None
    tools: list[Tool] | None = None


class RerankRequest(Fields):
    """The body of `/v2/rerank`."""

    model: str
    query: str
    documents: Annotated[list[str | dict[str, Any]], Meta(min_length=1)]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    max_tokens_per_doc: int | None = None
    priority: int | None = None
    rank_fields: list[str] | None = None
    return_documents: bool | None = None
    relevant_spans: Any = None


class EmbedRequest(Fields):
    """The body of `/v2/embed`."""

    model: str
    input_type: Literal["search_document", "search_query", "classification", "clustering", "image"]
    texts: Annotated[list[str], Meta(max_length=96)] | None = None
    images: Annotated[list[str], Meta(max_length=1)] | None = None
    inputs: Annotated[list[dict[str, Any]], Meta(max_length=96)] | None = None
    max_tokens: int | None = None
    output_dimension: Literal[256, 512, 1024, 1536] | None = None
    embedding_types: list[Literal["float", "int8", "uint8", "binary", "ubinary", "base64"]] | None = None
    truncate: Literal["NONE", "START", "END"] | None = None
    priority: int | None = None


CHAT = msgspec.json.Decoder(ChatRequest)
RERANK = msgspec.json.Decoder(RerankRequest)
EMBED = msgspec.json.Decoder(EmbedRequest)
