"""Where a request's metadata says what its answer has used, as CEL of Envoy's.

`ai_protocol_manager` leaves a typed message, and our own script for streams of chats a struct
(`envoy/filters/usage.py`). There never are both.
"""

from collections.abc import Mapping
from types import MappingProxyType

from anygate.envoy.names import COUNTS, USAGE, USED
from anygate.model.inference import ModelEndpoint

CHAT: frozenset[ModelEndpoint] = frozenset({"chat", "completions"})
"""The endpoints whose streams are chunks without names, any of which may be the one with the usage."""

FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "model": "model",
        "input_tokens": "input_tokens",
        "output_tokens": "output_tokens",
        "total_tokens": "total_tokens",
        "cached_tokens": "input_token_details.cached_tokens",
        "cache_creation_tokens": "input_token_details.cache_creation_tokens",
        "reasoning_tokens": "output_token_details.reasoning_tokens",
    }
)
"""The keys of the struct, with where the same is in the message."""

TYPED = f"metadata.typed_filter_metadata['{USAGE}']"
HAS_TYPED = f"'{USAGE}' in metadata.typed_filter_metadata"
STRUCT = f"metadata.filter_metadata['{USED}']['{COUNTS}']"
HAS_STRUCT = f"'{USED}' in metadata.filter_metadata"


def has_usage(endpoint: ModelEndpoint | None) -> str:
    """The expression for whether there is any usage."""
    return f"({HAS_STRUCT} || {HAS_TYPED})" if endpoint in CHAT else HAS_TYPED


def count_expression(key: str, endpoint: ModelEndpoint | None) -> str:
    """The expression for a count of an endpoint's answers, as a double; zero where there is none."""
    missing = "0.0"
    if key == "total_tokens":
        # Embeddings have no total.
        missing = f"{_typed('input_tokens', missing)} + {_typed('output_tokens', missing)}"
    text, struct = _typed(key, missing), f"{STRUCT}.{key}"
    return f"({HAS_STRUCT} ? (has({struct}) ? {struct} : 0.0) : {text})" if endpoint in CHAT else text


def _typed(key: str, missing: str) -> str:
    place = f"{TYPED}.{FIELDS[key]}"
    return f"(has({place}) ? double({place}) : {missing})"


def found_usage(key: str) -> str:
    """The expression for what is there, whatever the endpoint; it fails, and so gives nothing, where nothing is."""
    seen = f"{STRUCT}.{key}" if key == "model" else f"uint({STRUCT}.{key})"
    return f"{HAS_STRUCT} ? {seen} : {TYPED}.{FIELDS[key]}"
