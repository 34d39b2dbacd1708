"""The paths at which a gateway serves each endpoint to its clients."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from anygate.providers.formats import ClientFormat

if TYPE_CHECKING:  # the adapter starts in half the time without the model
    from anygate.model.inference import ModelEndpoint

ENDPOINT_PATHS: "Mapping[ModelEndpoint, tuple[str, ...]]" = MappingProxyType(
    {
        "chat": ("/v1/chat/completions",),
        "completions": ("/v1/completions",),
        "embeddings": ("/v1/embeddings",),
        "responses": ("/v1/responses",),
        "responses_input_tokens": ("/v1/responses/input_tokens",),
        "images": ("/v1/images/generations",),
        "image_edits": ("/v1/images/edits",),
        "speech": ("/v1/audio/speech",),
        "transcription": ("/v1/audio/transcriptions",),
        "translation": ("/v1/audio/translations",),
        # The second is where Anthropic's own clients look when they are given the gateway's bare address.
        "messages": ("/anthropic/v1/messages", "/v1/messages"),
        "count_tokens": ("/anthropic/v1/messages/count_tokens", "/v1/messages/count_tokens"),
        "rerank": ("/cohere/v2/rerank",),
        "tokenize": ("/tokenize",),
    }
)
"""Every endpoint with its paths."""

MULTIPART: "frozenset[ModelEndpoint]" = frozenset({"image_edits", "transcription", "translation"})
"""Endpoints whose requests are forms, with the model in a part of its own."""

CLIENT_FORMATS: "Mapping[ModelEndpoint, ClientFormat]" = MappingProxyType(
    {
        "chat": ClientFormat.CHAT,
        "completions": ClientFormat.COMPLETIONS,
        "embeddings": ClientFormat.EMBEDDINGS,
        "responses": ClientFormat.RESPONSES,
        "responses_input_tokens": ClientFormat.RESPONSES_INPUT_TOKENS,
        "messages": ClientFormat.MESSAGES,
        "count_tokens": ClientFormat.COUNT_TOKENS,
        "rerank": ClientFormat.RERANK,
    }
)
"""The endpoints that can be converted; the others only reach backends that serve them as they are."""
