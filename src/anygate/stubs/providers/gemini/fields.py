"""The bodies of Gemini's methods: https://ai.google.dev/api/generate-content."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from anygate.stubs.providers.fields import Fields


class Blob(Fields, rename="camel"):
    """Content in place."""

    mime_type: str
    data: str  # the vendor's own name
    display_name: str | None = None


class FileUri(Fields, rename="camel"):
    """Content elsewhere."""

    file_uri: str
    mime_type: str | None = None
    display_name: str | None = None


class FunctionCall(Fields, rename="camel"):
    """A call that the model asked for before."""

    name: str
    args: dict[str, Any] | None = None
    id: str | None = None
    partial_args: Any = None
    will_continue: bool | None = None


class FunctionResponse(Fields, rename="camel"):
    """What a function returned."""

    name: str = ""
    response: dict[str, Any] | None = None
    id: str | None = None
    will_continue: bool | None = None
    scheduling: str | None = None
    parts: Any = None


class Part(Fields, rename="camel"):
    """A piece of a content; one of the first seven is set."""

    text: str | None = None
    inline_data: Blob | None = None
    file_data: FileUri | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: dict[str, Any] | None = None
    code_execution_result: dict[str, Any] | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    video_metadata: Any = None
    media_resolution: Any = None
    part_metadata: Any = None


class Content(Fields):
    """One turn."""

    parts: list[Part] | None = None
    role: str | None = None


class Declaration(Fields, rename="camel"):
    """A function on offer."""

    name: Annotated[str, Meta(pattern=r"^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    parameters_json_schema: Any = None
    response: Any = None
    response_json_schema: Any = None
    behavior: str | None = None


class Tool(Fields, rename="camel"):
    """Functions, or a tool that runs at the vendor."""

    function_declarations: list[Declaration] | None = None
    google_search: dict[str, Any] | None = None
    google_search_retrieval: dict[str, Any] | None = None
    google_maps: dict[str, Any] | None = None
    code_execution: dict[str, Any] | None = None
    computer_use: dict[str, Any] | None = None
    enterprise_web_search: dict[str, Any] | None = None
    file_search: dict[str, Any] | None = None
    retrieval: dict[str, Any] | None = None
    url_context: dict[str, Any] | None = None


class CallingConfig(Fields, rename="camel"):
    """Which functions to call."""

    mode: Literal["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"] | None = None
    allowed_function_names: list[str] | None = None
    stream_function_call_arguments: bool | None = None


class ToolConfig(Fields, rename="camel"):
    """How to use the tools."""

    function_calling_config: CallingConfig | None = None
    retrieval_config: Any = None
    include_server_side_tool_invocations: bool | None = None


class ThinkingConfig(Fields, rename="camel"):
    """How much to think and whether to show it."""

    include_thoughts: bool | None = None
    thinking_budget: Annotated[int, Meta(ge=-1)] | None = None
    thinking_level: (
        Literal["THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH"]
        | Literal["minimal", "low", "medium", "high"]
        | None
    ) = None


class GenerationConfig(Fields, rename="camel"):
    """Limits and form of the answer."""

    audio_timestamp: bool | None = None
    candidate_count: Annotated[int, Meta(ge=1, le=8)] | None = None
    enable_affective_dialog: bool | None = None
    enable_enhanced_civic_answers: bool | None = None
    frequency_penalty: float | None = None
    image_config: Any = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    media_resolution: str | None = None
    model_selection_config: Any = None
    presence_penalty: float | None = None
    response_format: Any = None
    response_json_schema: Any = None
    response_logprobs: bool | None = None
    response_mime_type: Literal["text/plain", "application/json", "text/x.enum"] | None = None
    response_modalities: list[str] | None = None
    response_schema: dict[str, Any] | None = None
    routing_config: Any = None
    seed: int | None = None
    speech_config: Any = None
    stop_sequences: Annotated[list[str], Meta(max_length=5)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    thinking_config: ThinkingConfig | None = None
    top_k: float | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None


class SafetySetting(Fields):
    """What to block."""

    category: str
    threshold: str
    method: str | None = None


class GenerateRequest(Fields, rename="camel"):
    """The body of generateContent."""

    contents: list[Content] = msgspec.field(default_factory=list)
    system_instruction: Content | None = None
    tools: list[Tool] | None = None
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig | None = None
    safety_settings: list[SafetySetting] | None = None
    cached_content: str | None = None
    labels: dict[str, str] | None = None
    model: str | None = None
    model_armor_config: Any = None
    service_tier: str | None = None
    store: bool | None = None


class CountRequest(Fields, rename="camel"):
    """The body of countTokens."""

    contents: list[Content] = msgspec.field(default_factory=list)
    generate_content_request: GenerateRequest | None = None
    system_instruction: Content | None = None
    tools: list[Tool] | None = None
    generation_config: GenerationConfig | None = None
    instances: list[Any] | None = None
    model: str | None = None


class EmbedConfig(Fields, rename="camel"):
    """How to embed, on Vertex."""

    task_type: str | None = None
    title: str | None = None
    output_dimensionality: Annotated[int, Meta(ge=1, le=3072)] | None = None
    auto_truncate: bool | None = None
    document_ocr: bool | None = None
    audio_track_extraction: bool | None = None


class EmbedRequest(EmbedConfig, rename="camel", kw_only=True):
    """The body of embedContent."""

    content: Content
    model: str | None = None
    embed_content_config: EmbedConfig | None = None


class BatchRequest(Fields):
    """The body of batchEmbedContents."""

    requests: list[EmbedRequest]


class Instance(Fields):
    """A text to embed; the names are the model's own, not the API's."""

    content: str
    task_type: str | None = None
    title: str | None = None


class Parameters(Fields, rename={"output_dimensionality": "outputDimensionality", "auto_truncate": "autoTruncate"}):
    """How to embed."""

    output_dimensionality: Annotated[int, Meta(ge=1, le=3072)] | None = None
    auto_truncate: bool | None = None
    auto_truncate_snake: bool | None = msgspec.field(default=None, name="auto_truncate")


class PredictRequest(Fields):
    """The body of predict, for text embedding models."""

    instances: Annotated[list[Instance], Meta(min_length=1, max_length=250)]
    parameters: Parameters | None = None


GENERATE = msgspec.json.Decoder(GenerateRequest)
COUNT = msgspec.json.Decoder(CountRequest)
EMBED = msgspec.json.Decoder(EmbedRequest)
BATCH = msgspec.json.Decoder(BatchRequest)
PREDICT = msgspec.json.Decoder(PredictRequest)
