"""Canonical messages to Gemini contents (spec OG2-OG5)."""

from base64 import b64encode
from typing import Any

from anygate.providers.anthropic.write_messages import is_error, parse_arguments
from anygate.providers.chat import ChatRequest, File, Image, Part, Reasoning, RefusalText, Text, ToolCall, ToolResult
from anygate.providers.chat.abilities import is_gemini_3
from anygate.providers.chat.parts import text_of
from anygate.providers.chat.signatures import for_gemini
from anygate.providers.chat.turns import merge_turns
from anygate.providers.losses import Losses
from anygate.providers.refusal import not_expressible

# Google "Thought signatures": the value that skips the check where a call comes from another model.
PLACEHOLDER = "skip_thought_signature_validator"
_AUDIO = {"wav": "audio/wav", "mp3": "audio/mp3"}
_RESOLUTIONS = {
    "low": "MEDIA_RESOLUTION_LOW",
    "high": "MEDIA_RESOLUTION_HIGH",
    "medium": "MEDIA_RESOLUTION_MEDIUM",
    "auto": "MEDIA_RESOLUTION_UNSPECIFIED",
}


def write_contents(request: ChatRequest, model: str, losses: Losses) -> list[dict[str, Any]]:
    """Alternating `user` and `model` contents."""
    names = {
        part.call_id: part.name for message in request.messages for part in message.parts if isinstance(part, ToolCall)
    }
    contents = []
    for role, parts in merge_turns(request.messages):
        if role == "assistant":
            written = _write_model(parts, losses)
        else:
            written = [_write_user(part, names, model, losses) for part in parts]
        if written:
            contents.append({"role": "model" if role == "assistant" else "user", "parts": written})
    return contents


def _write_model(parts: list[Part], losses: Losses) -> list[dict[str, Any]]:
    """Thoughts and text keep their order, calls follow; the signature goes on the first call (spec OG4)."""
    texts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    signature: str | None = None
    for part in parts:
        if isinstance(part, Text):
            if part.text:
                texts.append({"text": part.text})
        elif isinstance(part, RefusalText):
            losses.add("messages.refusal", "Gemini has no refusals in a conversation")
        elif isinstance(part, ToolCall):
            calls.append({"functionCall": {"name": part.name, "args": parse_arguments(part)}})
        elif isinstance(part, Reasoning):
            signed = for_gemini(part.signature)
            signature = signature or signed
            if signed is None:
                losses.add(part.path, "a thought without Gemini's own signature cannot go back to Gemini")
            elif part.text:
                texts.append({"text": part.text, "thought": True})
    if calls:
        calls[0]["thoughtSignature"] = signature or b64encode(PLACEHOLDER.encode()).decode()
    elif signature and texts:
        texts[-1]["thoughtSignature"] = signature
    return [*texts, *calls]


def _write_user(part: Part, names: dict[str, str], model: str, losses: Losses) -> dict[str, Any]:
    if isinstance(part, Text | Image | File) and part.cache:
        losses.add("messages.cache_control", "Gemini caches prompts by itself")
    if isinstance(part, Text):
        return {"text": part.text}
    if isinstance(part, ToolResult):
        return _write_result(part, names, losses)
    if isinstance(part, Image):
        return _write_image(part, model)
    if isinstance(part, File):
        return _write_file(part)
    if isinstance(part, ToolCall | Reasoning | RefusalText):
        raise not_expressible("messages", "a user message cannot hold what a model says")
    kind = _AUDIO.get(part.kind)
    if kind is None:
        raise not_expressible(part.path, f"Gemini takes no audio of type {part.kind[:40]!r}")
    return {"inlineData": {"mimeType": kind, "data": part.content}}


def _write_result(result: ToolResult, names: dict[str, str], losses: Losses) -> dict[str, Any]:
    """Spec OG3: the function's name is found by the call's id; without it Gemini cannot match the result."""
    name = names.get(result.call_id)
    if name is None:
        raise not_expressible(result.path, f"no earlier call has the id {result.call_id[:64]!r}")
    texts = []
    media = []
    for part in result.parts:
        text = text_of(part)
        if text is not None:
            texts.append(text)
        elif isinstance(part, Image | File) and part.content is not None:
            media.append({"inlineData": {"mimeType": part.media_type, "data": part.content}})
        elif isinstance(part, Image | File):
            losses.add(part.path, "a Gemini function response holds media by content only")
    if result.cache:
        losses.add("messages.cache_control", "Gemini caches prompts by itself")
    key = "error" if is_error(result) else "output"
    response: dict[str, Any] = {"name": name, "response": {key: "".join(texts)}}
    if media:
        response["parts"] = media
    return {"functionResponse": response}


def _write_image(image: Image, model: str) -> dict[str, Any]:
    written: dict[str, Any]
    if image.url is not None:
        written = {"fileData": {"mimeType": image.media_type or "image/jpeg", "fileUri": image.url}}
    else:
        written = {"inlineData": {"mimeType": image.media_type, "data": image.content}}
    if image.detail in _RESOLUTIONS and image.detail != "auto" and is_gemini_3(model):
        written["mediaResolution"] = {"level": _RESOLUTIONS[image.detail]}
    return written


def _write_file(file: File) -> dict[str, Any]:
    if file.file_id is not None:
        raise not_expressible(file.path, "a file uploaded at one provider does not exist at another")
    if file.text is not None:
        return {"text": file.text}
    if file.url is not None:
        return {"fileData": {"mimeType": file.media_type, "fileUri": file.url}}
    return {"inlineData": {"mimeType": file.media_type, "data": file.content}}
