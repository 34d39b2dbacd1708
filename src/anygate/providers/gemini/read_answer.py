"""Gemini answers, streams and errors to canonical ones (spec OG12-OG16)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from anygate.providers.chat import Answer, Choice, OutputFormat, Reasoning, RefusalText, StreamWriter, Text, ToolCall
from anygate.providers.chat.reader import CITATIONS, HOSTED_TOOL, StreamReader, truncated
from anygate.providers.chat.signatures import mark_gemini
from anygate.providers.gemini.shapes import (
    RESPONSE,
    CandidateShape,
    PartShape,
    read_logprobs,
    read_stop,
    read_usage,
    stop_detail,
)
from anygate.providers.json_text import parse_answer, parse_value, render_text
from anygate.providers.losses import Losses
from anygate.providers.refusal import ErrorReply, bad_answer, shorten
from anygate.providers.usage import Usage

NewId = Callable[[str], str]


def read_answer(body: bytes, created: int, new_id: NewId, losses: Losses, bare: OutputFormat | None = None) -> Answer:
    """A whole response; a blocked prompt is an answer without content. `bare` is a format without JSON quotes."""
    shape = parse_answer(RESPONSE, body)
    blocked = shape.prompt_feedback.block_reason if shape.prompt_feedback else None
    if not shape.candidates and not blocked:
        raise bad_answer("it has no candidates")
    choices = [_read_candidate(at, candidate, new_id, losses) for at, candidate in enumerate(shape.candidates or [])]
    if bare is not None:
        for choice in choices:
            choice.parts = [Text(unquote(part.text, bare)) if isinstance(part, Text) else part for part in choice.parts]
    if not choices:
        choices = [Choice(parts=[], stop="content_filter", stop_detail=blocked)]
    extra: dict[str, Any] = {}
    first = shape.candidates[0] if shape.candidates else CandidateShape()
    if first.safety_ratings is not None:
        extra["safety_ratings"] = first.safety_ratings
    if first.grounding_metadata is not None:
        extra["grounding_metadata"] = first.grounding_metadata
    return Answer(
        answer_id=shape.response_id or "",
        model=shape.model_version or "",
        created=_read_time(shape.create_time, created),
        choices=choices,
        usage=read_usage(shape.usage_metadata) if shape.usage_metadata else Usage(),
        extra=extra,
    )


def _read_time(text: str | None, otherwise: int) -> int:
    try:
        return otherwise if text is None else int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError, OSError):
        return otherwise


def _report_candidate(candidate: CandidateShape, losses: Losses) -> None:
    if candidate.citation_metadata:
        losses.add("answer.candidates.citationMetadata", CITATIONS)
    if candidate.url_context_metadata:
        losses.add("answer.candidates.urlContextMetadata", CITATIONS)


def _report_part(part: PartShape, losses: Losses) -> None:
    if part.inline_data is not None or part.file_data is not None:
        losses.add("answer.candidates.content.parts", "media that the model made has no place in the client's format")
    if part.executable_code is not None or part.code_execution_result is not None:
        losses.add("answer.candidates.content.parts", HOSTED_TOOL)


def _read_candidate(at: int, candidate: CandidateShape, new_id: NewId, losses: Losses) -> Choice:
    _report_candidate(candidate, losses)
    parts: list[Text | Reasoning | RefusalText | ToolCall] = []
    thoughts: list[str] = []
    for part in (candidate.content.parts if candidate.content else None) or []:
        _report_part(part, losses)
        _read_part(part, parts, thoughts, new_id)
    if thoughts:
        parts.insert(0, Reasoning("".join(thoughts)))
    word = candidate.finish_reason
    stop = read_stop(word)
    if stop == "stop" and any(isinstance(part, ToolCall) for part in parts):
        stop = "tool_calls"
    return Choice(
        index=at if candidate.index is None else candidate.index,
        parts=parts,
        stop=stop,
        stop_detail=stop_detail(word),
        logprobs=read_logprobs(candidate.logprobs_result),
    )


def _read_part(part: PartShape, parts: list[Any], thoughts: list[str], new_id: NewId) -> None:
    """A signature closes the thought before it, whatever part it rides on."""
    if part.thought and part.text:
        thoughts.append(part.text)
    if part.thought_signature:
        parts.append(Reasoning("".join(thoughts), mark_gemini(part.thought_signature)))
        thoughts.clear()
    if part.text and not part.thought:
        if parts and isinstance(parts[-1], Text):
            parts[-1] = Text(parts[-1].text + part.text)
        else:
            parts.append(Text(part.text))
    call = part.function_call
    if call is not None:
        parts.append(ToolCall(call.id or new_id("call_"), call.name, render_text(call.args or {})))


def unquote(text: str, shape: OutputFormat) -> str:
    """Spec OG9: vLLM answers a guided pattern or choice with the bare words, Gemini may with a JSON string."""
    try:
        value = parse_value(text)
    except ValueError:
        return text
    if type(value) is not str or (shape.kind == "choice" and text in shape.choices):
        return text
    return value


class GeminiStreamReader(StreamReader):
    """Chunks in, each a response of its own; a call comes whole, and the finish reason may stand in a later chunk."""

    def __init__(
        self, writer: StreamWriter, losses: Losses, created: int, new_id: NewId, bare: OutputFormat | None = None
    ) -> None:
        super().__init__(writer, losses)
        self._created = created
        self._new_id = new_id
        self._started = False
        self._slots: dict[int, int] = {}
        self._stopped: set[int] = set()
        self._bare = bare
        self._held: dict[int, list[str]] = {}

    def feed(self, name: str, payload: bytes) -> None:
        """One SSE event."""
        if payload == b"[DONE]":
            return
        shape = parse_answer(RESPONSE, payload)
        if shape.error is not None:
            error = shape.error
            self.writer.fail(ErrorReply(error.code or 500, error.message, kind=error.status))
            return
        if not self._started:
            self._started = True
            self.model = shape.model_version or ""
            self.writer.start(shape.response_id or "", self.model, _read_time(shape.create_time, self._created))
        if shape.usage_metadata is not None:
            self.writer.usage.replace_with(read_usage(shape.usage_metadata))
        if shape.prompt_feedback is not None and shape.prompt_feedback.block_reason and not shape.candidates:
            self._stop(0, "SAFETY")
        for at, candidate in enumerate(shape.candidates or ()):
            self._read_candidate(at if candidate.index is None else candidate.index, candidate)

    def finish(self) -> None:
        """Gemini ends a stream by closing; it is good after a finish reason."""
        if self._stopped:
            self.writer.finish()
        else:
            self.writer.fail(truncated())

    def _read_candidate(self, at: int, candidate: CandidateShape) -> None:
        writer = self.writer
        _report_candidate(candidate, self.losses)
        if candidate.grounding_metadata:
            self.losses.add(
                "answer.candidates.groundingMetadata", "a stream of the client's format has no place for it"
            )
        scores = read_logprobs(candidate.logprobs_result)
        for part in (candidate.content.parts if candidate.content else None) or ():
            _report_part(part, self.losses)
            if part.thought and part.text:
                writer.reasoning(at, part.text)
            if part.thought_signature:
                writer.signature(at, mark_gemini(part.thought_signature))
            if part.text and not part.thought:
                if self._bare is None:
                    writer.text(at, part.text, scores)
                else:
                    self._held.setdefault(at, []).append(part.text)
            call = part.function_call
            if call is not None:
                slot = self._slots.get(at, -1) + 1
                self._slots[at] = slot
                writer.tool_start(at, slot, call.id or self._new_id("call_"), call.name)
                writer.tool_arguments(at, slot, render_text(call.args or {}))
        if candidate.finish_reason:
            self._stop(at, candidate.finish_reason)

    def _stop(self, at: int, word: str) -> None:
        if at in self._stopped:
            return
        self._stopped.add(at)
        if self._bare is not None and at in self._held:
            self.writer.text(at, unquote("".join(self._held.pop(at)), self._bare))
        stop = read_stop(word)
        stop = "tool_calls" if stop == "stop" and at in self._slots else stop
        self.writer.stop(at, stop, detail=stop_detail(word))


def read_error(status: int, body: bytes) -> ErrorReply | None:
    """`{error: {code, message, status, details}}`, in places as the only element of a list (spec OG16)."""
    try:
        value = parse_value(body)
    except ValueError:
        return None
    if type(value) is list and value:
        value = value[0]
    error = value.get("error") if type(value) is dict else None
    if type(error) is not dict or type(error.get("message")) is not str:
        return None
    kind = error.get("status")
    return ErrorReply(status, shorten(error["message"]), kind=kind[:200] if type(kind) is str else "")
