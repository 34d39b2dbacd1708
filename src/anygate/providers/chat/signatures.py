"""Reasoning signatures are only good at the vendor that made them: a mark keeps them apart when a conversation moves
on.

Claude's signatures travel as they are (clients of Anthropic's own API hold unmarked ones); Gemini's carry a prefix. The
prefix has characters that base64 lacks, so the two cannot be confused.
"""

_GEMINI = "gemini:"


def mark_gemini(signature: str) -> str:
    """A Gemini thought signature for the client to keep."""
    return _GEMINI + signature


def for_gemini(signature: str | None) -> str | None:
    """The signature Gemini gave, or None for another vendor's."""
    if signature is None or not signature.startswith(_GEMINI):
        return None
    return signature[len(_GEMINI) :]


def for_claude(signature: str | None) -> str | None:
    """The signature Claude gave, or None for another vendor's."""
    return None if signature is None or signature.startswith(_GEMINI) else signature
