"""The body of a request for a response: https://platform.openai.com/docs/api-reference/responses/create."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from anygate.stubs.providers.fields import Fields
from anygate.stubs.providers.openai.chat_fields import Name


class InputText(Fields, tag="input_text", tag_field="type"):
    """A text that goes in."""

    text: str
    prompt_cache_breakpoint: Any = None


class InputImage(Fields, tag="input_image", tag_field="type"):
    """An image that goes in."""

    image_url: str | None = None
    file_id: str | None = None
    detail: Literal["auto", "low", "high", "original"] | None = None
    prompt_cache_breakpoint: Any = None


class InputFile(Fields, tag="input_file", tag_field="type"):
    """A file that goes in."""

    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None
    detail: str | None = None
    prompt_cache_breakpoint: Any = None


class OutputText(Fields, tag="output_text", tag_field="type"):
    """A text that came out before."""

    text: str
    annotations: list[Any] | None = None
    logprobs: Any = None


class OutputRefusal(Fields, tag="refusal", tag_field="type"):
    """A refusal that came out before."""

    refusal: str


Part = InputText | InputImage | InputFile | OutputText | OutputRefusal


class MessageItem(Fields):
    """What somebody said."""

    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Part]
    type: Literal["message"] = "message"
    id: str | None = None
    status: str | None = None
    phase: str | None = None


class CallItem(Fields):
    """A call that the model asked for before."""

    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    id: str | None = None
    status: str | None = None
    namespace: str | None = None
    caller: Any = None


class OutputItem(Fields):
    """What a function returned."""

    type: Literal["function_call_output"]
    call_id: str
    output: str | list[Part]
    id: str | None = None
    status: str | None = None
    name: str | None = None
    namespace: str | None = None
    caller: Any = None


class ReasoningItem(Fields):
    """What the model thought before."""

    type: Literal["reasoning"]
    id: str
    summary: list[dict[str, Any]]
    content: list[dict[str, Any]] | None = None
    encrypted_content: str | None = None
    status: str | None = None


ITEMS: dict[str, type[MessageItem | CallItem | OutputItem | ReasoningItem]] = {
    "message": MessageItem,
    "function_call": CallItem,
    "function_call_output": OutputItem,
    "reasoning": ReasoningItem,
}


class FunctionTool(Fields):
    """A function on offer."""

    type: Literal["function"]
    name: Name
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None
    defer_loading: bool | None = None
    allowed_callers: Any = None
    output_schema: Any = None


class Reasoning(Fields):
    """How much to think and what to show of it."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    context: Any = None
    mode: Any = None


class PlainFormat(Fields, tag="text", tag_field="type"):
    """Any text."""


class ObjectFormat(Fields, tag="json_object", tag_field="type"):
    """Any JSON object."""


class SchemaFormat(Fields, tag="json_schema", tag_field="type"):
    """JSON that a schema accepts."""

    name: Name
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class TextOptions(Fields):
    """What the text must look like."""

    format: PlainFormat | ObjectFormat | SchemaFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class TokensRequest(Fields):
    """The body of `/responses/input_tokens`."""

    model: str | None = None
    input: str | list[dict[str, Any]] | None = None
    instructions: str | None = None
    conversation: Any = None
    parallel_tool_calls: bool | None = None
    personality: Any = None
    previous_response_id: str | None = None
    reasoning: Reasoning | None = None
    text: TextOptions | None = None
    tool_choice: Any = None
    tools: list[dict[str, Any]] | None = None
    truncation: Literal["auto", "disabled"] | None = None


class ResponseRequest(TokensRequest):
    """The body of `/responses`."""

    access_programs: Any = None
    background: bool | None = None
    context_management: Any = None
    image: Any = None
    include: list[str] | None = None
    max_output_tokens: Annotated[int, Meta(ge=16)] | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] | None = None
    moderation: Any = None
    prompt: Any = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Any = None
    prompt_cache_retention: str | None = None
    safety_identifier: str | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: Any = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    user: str | None = None


RESPONSE = msgspec.json.Decoder(ResponseRequest)
TOKENS = msgspec.json.Decoder(TokensRequest)
