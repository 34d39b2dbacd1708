"""The vendors that a stub can stand in for."""

from typing import Literal, get_args

Vendor = Literal[
    "openai",
    "azure-openai",
    "anthropic",
    "aws-bedrock",
    "gemini",
    "vertex-ai",
    "cohere",
    "ollama",
]

VENDORS: tuple[Vendor, ...] = get_args(Vendor)
