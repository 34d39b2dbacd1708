"""Data URIs and media types."""

import re
from base64 import b64decode

_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[^;,]*)*);base64,", re.IGNORECASE)
_BY_SUFFIX = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "mp4": "video/mp4",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
}
_ALIASES = {"image/jpg": "image/jpeg"}


def split_data_uri(url: str) -> tuple[str, str] | None:
    """Media type and base64 content of a data URI (RFC 2397), or None for any other URL."""
    if url[:5].lower() != "data:":
        return None
    match = _DATA_URI.match(url)
    if match is None:
        return None
    media_type = (match[1] or "text/plain").lower()
    return _ALIASES.get(media_type, media_type), url[match.end() :]


def is_data_uri(url: str) -> bool:
    """Whether the URL carries its content, even in a form `split_data_uri` does not read."""
    return url[:5].lower() == "data:"


def guess_media_type(name: str, default: str) -> str:
    """The media type by the ending of a file name or URL path."""
    path = name.partition("?")[0].partition("#")[0]
    return _BY_SUFFIX.get(path.rpartition(".")[2].lower(), default)


def decode_text(content: str) -> str | None:
    """The text behind base64, or None when it is neither base64 nor UTF-8."""
    try:
        return b64decode(content, validate=True).decode()
    except ValueError:
        return None
