"""Thoughts as reasoning items: the summary is the text, `encrypted_content` the signature or the encrypted thought."""

from typing import Any

from anygate.providers.chat import Reasoning
from anygate.providers.chat.fields import Fields

# Base64 has no full stop, so a redacted thought cannot be mistaken for a signature.
_REDACTED = "redacted."


def read_thought(item: Fields) -> Reasoning:
    """A reasoning item that this gateway wrote, or one of OpenAI's own, whose text alone can move on."""
    texts = [Fields(entry, f"{item.path}.summary").text("text") or "" for entry in item.items("summary")]
    if not texts:
        texts = [Fields(entry, f"{item.path}.content").text("text") or "" for entry in item.items("content")]
    seal = item.text("encrypted_content")
    if seal is not None and seal.startswith(_REDACTED):
        return Reasoning("", redacted=seal[len(_REDACTED) :], path=item.path)
    return Reasoning("\n".join(texts), signature=seal, path=item.path)


def write_thought(thought: Reasoning, item_id: str) -> dict[str, Any]:
    """A finished reasoning item."""
    item: dict[str, Any] = {
        "id": item_id,
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": thought.text}] if thought.text else [],
    }
    if thought.redacted is not None:
        item["encrypted_content"] = _REDACTED + thought.redacted
    elif thought.signature is not None:
        item["encrypted_content"] = thought.signature
    return item
