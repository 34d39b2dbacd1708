"""Which simulated model provider stands in for a backend."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from anygate.model import Backend
from anygate.stubs.vendor import Vendor

_OLLAMA_PORT = 11434
_VENDORS: Mapping[str, Vendor] = MappingProxyType(
    {
        "OpenAI": "openai",
        "AzureOpenAI": "azure-openai",
        "AWSBedrock": "aws-bedrock",
        "AWSAnthropic": "aws-bedrock",
        "AWSOpenAI": "aws-bedrock",
        "GCPVertexAI": "vertex-ai",
        "GCPAnthropic": "vertex-ai",
        "Gemini": "gemini",
        "Anthropic": "anthropic",
        "Cohere": "cohere",
    }
)


def vendor_of(backend: Backend) -> tuple[Vendor | Literal["", "mcp"], str]:
    """The vendor that a backend speaks like and the root of its paths; an empty one for a backend of no provider."""
    provider = backend.provider
    if backend.mcp is not None:
        return "mcp", ""
    if provider is None:
        return "", ""
    vendor: Vendor = _VENDORS.get(provider.format, "openai")
    if vendor == "openai" and any(end.port == _OLLAMA_PORT for group in backend.groups for end in group.endpoints):
        vendor = "ollama"
    return vendor, provider.prefix if vendor in ("openai", "anthropic") else ""
