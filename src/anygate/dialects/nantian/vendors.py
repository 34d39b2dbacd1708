"""What the names of providers and formats in an AIService stand for."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from anygate.dialects.nantian.kinds.aiservice import AuthType, fold
from anygate.urls import split_url

OPENAI, ANTHROPIC, OLLAMA = "OpenAI", "Anthropic", "Ollama"
_AZURE_VERSION = "2024-10-21"


@dataclass(frozen=True)
class Vendor:
    """A provider: where it answers unless an `endpoint` is given, its API, and how it wants to be shown a key."""

    endpoint: str
    format: str = OPENAI
    auth: AuthType = "bearer"
    header: str = ""


_BEDROCK = Vendor("https://bedrock-runtime.us-east-1.amazonaws.com", "AWSBedrock", "aws")
_GOOGLE = Vendor("https://generativelanguage.googleapis.com", "Gemini", "apikey", "x-goog-api-key")

VENDORS: Mapping[str, Vendor] = MappingProxyType(
    {
        "openai": Vendor("https://api.openai.com/v1"),
        "anthropic": Vendor("https://api.anthropic.com", ANTHROPIC, "apikey", "x-api-key"),
        "ollama": Vendor("http://localhost:11434", OLLAMA),
        "vllm": Vendor("http://localhost:8000/v1"),
        "azure": Vendor("", "AzureOpenAI", "apikey", "api-key"),
        "mistral": Vendor("https://api.mistral.ai/v1"),
        "groq": Vendor("https://api.groq.com/openai/v1"),
        "deepseek": Vendor("https://api.deepseek.com/v1"),
        "cohere": Vendor("https://api.cohere.com", "Cohere"),
        "google": _GOOGLE,
        "gemini": _GOOGLE,
        "bedrock": _BEDROCK,
        "awsbedrock": _BEDROCK,
    }
)
"""By the folded name."""

FORMATS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("openai", "openaichat", "openaicompat", "openaicompatible"), OPENAI),
        **dict.fromkeys(("anthropic", "anthropicmessages"), ANTHROPIC),
        "ollama": OLLAMA,
        **dict.fromkeys(("azure", "azureopenai"), "AzureOpenAI"),
        **dict.fromkeys(("google", "gemini"), "Gemini"),
        **dict.fromkeys(("awsbedrock", "bedrock"), "AWSBedrock"),
        "cohere": "Cohere",
    }
)
"""Spellings of formats, folded, and the API that each means."""


@dataclass(frozen=True)
class Api:
    """The API at an endpoint, as `Provider` says it; `base` stands before `/v1` in paths that pass as they are."""

    format: str
    prefix: str = ""
    version: str = ""
    base: str = ""


def find_vendor(provider: str) -> Vendor | None:
    """What is known of a provider by its name."""
    return VENDORS.get(fold(provider))


def read_api(format_: str, endpoint: str) -> Api:
    """The API at an endpoint, whose path is read as the vendor's own client reads that of its base URL.

    OpenAI's has its version in the path, Anthropic's and Ollama's have not; Ollama speaks OpenAI's API below `/v1`.
    """
    parts = split_url(endpoint)
    path = parts.path.strip("/")
    if format_ == OPENAI:
        return Api(OPENAI, path, base=_before_version(path) if path else "")
    if format_ in (ANTHROPIC, OLLAMA):
        base = _before_version(path)
        prefix = f"{base}/v1" if base else "v1"
        return Api(ANTHROPIC if format_ == ANTHROPIC else OPENAI, prefix, base=base)
    if format_ == "AzureOpenAI":
        versions = [
            value for name, _, value in (one.partition("=") for one in parts.query.split("&")) if name == "api-version"
        ]
        return Api(format_, version=next(iter(versions), _AZURE_VERSION), base=path)
    return Api(format_, prefix=path if format_ == "Gemini" else "", base=path)


def _before_version(path: str) -> str:
    return path.removesuffix("v1").rstrip("/") if path == "v1" or path.endswith("/v1") else path
