"""Image generation and edits: https://platform.openai.com/docs/api-reference/images."""

import base64
import struct
import zlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.fields import Fields, read_fields
from anygate.stubs.providers.framing import SSE, SSE_GARBAGE, frame_event
from anygate.stubs.providers.openai.chat import CREATED, refuse_unknown_model
from anygate.stubs.providers.openai.errors import reject
from anygate.stubs.providers.openai.multipart import read_form
from anygate.stubs.providers.outcome import Json, Outcome, Stream, build_json
from anygate.stubs.providers.tokens import ATTACHMENT_TOKENS, count_tokens


class ImageRequest(Fields):
    """The body of `/images/generations`."""

    prompt: Annotated[str, Meta(min_length=1, max_length=32_000)]
    background: Literal["transparent", "opaque", "auto"] | None = None
    complexity: Any = None
    frame_count: int | None = None
    frame_duration_ms: int | None = None
    model: str | None = None
    moderation: Literal["low", "auto"] | None = None
    n: Annotated[int, Meta(ge=1, le=10)] | None = None
    output_compression: Annotated[int, Meta(ge=0, le=100)] | None = None
    output_format: str | None = None
    partial_images: Annotated[int, Meta(ge=0, le=3)] | None = None
    quality: str | None = None
    response_format: Literal["url", "b64_json"] | None = None
    safety_identifier: str | None = None
    size: str | None = None
    stream: bool | None = None
    style: str | None = None
    svg: Any = None
    user: str | None = None


_DECODER = msgspec.json.Decoder(ImageRequest)


def answer_image(call: Call, deployment: str | None = None) -> Outcome:
    """Answer `/images/generations` with one-pixel PNGs whose colour follows from the prompt."""
    return _answer(call, read_fields(call.body, _DECODER), deployment)


def answer_edit(call: Call, deployment: str | None = None) -> Outcome:
    """Answer `/images/edits`, a form with one image or more, likewise."""
    form = read_form(call.headers.get("content-type", ""), call.body)
    if form is None:
        raise reject("Could not parse multipart form")
    if not form.files.keys() & {"image", "image[]", "image[0]"}:
        raise reject("Missing required parameter: 'image'.", "image", "missing_required_parameter")
    prompt = form.first("prompt")
    if not prompt:
        raise reject("Missing required parameter: 'prompt'.", "prompt", "missing_required_parameter")
    kept = {name: form.first(name) for name in ("model", "size", "quality", "response_format")}
    wanted = {"prompt": prompt, "stream": form.first("stream") == "true", **kept}
    return _answer(call, msgspec.convert(wanted, ImageRequest), deployment)


def _answer(call: Call, request: ImageRequest, deployment: str | None) -> Outcome:
    model = deployment or request.model or "dall-e-2"
    refuse_unknown_model(model)
    is_gpt = not model.startswith("dall-e")
    if is_gpt and request.response_format is not None:
        message = "Unknown parameter: 'response_format'."
        raise reject(message, "response_format", "unknown_parameter")
    encoded = base64.b64encode(_draw(call.digest)).decode()
    read, written = count_tokens(request.prompt), ATTACHMENT_TOKENS * (request.n or 1)
    usage = {
        "input_tokens": read,
        "input_tokens_details": {"text_tokens": read, "image_tokens": 0},
        "output_tokens": written,
        "total_tokens": read + written,
    }
    if request.stream:
        return _build_stream(request, encoded, usage)
    shows_bytes = is_gpt or request.response_format == "b64_json"
    image = {"b64_json": encoded} if shows_bytes else {"url": f"https://images.example/{call.digest[:24]}.png"}
    if model == "dall-e-3":
        image["revised_prompt"] = request.prompt
    answer: Json = {"created": CREATED, "data": [image] * (request.n or 1)}
    return build_json({**answer, "usage": usage} if is_gpt else answer)


def _build_stream(request: ImageRequest, encoded: str, usage: Json) -> Stream:
    look = {
        "created_at": CREATED,
        "size": request.size or "1024x1024",
        "quality": request.quality or "high",
        "background": request.background or "opaque",
        "output_format": request.output_format or "png",
        "b64_json": encoded,
    }
    events: list[Json] = [
        {"type": "image_generation.partial_image", "partial_image_index": index, **look}
        for index in range(request.partial_images or 0)
    ]
    events.append({"type": "image_generation.completed", **look, "usage": usage})
    return Stream(tuple(frame_event(event, event["type"]) for event in events), SSE, garbage=SSE_GARBAGE)


def _draw(digest: str) -> bytes:
    pixel = zlib.compress(b"\0" + bytes.fromhex(digest[:6]))
    chunks = [(b"IHDR", struct.pack("!IIBBBBB", 1, 1, 8, 2, 0, 0, 0)), (b"IDAT", pixel), (b"IEND", b"")]
    framed = [
        struct.pack("!I", len(content)) + kind + content + struct.pack("!I", zlib.crc32(kind + content))
        for kind, content in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)
