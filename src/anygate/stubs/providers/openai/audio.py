"""Speech, transcription, translation: https://platform.openai.com/docs/api-reference/audio."""

import base64
import struct
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.completion import split_text
from anygate.stubs.providers.fields import Fields, read_fields
from anygate.stubs.providers.framing import DONE, SSE, SSE_GARBAGE, frame_event
from anygate.stubs.providers.openai.chat import refuse_unknown_model
from anygate.stubs.providers.openai.errors import reject
from anygate.stubs.providers.openai.multipart import Form, Upload, read_form
from anygate.stubs.providers.outcome import Json, Outcome, Stream, Unary, build_json
from anygate.stubs.providers.tokens import count_tokens

_MEDIA = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
_ENDINGS = ("flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm")
_TRANSCRIBED = frozenset(
    (
        *("model", "prompt", "language", "languages", "response_format", "temperature", "stream", "keywords"),
        *("timestamp_granularities[]", "include[]", "chunking_strategy", "chunking_strategy[type]"),
        *("known_speaker_names[]", "known_speaker_references[]"),
    )
)
_TRANSLATED = frozenset(("model", "prompt", "response_format", "temperature"))
_FORMATS = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
_SAMPLES = 16


class SpeechRequest(Fields):
    """The body of `/audio/speech`."""

    input: Annotated[str, Meta(min_length=1, max_length=4096)]
    model: str
    voice: str | dict[str, Any]
    instructions: str | None = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = None
    speed: Annotated[float, Meta(ge=0.25, le=4)] | None = None
    stream_format: Literal["sse", "audio"] | None = None


_SPEECH = msgspec.json.Decoder(SpeechRequest)


def answer_speech(call: Call) -> Outcome:
    """Answer `/audio/speech`: a short silence whose length follows the text's."""
    request = read_fields(call.body, _SPEECH)
    refuse_unknown_model(request.model)
    sound = _make_sound(request.input)
    if request.stream_format == "sse":
        count = call.orders.chunks or 4
        step = -(-len(sound) // count)
        pieces = [sound[start : start + step] for start in range(0, len(sound), step)]
        events = [{"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()} for piece in pieces]
        read = count_tokens(request.input)
        usage = {"input_tokens": read, "output_tokens": len(pieces), "total_tokens": read + len(pieces)}
        events_framed = [frame_event(event) for event in events]
        done = frame_event({"type": "speech.audio.done", "usage": usage})
        return Stream((*events_framed, done), SSE, garbage=SSE_GARBAGE)
    return Unary(sound, _MEDIA[request.response_format or "mp3"])


def answer_transcription(call: Call, deployment: str | None = None) -> Outcome:
    """Answer `/audio/transcriptions`: a sentence that names the file, its type and its size."""
    return _answer_file(call, _TRANSCRIBED, "Heard", deployment)


def answer_translation(call: Call, deployment: str | None = None) -> Outcome:
    """Answer `/audio/translations`: the same in other words."""
    return _answer_file(call, _TRANSLATED, "Translated", deployment)


def _make_sound(text: str) -> bytes:
    samples = bytes(2 * _SAMPLES * len(text))
    head = struct.pack(
        "<4sI8sIHHIIHH4sI",
        b"RIFF",
        36 + len(samples),
        b"WAVEfmt ",
        16,
        1,
        1,
        24_000,
        48_000,
        2,
        16,
        b"data",
        len(samples),
    )
    return head + samples


def _answer_file(call: Call, known: frozenset[str], verb: str, deployment: str | None) -> Outcome:
    form = read_form(call.headers.get("content-type", ""), call.body)
    if form is None:
        raise reject("Could not parse multipart form")
    upload, model = _check_form(form, known, deployment)
    refuse_unknown_model(model)
    text = f"{verb} {upload.filename}: {upload.media} of {len(upload.content)} bytes."
    match form.first("response_format") or "json":
        case "text":
            return Unary(text.encode() + b"\n", "text/plain; charset=utf-8")
        case "srt":
            return Unary(f"1\n00:00:00,000 --> 00:00:01,000\n{text}\n\n".encode(), "text/plain; charset=utf-8")
        case "vtt":
            return Unary(f"WEBVTT\n\n00:00.000 --> 00:01.000\n{text}\n".encode(), "text/plain; charset=utf-8")
        case "verbose_json":
            return build_json(_build_verbose(text, verb))
    usage = _build_usage(upload, text)
    if form.first("stream") == "true" and verb == "Heard":
        deltas = [{"type": "transcript.text.delta", "delta": each} for each in split_text(text, call.orders.chunks)]
        done = {"type": "transcript.text.done", "text": text, "usage": usage}
        parts = (*(frame_event(event) for event in (*deltas, done)), DONE)
        return Stream(parts, SSE, garbage=SSE_GARBAGE)
    return build_json({"text": text, "usage": usage} if verb == "Heard" else {"text": text})


def _check_form(form: Form, known: frozenset[str], deployment: str | None) -> tuple[Upload, str]:
    for name in (*form.texts, *form.files):
        if name != "file" and name not in known and f"{name}[]" not in known:
            raise reject(f"Unrecognized request argument supplied: {name}")
    upload, model = form.files.get("file"), deployment or form.first("model")
    if model is None:
        raise reject("you must provide a model parameter")
    if upload is None:
        raise reject("Missing required parameter: 'file'.", "file", "missing_required_parameter")
    ending = upload.filename.rpartition(".")[2].lower()
    if ending not in _ENDINGS:
        raise reject(f"Unrecognized file format. Supported formats: {list(_ENDINGS)}")
    wanted = form.first("response_format")
    if wanted is not None and wanted not in _FORMATS:
        raise reject(f"Invalid value: '{wanted}'.", "response_format", "invalid_value")
    return upload, model


def _build_usage(upload: Upload, text: str) -> Json:
    heard, written = -(-len(upload.content) // 1000), count_tokens(text)
    details = {"text_tokens": 0, "audio_tokens": heard}
    total = heard + written
    return {
        "type": "tokens",
        "input_tokens": heard,
        "input_token_details": details,
        "output_tokens": written,
        "total_tokens": total,
    }


def _build_verbose(text: str, verb: str) -> Json:
    segment = {"id": 0, "seek": 0, "start": 0.0, "end": 1.0, "text": text, "tokens": [], "temperature": 0.0}
    scores = {"avg_logprob": -0.1, "compression_ratio": 1.0, "no_speech_prob": 0.0}
    task = "transcribe" if verb == "Heard" else "translate"
    return {"task": task, "language": "english", "duration": 1.0, "text": text, "segments": [{**segment, **scores}]}
