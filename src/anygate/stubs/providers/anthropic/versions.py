"""What API version 2026-10-21 took away: https://platform.claude.com/docs/en/api/versioning."""

from anygate.stubs.providers.anthropic.errors import reject
from anygate.stubs.providers.anthropic.fields import (
    Block,
    CountRequest,
    DocumentBlock,
    Sampling,
    SearchResultBlock,
    TextBlock,
)

VERSIONS = ("2023-01-01", "2023-06-01", "2026-10-21")

_STRICT = "2026-10-21"
_REMOVED = ("temperature", "top_p", "top_k")


def check_version(request: CountRequest, version: str) -> None:
    """Raise what `version` does not take; older ones take everything."""
    if version != _STRICT:
        return
    if isinstance(request, Sampling):
        for name in _REMOVED:
            if getattr(request, name) is not None:
                raise reject(f"{name}: Extra inputs are not permitted")
    for index, message in enumerate(request.messages):
        for place, block in enumerate(message.content if isinstance(message.content, list) else ()):
            _check_block(block, message.role, f"messages.{index}.content.{place}")


def _check_block(block: Block, role: str, path: str) -> None:
    if role == "assistant" and isinstance(block, DocumentBlock):
        raise reject(f"{path}: `document` blocks are not permitted in `assistant` messages")
    if role != "user":
        return
    texts = block.content if isinstance(block, SearchResultBlock) else [block]
    if any(isinstance(text, TextBlock) and text.citations for text in texts):
        raise reject(f"{path}.text.citations: Extra inputs are not permitted")
