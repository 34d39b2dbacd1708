"""Which simulated model provider stands in for a backend."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from anygate.model import Backend
from anygate.model.inference import Provider
from anygate.stubs.vendor import Vendor

_OLLAMA_PORT = 11434
_ENDS = ("/chat/completions", "/completions", "/embeddings", "/responses", "/messages")
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
        return _VENDORS[backend.simulated] if backend.simulated else "", ""
    vendor: Vendor = _VENDORS.get(provider.format, "openai")
    if vendor == "openai" and any(end.port == _OLLAMA_PORT for group in backend.groups for end in group.endpoints):
        vendor = "ollama"
    return vendor, _root_of(provider) if vendor in ("openai", "anthropic") else ""


def _root_of(provider: Provider) -> str:
    """The root of a provider's paths, also where a path is given as a whole; `/` is the root of all."""
    path = provider.path.partition("?")[0]
    known = next((end for end in _ENDS if path.endswith(end)), "")
    return (path.removesuffix(known).strip("/") or "/") if known else provider.prefix
