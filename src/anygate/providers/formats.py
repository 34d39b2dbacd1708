"""The wire formats on both sides and what a backend is told about itself."""

from enum import StrEnum

import msgspec


class ClientFormat(StrEnum):
    """What the client speaks, one per endpoint."""

    CHAT = "openai.chat"
    RESPONSES = "openai.responses"
    RESPONSES_INPUT_TOKENS = "openai.responses.input_tokens"
    COMPLETIONS = "openai.completions"
    EMBEDDINGS = "openai.embeddings"
    MESSAGES = "anthropic.messages"
    COUNT_TOKENS = "anthropic.count_tokens"
    RERANK = "cohere.rerank"

    @property
    def is_anthropic(self) -> bool:
        """Whether errors have Anthropic's shape."""
        return self.value.startswith("anthropic.")


class BackendFormat(StrEnum):
    """What the backend speaks: the schema names of AIServiceBackend, and Google AI Studio."""

    OPENAI = "OpenAI"
    AZURE_OPENAI = "AzureOpenAI"
    AWS_BEDROCK = "AWSBedrock"
    AWS_ANTHROPIC = "AWSAnthropic"
    AWS_OPENAI = "AWSOpenAI"
    GCP_VERTEX_AI = "GCPVertexAI"
    GCP_ANTHROPIC = "GCPAnthropic"
    GEMINI = "Gemini"
    ANTHROPIC = "Anthropic"
    COHERE = "Cohere"


class Backend(msgspec.Struct, frozen=True, kw_only=True):
    """One backend: `version` and `prefix` as in AIServiceBackend's schema, `model` the override of the client's model.

    `chat_only` marks an OpenAI-compatible server without the Responses API, `legacy_max_tokens` one that does not know
    `max_completion_tokens`. `path` is that of every request, if it is not where the format has it.
    """

    format: BackendFormat
    version: str = ""
    prefix: str = ""
    model: str | None = None
    region: str = ""
    project: str = ""
    chat_only: bool = False
    legacy_max_tokens: bool = False
    path: str = ""
