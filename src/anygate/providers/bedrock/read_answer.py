"""Converse answers, streams and errors to canonical ones."""

from anygate.providers.bedrock.shapes import CONVERSE, EVENT, BlockShape, EventShape, read_stop, read_usage, stop_detail
from anygate.providers.chat import Answer, Choice, Reasoning, RefusalText, StopReason, StreamWriter, Text, ToolCall
from anygate.providers.chat.reader import CITATIONS, HOSTED_TOOL, StreamReader, truncated
from anygate.providers.json_text import parse_answer, parse_value, render_text
from anygate.providers.losses import Losses
from anygate.providers.refusal import ErrorReply, bad_answer, shorten
from anygate.providers.usage import Usage

# The HTTP statuses of the exceptions, as the Converse reference lists them.
EXCEPTIONS = {
    "internalServerException": 500,
    "modelStreamErrorException": 424,
    "validationException": 400,
    "throttlingException": 429,
    "serviceUnavailableException": 503,
    "modelTimeoutException": 408,
    "modelNotReadyException": 429,
    "accessDeniedException": 403,
    "resourceNotFoundException": 404,
    "modelErrorException": 424,
}


def read_answer(body: bytes, created: int, losses: Losses) -> Answer:
    """A whole ConverseResponse; the caller fills in id and model, which Converse does not repeat."""
    shape = parse_answer(CONVERSE, body)
    if shape.output is None or shape.output.message is None:
        raise bad_answer("it has no output")
    parts = [part for block in shape.output.message.content if (part := _read_block(block, losses)) is not None]
    word = shape.stopReason
    choice = Choice(
        parts=parts,
        stop=read_stop(word),
        stop_detail=stop_detail(word),
    )
    usage = read_usage(shape.usage) if shape.usage else Usage()
    return Answer(answer_id="", model="", created=created, choices=[choice], usage=usage)


def _read_block(block: BlockShape, losses: Losses) -> Text | Reasoning | RefusalText | ToolCall | None:
    if block.text is not None:
        return Text(block.text)
    if block.toolUse is not None:
        use = block.toolUse
        return ToolCall(use.toolUseId, use.name, render_text({} if use.input is None else use.input))
    if block.reasoningContent is not None:
        thought = block.reasoningContent
        if thought.reasoningText is not None:
            return Reasoning(thought.reasoningText.text, thought.reasoningText.signature)
        return Reasoning("", redacted=thought.redactedContent or "")
    if type(block.citationsContent) is dict:
        if block.citationsContent.get("citations"):
            losses.add("answer.content.citations", CITATIONS)
        pieces = block.citationsContent.get("content")
        if type(pieces) is list:
            return Text("".join(str(piece["text"]) for piece in pieces if type(piece) is dict and "text" in piece))
    losses.add("answer.content", HOSTED_TOOL)
    return None


class ConverseStreamReader(StreamReader):
    """Frames in; `messageStop` brings the reason, `metadata` the usage after it, and Claude often sends no block
    starts.
    """

    def __init__(self, writer: StreamWriter, losses: Losses, created: int, answer_id: str, model: str) -> None:
        super().__init__(writer, losses)
        self.model = model
        self._created = created
        self._answer_id = answer_id
        self._slot = -1
        self._slots: dict[int, int] = {}
        self._stop: tuple[StopReason, None, str | None] | None = None

    def feed(self, name: str, payload: bytes) -> None:
        """One frame by its `:event-type`."""
        if name in EXCEPTIONS:
            self.writer.fail(read_exception(name, payload))
            return
        event = parse_answer(EVENT, payload)
        if name == "contentBlockDelta":
            if event.delta is not None:
                self._read_delta(event.contentBlockIndex, event.delta)
        elif name == "contentBlockStart":
            self._read_start(event)
        elif name == "messageStart":
            self.writer.start(self._answer_id, self.model, self._created)
        elif name == "messageStop":
            self._stop = (read_stop(event.stopReason), None, stop_detail(event.stopReason))
        elif name == "metadata" and event.usage is not None:
            self.writer.usage.replace_with(read_usage(event.usage))

    def finish(self) -> None:
        """The end of the connection is the end of the stream; it is good after `messageStop`."""
        if self._stop is None:
            self.writer.fail(truncated())
        elif not self.writer.ended:
            self.writer.stop(0, *self._stop)
            self.writer.finish()

    def _read_start(self, event: EventShape) -> None:
        use = event.start.toolUse if event.start else None
        if use is not None:
            self._slot += 1
            self._slots[event.contentBlockIndex] = self._slot
            self.writer.tool_start(0, self._slot, use.toolUseId, use.name)

    def _read_delta(self, index: int, delta: BlockShape) -> None:
        if delta.text:
            self.writer.text(0, delta.text)
        elif delta.toolUse is not None:
            fragment = delta.toolUse.input
            if type(fragment) is str and fragment and index in self._slots:
                self.writer.tool_arguments(0, self._slots[index], fragment)
        elif delta.reasoningContent is not None:
            thought = delta.reasoningContent
            if thought.text:
                self.writer.reasoning(0, thought.text)
            if thought.signature:
                self.writer.signature(0, thought.signature)
            if thought.redactedContent:
                self.writer.redacted(0, thought.redactedContent)
        elif delta.citation is not None:
            self.losses.add("answer.content.citations", CITATIONS)


def read_exception(name: str, payload: bytes) -> ErrorReply:
    """An exception frame: its type and `{message}`."""
    status = EXCEPTIONS.get(name, 500)
    error = read_error(status, payload, name)
    return error or ErrorReply(status, "the provider reported an error", kind=name)


def read_error(status: int, body: bytes, kind: str) -> ErrorReply | None:
    """`{message}` with the type from `x-amzn-errortype` (spec OB16); AWS writes Message in places."""
    try:
        value = parse_value(body)
    except ValueError:
        return None
    if type(value) is not dict:
        return None
    message = value.get("message", value.get("Message"))
    if type(message) is not str:
        return None
    return ErrorReply(status, shorten(message), kind=kind.partition(":")[0])
