"""The body of a chat completion request: https://platform.openai.com/docs/api-reference/chat/create."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from anygate.stubs.providers.fields import Fields


class TextPart(Fields, tag="text", tag_field="type"):
    """A text among the parts of a message."""

    text: str
    prompt_cache_breakpoint: Any = None


class ImageUrl(Fields):
    """Where an image is: an address or a data URI."""

    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class ImagePart(Fields, tag="image_url", tag_field="type"):
    """An image among the parts of a message."""

    image_url: ImageUrl
    prompt_cache_breakpoint: Any = None


class AudioContent(Fields):
    """Base64 audio."""

    data: str  # the vendor's own name
    format: Literal["wav", "mp3"]


class AudioPart(Fields, tag="input_audio", tag_field="type"):
    """A recording among the parts of a message."""

    input_audio: AudioContent
    prompt_cache_breakpoint: Any = None


class FileContent(Fields):
    """A file in place or one uploaded before."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(Fields, tag="file", tag_field="type"):
    """A file among the parts of a message."""

    file: FileContent
    prompt_cache_breakpoint: Any = None


class RefusalPart(Fields, tag="refusal", tag_field="type"):
    """A refusal that the model gave before."""

    refusal: str


class SystemMessage(Fields, tag="system", tag_field="role"):
    """An instruction of the application."""

    content: str | list[TextPart]
    name: str | None = None


class DeveloperMessage(Fields, tag="developer", tag_field="role"):
    """An instruction of the application, to a reasoning model."""

    content: str | list[TextPart]
    name: str | None = None


class UserMessage(Fields, tag="user", tag_field="role"):
    """What the user says."""

    content: str | list[TextPart | ImagePart | AudioPart | FilePart]
    name: str | None = None


class CalledFunction(Fields):
    """A function and the arguments, as JSON in a string."""

    name: str
    arguments: str


class CalledCustom(Fields):
    """A custom tool and its free-form input."""

    name: str
    input: str


class FunctionCall(Fields, tag="function", tag_field="type"):
    """A call that the model asked for before."""

    id: str
    function: CalledFunction


class CustomCall(Fields, tag="custom", tag_field="type"):
    """A call of a custom tool that the model asked for before."""

    id: str
    custom: CalledCustom


class AssistantMessage(Fields, tag="assistant", tag_field="role"):
    """What the model said before."""

    content: str | list[TextPart | RefusalPart] | None = None
    refusal: str | None = None
    name: str | None = None
    audio: Any = None
    annotations: Any = None
    function_call: CalledFunction | None = None
    tool_calls: Annotated[list[FunctionCall | CustomCall], Meta(min_length=1)] | None = None


class ToolMessage(Fields, tag="tool", tag_field="role"):
    """What a tool returned."""

    content: str | list[TextPart]
    tool_call_id: str


class FunctionMessage(Fields, tag="function", tag_field="role"):
    """What a function returned, in the way of 2023."""

    content: str | None
    name: str


Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage
Name = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class Function(Fields):
    """A function on offer."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(Fields, tag="function", tag_field="type"):
    """A function on offer, as a tool."""

    function: Function


class CustomTool(Fields, tag="custom", tag_field="type"):
    """A tool with free-form input."""

    custom: dict[str, Any]


class ChosenFunction(Fields):
    """The name of a function that must be called."""

    name: str


class FunctionChoice(Fields, tag="function", tag_field="type"):
    """Forces a function."""

    function: ChosenFunction


class CustomChoice(Fields, tag="custom", tag_field="type"):
    """Forces a custom tool."""

    custom: ChosenFunction


class AllowedTools(Fields):
    """The tools among which the model may choose."""

    mode: Literal["auto", "required"]
    tools: list[dict[str, Any]]


class AllowedChoice(Fields, tag="allowed_tools", tag_field="type"):
    """Narrows the choice of tools."""

    allowed_tools: AllowedTools


class TextFormat(Fields, tag="text", tag_field="type"):
    """Any text."""


class JsonFormat(Fields, tag="json_object", tag_field="type"):
    """Any JSON object."""


class NamedSchema(Fields):
    """A JSON schema under a name."""

    name: Name
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class SchemaFormat(Fields, tag="json_schema", tag_field="type"):
    """JSON that a schema accepts."""

    json_schema: NamedSchema


class StreamOptions(Fields):
    """What a stream carries besides the answer."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


Penalty = Annotated[float, Meta(ge=-2, le=2)]
Stop = str | Annotated[list[str], Meta(max_length=4)]


class ChatRequest(Fields):
    """The whole body."""

    model: str
    messages: Annotated[list[Message], Meta(min_length=1)]
    audio: Any = None
    frequency_penalty: Penalty | None = None
    function_call: Any = None
    functions: list[Function] | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    metadata: dict[str, str] | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    moderation: Any = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    parallel_tool_calls: bool | None = None
    prediction: Any = None
    presence_penalty: Penalty | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Any = None
    prompt_cache_retention: str | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    response_format: TextFormat | JsonFormat | SchemaFormat | None = None
    safety_identifier: str | None = None
    seed: int | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None = None
    stop: Stop | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    tool_choice: Literal["none", "auto", "required"] | FunctionChoice | CustomChoice | AllowedChoice | None = None
    tools: Annotated[list[FunctionTool | CustomTool], Meta(max_length=128)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    user: str | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    web_search_options: Any = None


CHAT = msgspec.json.Decoder(ChatRequest)
