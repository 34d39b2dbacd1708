"""API schemas that backends speak, and what requests cost."""

from typing import Literal

from anygate.manifests.kind import Node

SchemaName = Literal[
    "OpenAI",
    "Cohere",
    "AWSBedrock",
    "AzureOpenAI",
    "GCPVertexAI",
    "GCPAnthropic",
    "Anthropic",
    "AWSAnthropic",
    "AWSOpenAI",
    "TypeSafe",
    # Ours alone: Google AI Studio.
    "Gemini",
]


class VersionedAPISchema(Node):
    """A vendor's API; what `version` means depends on the vendor, `prefix` is for OpenAI and Anthropic."""

    name: SchemaName
    version: str | None = None
    # With or without a leading slash.
    prefix: str | None = None


class LLMRequestCost(Node):
    """A number of each request that is kept under `metadataKey`: tokens of one type, or a CEL expression."""

    metadata_key: str
    type: Literal[
        "OutputToken",
        "InputToken",
        "CachedInputToken",
        "CacheCreationInputToken",
        "TotalToken",
        "ReasoningToken",
        "CEL",
    ]
    cel: str | None = None
