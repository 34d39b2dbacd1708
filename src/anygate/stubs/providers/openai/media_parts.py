"""Reads the images and files that OpenAI's requests carry."""

import base64
import binascii

from anygate.stubs.providers.openai.errors import reject
from anygate.stubs.providers.prompt import Prompt

_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


def attach_image(prompt: Prompt, url: str, path: str, *, marked: bool = False) -> None:
    """Add an image given as a data URI or an address."""
    if not url.startswith("data:"):
        if not url.startswith(("http://", "https://")):
            message = f"Invalid '{path}'. Expected a valid URL, but got a value with an invalid format."
            raise reject(message, path, "invalid_value")
        prompt.attach("image", url, marked=marked)
        return
    media, size = read_uri(url, path)
    if media not in _IMAGES:
        message = (
            f"Invalid MIME type. Only image types are supported: got {media!r}, expected one of "
            "['image/jpeg', 'image/png', 'image/gif', 'image/webp']."
        )
        raise reject(message, path, "invalid_image_format")
    prompt.attach(media, url, size, marked=marked)


def read_uri(uri: str, path: str) -> tuple[str, int]:
    """Return the media type and the size of a data URI in base64."""
    head, comma, encoded = uri.partition(",")
    media, _, encoding = head.removeprefix("data:").partition(";")
    if not comma or encoding != "base64":
        message = f"Invalid '{path}'. Expected a base64-encoded data URL, but got an invalid value."
        raise reject(message, path, "invalid_value")
    return media, read_size(encoded, path)


def read_size(encoded: str, path: str) -> int:
    """Return how many bytes are encoded."""
    try:
        return len(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError):
        message = f"Invalid '{path}'. Expected a base64-encoded value, but got a value that cannot be decoded."
        raise reject(message, path, "invalid_base64") from None
