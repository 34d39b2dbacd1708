"""Which provider plays which vendor."""

from anygate.stubs.providers.anthropic.provider import Anthropic
from anygate.stubs.providers.azure.provider import AzureOpenAI
from anygate.stubs.providers.bedrock.provider import Bedrock
from anygate.stubs.providers.cohere.provider import Cohere
from anygate.stubs.providers.gemini.provider import Gemini
from anygate.stubs.providers.gemini.vertex import VertexAI
from anygate.stubs.providers.ollama.provider import Ollama
from anygate.stubs.providers.openai.provider import OpenAI
from anygate.stubs.providers.provider import Provider
from anygate.stubs.vendor import Vendor

_PROVIDERS: dict[Vendor, type[Provider]] = {
    "aws-bedrock": Bedrock,
    "gemini": Gemini,
    "vertex-ai": VertexAI,
    "ollama": Ollama,
}
_PREFIXED: dict[Vendor, type[OpenAI | Anthropic | Cohere]] = {
    "openai": OpenAI,
    "azure-openai": AzureOpenAI,
    "anthropic": Anthropic,
    "cohere": Cohere,
}


def make_provider(vendor: Vendor, *, is_open: bool = False, prefix: str | None = None) -> Provider:
    """Return a fresh provider; `prefix` replaces the root of its paths where a schema can name one."""
    prefixed = _PREFIXED.get(vendor)
    if prefixed is None:
        return _PROVIDERS[vendor](is_open=is_open)
    return prefixed(is_open=is_open) if prefix is None else prefixed(is_open=is_open, prefix=prefix)
