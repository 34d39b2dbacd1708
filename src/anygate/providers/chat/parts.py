"""Messages and their parts. A `cache` mark is "default", "5m" or "1h": the prompt up to and with the part may be
cached.
"""

from typing import Literal, TypeAlias

import msgspec

Role = Literal["system", "user", "assistant", "tool"]


class Text(msgspec.Struct, frozen=True):
    """Plain text."""

    text: str
    cache: str | None = None


class Image(msgspec.Struct, frozen=True):
    """An image by its base64 content or by its URL, exactly one of them."""

    media_type: str
    content: str | None = None
    url: str | None = None
    detail: str | None = None
    cache: str | None = None
    path: str = ""


class File(msgspec.Struct, frozen=True):
    """A document: base64 content, plain text, a URL or an id at the provider, exactly one of them."""

    media_type: str
    content: str | None = None
    text: str | None = None
    url: str | None = None
    file_id: str | None = None
    name: str | None = None
    cache: str | None = None
    path: str = ""


class Audio(msgspec.Struct, frozen=True):
    """Spoken input as base64; `kind` is OpenAI's word, wav or mp3."""

    kind: str
    content: str
    path: str = ""


class ToolCall(msgspec.Struct, frozen=True):
    """The model asks for a call; `arguments` is JSON text as the model wrote it."""

    call_id: str
    name: str
    arguments: str
    cache: str | None = None
    path: str = ""


class ToolResult(msgspec.Struct, frozen=True):
    """What a call returned. `is_error` is None where the client's format cannot say."""

    call_id: str
    parts: "tuple[Text | Image | File, ...]"
    is_error: bool | None = None
    cache: str | None = None
    path: str = ""


class Reasoning(msgspec.Struct, frozen=True):
    """A thought with the signature that lets its provider trust it later, or an encrypted one (`redacted`)."""

    text: str
    signature: str | None = None
    redacted: str | None = None
    path: str = ""


class RefusalText(msgspec.Struct, frozen=True):
    """The model's own refusal, which OpenAI keeps apart from text."""

    text: str


Part: TypeAlias = Text | Image | File | Audio | ToolCall | ToolResult | Reasoning | RefusalText


def text_of(part: Part) -> str | None:
    """The part's text, also of a plain-text document; None for anything else."""
    return part.text if isinstance(part, Text | File) else None


class Message(msgspec.Struct, frozen=True):
    """One turn. Tool results stand in messages of role "tool", consecutive ones already together."""

    role: Role
    parts: list[Part]
    path: str = ""
