"""Signatures of thoughts: given with a thought, checked when the thought comes back."""

import base64
import hashlib
import hmac

# Anthropic documents this text for testing: the thinking then comes back sealed.
REDACTION_TRIGGER = (
    "ANTHROPIC_MAGIC_STRING_TRIGGER_REDACTED_THINKING_46C9A13E193C177646C7398A98432ECCCE4C1253D5E2D82641AC0E52CC2876CB"
)

_KEY = b"a stub signs so that tests notice a thought that was changed on the way"


def sign(thought: str) -> str:
    """Return the signature of `thought`, in base64."""
    return base64.b64encode(hmac.digest(_KEY, thought.encode("utf-8", "surrogatepass"), hashlib.sha256)).decode()


def is_signed(thought: str, signature: str) -> bool:
    """Whether `signature` belongs to `thought`."""
    return hmac.compare_digest(sign(thought).encode(), signature.encode("utf-8", "surrogatepass"))


def seal(thought: str) -> str:
    """Return `thought` in a form that only a stub can open: the text and its signature, in base64."""
    return base64.b64encode(f"{sign(thought)}.{thought}".encode()).decode()


def is_sealed(sealed: str) -> bool:
    """Whether `sealed` was sealed by a stub and not changed since."""
    try:
        signature, dot, thought = base64.b64decode(sealed, validate=True).decode().partition(".")
    except ValueError:
        return False
    return bool(dot) and is_signed(thought, signature)
