"""Where the providers of the AI plugins answer, and which of their APIs clients of each endpoint get.

Each speaks OpenAI's chat API, and some more, at paths of its own.
https://apisix.apache.org/docs/apisix/plugins/ai-proxy/
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from anygate.dialects.apisix.plugins.ai.instances import Vendor, VendorSettings
from anygate.model.inference import ModelEndpoint

OPENAI, ANTHROPIC, BEDROCK = "OpenAI", "Anthropic", "AWSBedrock"
CHAT, RESPONSES, EMBEDDINGS, MESSAGES = "openai-chat", "openai-responses", "openai-embeddings", "anthropic-messages"
CONVERSE = "bedrock-converse"
ENDPOINTS: Mapping[ModelEndpoint, str] = MappingProxyType(
    {"chat": CHAT, "responses": RESPONSES, "embeddings": EMBEDDINGS, "messages": MESSAGES}
)
"""The endpoints that the plugins know, with APISIX's words for what is spoken there."""


@dataclass(frozen=True)
class Site:
    """A provider: its address, and the path of each API; an empty path has to come from `override.endpoint`."""

    endpoint: str
    paths: Mapping[str, str]


_COMPATIBLE = Site("", {CHAT: "/v1/chat/completions", EMBEDDINGS: "/v1/embeddings"})
_SITES: Mapping[Vendor, Site] = MappingProxyType(
    {
        "openai": Site(
            "https://api.openai.com",
            {CHAT: "/v1/chat/completions", RESPONSES: "/v1/responses", EMBEDDINGS: "/v1/embeddings"},
        ),
        "deepseek": Site("https://api.deepseek.com", {CHAT: "/chat/completions"}),
        "azure-openai": Site("", {CHAT: "", EMBEDDINGS: ""}),
        "anthropic": Site("https://api.anthropic.com", {CHAT: "/v1/chat/completions", MESSAGES: "/v1/messages"}),
        "gemini": Site("https://generativelanguage.googleapis.com", {CHAT: "/v1beta/openai/chat/completions"}),
        "openrouter": Site("https://openrouter.ai", {CHAT: "/api/v1/chat/completions"}),
        "aimlapi": Site("https://api.aimlapi.com", {CHAT: "/chat/completions"}),
        "openai-compatible": _COMPATIBLE,
    }
)


def find_site(vendor: Vendor, settings: VendorSettings) -> Site:
    """Where a provider answers."""
    region, project = settings.region, settings.project_id
    if vendor == "vertex-ai":
        if not region or not project:
            return Site("", {CHAT: ""})
        root = f"/v1beta1/projects/{project}/locations/{region}/endpoints/openapi"
        return Site(f"https://{region}-aiplatform.googleapis.com", {CHAT: f"{root}/chat/completions"})
    if vendor == "bedrock":
        return Site(f"https://bedrock-runtime.{region}.amazonaws.com" if region else "", {CONVERSE: ""})
    return _SITES[vendor]


def find_api(site: Site, spoken: str) -> str:
    """The API of a provider that clients get who speak one of APISIX's protocols; empty if none can be had."""
    if spoken in site.paths:
        return spoken
    if spoken == MESSAGES and CHAT in site.paths:
        return CHAT
    return CONVERSE if CONVERSE in site.paths and spoken in (CHAT, MESSAGES) else ""


def format_of(api: str) -> str:
    """The format that an API has."""
    return {MESSAGES: ANTHROPIC, CONVERSE: BEDROCK}.get(api, OPENAI)
