"""Which client format reaches which backend format, and by which conversion."""

from collections.abc import Callable

from anygate.providers.chat_backends import CHAT_BACKENDS
from anygate.providers.chat_conversion import READERS, ChatConversion
from anygate.providers.conversion import Conversion
from anygate.providers.counting import AnthropicCounting, ConvertedCounting
from anygate.providers.embeddings import EmbeddingConversion
from anygate.providers.formats import BackendFormat, ClientFormat
from anygate.providers.relay import AnthropicRelay, Relay
from anygate.providers.setting import Setting

Factory = Callable[[Setting], Conversion]
_OPENAI = (BackendFormat.OPENAI, BackendFormat.AZURE_OPENAI, BackendFormat.AWS_OPENAI)
_CLAUDE = (BackendFormat.ANTHROPIC, BackendFormat.AWS_ANTHROPIC, BackendFormat.GCP_ANTHROPIC)


def _build_table() -> dict[tuple[ClientFormat, BackendFormat], Factory]:
    table: dict[tuple[ClientFormat, BackendFormat], Factory] = {
        (client, backend): ChatConversion for client in READERS for backend in CHAT_BACKENDS
    }
    for client in (
        ClientFormat.CHAT,
        ClientFormat.RESPONSES,
        ClientFormat.RESPONSES_INPUT_TOKENS,
        ClientFormat.COMPLETIONS,
        ClientFormat.EMBEDDINGS,
    ):
        table.update({(client, backend): Relay for backend in _OPENAI})
    table.update({(ClientFormat.MESSAGES, backend): AnthropicRelay for backend in _CLAUDE})
    for backend in (BackendFormat.ANTHROPIC, BackendFormat.GCP_ANTHROPIC):
        table[ClientFormat.COUNT_TOKENS, backend] = AnthropicCounting
    for backend in (
        BackendFormat.AWS_ANTHROPIC,
        BackendFormat.AWS_BEDROCK,
        BackendFormat.GCP_VERTEX_AI,
        BackendFormat.GEMINI,
    ):
        table[ClientFormat.COUNT_TOKENS, backend] = ConvertedCounting
    for backend in (
        BackendFormat.AWS_BEDROCK,
        BackendFormat.GCP_VERTEX_AI,
        BackendFormat.GEMINI,
        BackendFormat.COHERE,
    ):
        table[ClientFormat.EMBEDDINGS, backend] = EmbeddingConversion
    table[ClientFormat.RERANK, BackendFormat.COHERE] = Relay
    return table


_TABLE = _build_table()


def find_conversion(client: ClientFormat, backend: BackendFormat, *, chat_only: bool = False) -> Factory | None:
    """The conversion for a pair, or None when the backend cannot serve the endpoint.

    `chat_only` is for an OpenAI-compatible server without the Responses API: responses go through its chat completions.
    """
    if chat_only and backend is BackendFormat.OPENAI and client is ClientFormat.RESPONSES:
        return ChatConversion
    return _TABLE.get((client, backend))


def is_passthrough(client: ClientFormat, backend: BackendFormat) -> bool:
    """Whether client and backend speak the same format, so that Envoy can connect them without any conversion."""
    return _TABLE.get((client, backend)) is Relay or (client, backend) in (
        (ClientFormat.MESSAGES, BackendFormat.ANTHROPIC),
        (ClientFormat.COUNT_TOKENS, BackendFormat.ANTHROPIC),
    )
