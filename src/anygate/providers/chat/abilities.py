"""What models can do where the wire format alone does not tell: lists to be extended, matched on the upstream model
id.
"""

# Anthropic "Structured outputs", supported models; per hosting, as the clouds follow later.
STRUCTURED_OUTPUT_AWS = ("opus-4-5", "sonnet-4-5", "haiku-4-5", "opus-4-6", "sonnet-4-6")
STRUCTURED_OUTPUT_GCP = (
    *STRUCTURED_OUTPUT_AWS,
    "opus-4-7",
    "opus-4-8",
    "sonnet-5",
    "fable-5",
    "mythos-5",
    "mythos-preview",
)
# Amazon Bedrock "Structured outputs": these families are not on the list of supported models.
NO_STRUCTURED_OUTPUT_CONVERSE = ("amazon.", "meta.", "ai21.", "cohere.")
# Anthropic's own API takes it on every model except these older ones.
NO_STRUCTURED_OUTPUT = (
    "claude-2",
    "claude-3",
    "claude-instant",
    "opus-4-0",
    "sonnet-4-0",
    "opus-4-1",
    "opus-4-2025",
    "sonnet-4-2025",
)
# Anthropic "Effort", supported models: Opus 4.5 and everything newer than the 4.5 generation.
NO_EFFORT = (*NO_STRUCTURED_OUTPUT, "sonnet-4-5", "haiku-4-5")
# Anthropic "Models overview", maximum output; a request without max_tokens gets the newest-model value below.
OUTPUT_LIMITS = (
    ("claude-2", 4096),
    ("claude-instant", 4096),
    ("claude-3-5", 8192),
    ("claude-3-7", 8192),
    ("claude-3", 4096),
    ("opus-4-1", 32000),
    ("opus-4-0", 32000),
    ("opus-4-2025", 32000),
)
DEFAULT_OUTPUT_LIMIT = 32000
# Google "Structured output": JSON Schema came with Gemini 2.5.
OPENAPI_SCHEMA_ONLY = ("gemini-1", "gemini-2.0", "gemini-pro")

# Anthropic "Versions": from this one on these are refused. Versions are dates, apart from Bedrock's and Vertex's own.
REMOVED_SAMPLING = ("temperature", "top_p", "top_k")
_NO_SAMPLING = "2026-10-21"


def takes_sampling(version: str) -> bool:
    """Whether that version of Anthropic's API takes temperature, top_p and top_k."""
    return not (version[:1].isdigit() and version >= _NO_SAMPLING)


def has_structured_output(model: str, hosting: str) -> bool:
    """Whether Claude takes `output_config.format` at that hosting: "aws", "gcp" or "native"."""
    if hosting == "native":
        return not _has_any(model, NO_STRUCTURED_OUTPUT)
    return _has_any(model, STRUCTURED_OUTPUT_AWS if hosting == "aws" else STRUCTURED_OUTPUT_GCP)


def has_converse_output(model: str) -> bool:
    """Whether Converse takes `outputConfig` for the model."""
    if "claude" in model:
        return has_structured_output(model, "aws")
    return not _has_any(model, NO_STRUCTURED_OUTPUT_CONVERSE)


def has_effort(model: str) -> bool:
    """Whether Claude takes `output_config.effort`."""
    return not _has_any(model, NO_EFFORT)


def output_limit(model: str) -> int:
    """The max_tokens to send when the client gave none; Anthropic requires one."""
    for name, limit in OUTPUT_LIMITS:
        if name in model:
            return limit
    return DEFAULT_OUTPUT_LIMIT


def takes_json_schema(model: str) -> bool:
    """Gemini 2.5 and newer read JSON Schema as it is; older and tuned models only the OpenAPI subset."""
    return "gemini" in model and not _has_any(model, OPENAPI_SCHEMA_ONLY)


def is_gemini_3(model: str) -> bool:
    """The generation with thinking levels and mandatory thought signatures."""
    return "gemini-3" in model


def is_flash(model: str) -> bool:
    """Flash models take more thinking levels than Pro models."""
    return "flash" in model


def _has_any(model: str, names: tuple[str, ...]) -> bool:
    return any(name in model for name in names)
